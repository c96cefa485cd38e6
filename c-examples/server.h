/*
 * What the servers share: a listening socket, a descriptor that turns readable
 * when the program is asked to stop, and complaints.
 */
#ifndef SERVER_H
#define SERVER_H

#include <liburing.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static inline void die(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(1);
}

/* The port on the command line; 0, the default, lets the kernel choose. */
static inline int port_argument(const char *text)
{
	char *end;
	long port = strtol(text, &end, 10);

	if (*end || end == text || port < 0 || port > 65535) {
		fprintf(stderr, "not a port: %s\n", text);
		exit(2);
	}
	return (int) port;
}

/* A socket of this type on 127.0.0.1; prints where it is. */
static inline int bound_socket(int type, int port)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	int fd, on = 1;

	fd = socket(AF_INET, type, 0);
	if (fd < 0)
		die("socket", errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((uint16_t) port);
	if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
		die("bind", errno);
	if (type == SOCK_STREAM && listen(fd, 512) < 0)
		die("listen", errno);
	if (getsockname(fd, (struct sockaddr *) &address, &length) < 0)
		die("getsockname", errno);
	printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

/* Readable once SIGINT or SIGTERM has come. */
static inline int stop_descriptor(void)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (fd < 0)
		die("signalfd", errno);
	return fd;
}

/* A free SQE; submits what is queued when there is none. */
static inline struct io_uring_sqe *next_sqe(struct io_uring *ring)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(ring))) {
		int ret = io_uring_submit(ring);

		if (ret < 0 && ret != -EAGAIN && ret != -EBUSY && ret != -EINTR)
			die("io_uring_submit", -ret);
	}
	return sqe;
}

#endif
