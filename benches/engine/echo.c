/*
 * An echo server for as many connections as asked, driven by a child process: every
 * connection sends 64 bytes and waits for them, round by round.
 *
 * Usage: echo epoll|uring CONNECTIONS ROUNDS
 */
#include "../c/bench.h"

#include <liburing.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 64
#define MOST 1024

static char buffers[MOST][SIZE];

static int drive(struct sockaddr_in *address, int connections, int rounds)
{
	static int fds[MOST];
	char sent[SIZE], back[SIZE];
	int i, round;

	for (i = 0; i < connections; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fds[i], (struct sockaddr *) address, sizeof(*address)))
			return 1;
	}
	for (round = 0; round < rounds; round++) {
		memset(sent, round, SIZE);
		for (i = 0; i < connections; i++)
			if (send(fds[i], sent, SIZE, 0) != SIZE)
				return 1;
		for (i = 0; i < connections; i++)
			if (recv(fds[i], back, SIZE, MSG_WAITALL) != SIZE || memcmp(sent, back, SIZE))
				return 1;
	}
	return 0;
}

static int with_epoll(const int *fds, int connections, long messages)
{
	struct epoll_event events[64], event = { .events = EPOLLIN };
	int epoll = epoll_create1(0), i, count;

	for (i = 0; i < connections; i++) {
		event.data.u32 = (unsigned int) i;
		epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event);
	}
	while (messages) {
		count = epoll_wait(epoll, events, 64, -1);
		for (i = 0; i < count; i++, messages--) {
			unsigned int at = events[i].data.u32;

			if (recv(fds[at], buffers[at], SIZE, 0) != SIZE ||
			    send(fds[at], buffers[at], SIZE, 0) != SIZE)
				return fail("echo", errno);
		}
	}
	close(epoll);
	return 0;
}

static void receive(struct io_uring *ring, const int *fds, unsigned int at)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_recv(sqe, fds[at], buffers[at], SIZE, 0);
	io_uring_sqe_set_data64(sqe, at);
}

static int with_uring(const int *fds, int connections, long messages)
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	unsigned int i, head, count;
	int ret = io_uring_queue_init(2 * MOST, &ring, 0);

	if (ret < 0)
		return fail_setup(-ret);
	for (i = 0; i < (unsigned int) connections; i++)
		receive(&ring, fds, i);
	while (messages) {
		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret < 0)
			return fail("io_uring_submit_and_wait", -ret);
		count = 0;
		io_uring_for_each_cqe(&ring, head, cqe) {
			unsigned int at = (unsigned int) cqe->user_data;

			count++;
			/* After the last message the client closes, which receives see, too. */
			if (messages && cqe->res != SIZE)
				return fail("echo", cqe->res < 0 ? -cqe->res : EIO);
			if (at >= MOST) {
				messages--;
				receive(&ring, fds, at - MOST);
			} else {
				struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

				io_uring_prep_send(sqe, fds[at], buffers[at], SIZE, 0);
				io_uring_sqe_set_data64(sqe, at + MOST);
			}
		}
		io_uring_cq_advance(&ring, count);
	}
	io_uring_queue_exit(&ring);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	static int fds[MOST];
	unsigned long long started;
	int listener, i, status, ret, connections, rounds;
	pid_t child;

	if (argc != 4)
		return 2;
	connections = atoi(argv[2]);
	rounds = atoi(argv[3]);
	if (connections < 1 || connections > MOST || rounds < 1)
		return 2;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *) &address, sizeof(address)) ||
	    listen(listener, MOST) || getsockname(listener, (struct sockaddr *) &address, &length))
		return fail("listen", errno);
	child = fork();
	if (child == 0)
		_exit(drive(&address, connections, rounds));
	for (i = 0; i < connections; i++)
		fds[i] = accept(listener, NULL, NULL);
	started = now_ns();
	ret = (strcmp(argv[1], "epoll") ? with_uring : with_epoll)(fds, connections,
								  (long) connections * rounds);
	report(started);
	if (waitpid(child, &status, 0) != child || status)
		return fail("client", EIO);
	return ret;
}
