/* Short ways to run one request, or a few, and to have things to run them on. */
#ifndef CONFORMANCE_ONE_H
#define CONFORMANCE_ONE_H

#include "harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>

/* The next SQE of a queue that has room. */
static inline struct io_uring_sqe *sqe_of(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	CHECK(sqe != NULL);
	return sqe;
}

/* Takes the next completion; its flags too if asked for. */
static inline int take(struct io_uring *ring, __u64 *tag, unsigned *flags)
{
	struct io_uring_cqe *cqe;
	int ret, res;

	do
		ret = io_uring_wait_cqe(ring, &cqe);
	while (ret == -EINTR);
	CHECK_EQ(ret, 0);
	res = cqe->res;
	if (tag)
		*tag = cqe->user_data;
	if (flags)
		*flags = cqe->flags;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

/* Submits the one request that is queued and returns its result. */
static inline int run_one(struct io_uring *ring)
{
	CHECK_EQ(io_uring_submit(ring), 1);
	return take(ring, NULL, NULL);
}

/* A private folder as working directory, removed at exit. */
static char one_folder[256];

static inline void remove_folder(void)
{
	char command[300];

	if (!one_folder[0] || chdir("/"))
		return;
	snprintf(command, sizeof(command), "rm -rf '%s'", one_folder);
	if (system(command))
		fprintf(stderr, "cannot remove %s\n", one_folder);
}

static inline void enter_folder(void)
{
	const char *base = getenv("TMPDIR");

	CHECK(snprintf(one_folder, sizeof(one_folder), "%s/conformance-XXXXXX",
		       base && *base ? base : "/tmp") < (int) sizeof(one_folder));
	CHECK(mkdtemp(one_folder) != NULL);
	CHECK_EQ(chdir(one_folder), 0);
	atexit(remove_folder);
}

/* A file with this content in that folder, open for reading and writing. */
static inline int file_with(const char *name, const void *data, size_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	size_t done = 0;

	CHECK(fd >= 0);
	while (done < size) {
		ssize_t more = pwrite(fd, (const char *) data + done, size - done, done);

		if (more < 0 && (errno == ENOSPC || errno == EDQUOT))
			SKIP("TMPDIR has no room for a file of %zu bytes: %s", size, strerror(errno));
		CHECK(more > 0);
		done += more;
	}
	return fd;
}

/* Two connected TCP sockets on the loopback interface. */
static inline void tcp_pair(int fds[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(listener >= 0);
	CHECK_EQ(bind(listener, (struct sockaddr *) &address, length), 0);
	CHECK_EQ(listen(listener, 1), 0);
	CHECK_EQ(getsockname(listener, (struct sockaddr *) &address, &length), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_EQ(connect(fds[0], (struct sockaddr *) &address, length), 0);
	fds[1] = accept(listener, NULL, NULL);
	CHECK(fds[1] >= 0);
	close(listener);
}

/* A listening TCP socket; its address is filled in. */
static inline int tcp_listener(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(fd >= 0);
	CHECK_EQ(bind(fd, (struct sockaddr *) address, length), 0);
	CHECK_EQ(listen(fd, 16), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *) address, &length), 0);
	return fd;
}

/* A socket connected to that listener. */
static inline int tcp_connect(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	CHECK_EQ(connect(fd, (const struct sockaddr *) address, sizeof(*address)), 0);
	return fd;
}

/* Whether a registration or setup result means that the kernel is too old. */
static inline void skip_if_old(int ret, const char *what)
{
	if (ret == -EINVAL || ret == -EOPNOTSUPP || ret == -ENOSYS)
		SKIP("this kernel has no %s: %s", what, strerror(-ret));
}

#endif
