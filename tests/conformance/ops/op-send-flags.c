/*
 * Sends of more than the socket holds finish when all is gone; a closed peer is
 * EPIPE, an oversized datagram EMSGSIZE. Linux 5.19 (MSG_WAITALL); send(2),
 * io_uring_prep_send(3).
 */
#include "op-helpers.h"

#include <pthread.h>

#define TOTAL (8 << 20)

static void *drain(void *argument)
{
	int fd = *(int *) argument;
	char *bytes = (char *) malloc(65536);
	long total = 0, got;
	unsigned char next = 0;

	CHECK(bytes != NULL);
	while ((got = read(fd, bytes, 65536)) > 0) {
		long i;

		for (i = 0; i < got; i++)
			CHECK_EQ((unsigned char) bytes[i], next++);
		total += got;
	}
	free(bytes);
	CHECK_EQ(total, TOTAL);
	return NULL;
}

int main(void)
{
	struct sockaddr_in address;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	unsigned char *bytes = (unsigned char *) malloc(TOTAL);
	int fds[2], pair[2], udp, i, room = 65536;
	pthread_t thread;

	need_op(IORING_OP_SOCKET, "sends that wait for all (probed by SOCKET)");
	CHECK(bytes != NULL);
	for (i = 0; i < TOTAL; i++)
		bytes[i] = (unsigned char) i;
	tcp_pair(fds);
	/* Otherwise the kernel may find room for it all. */
	CHECK_EQ(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	CHECK_EQ(setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
	must_init(4, &ring, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_send(sqe, fds[0], bytes, TOTAL, MSG_WAITALL);
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	CHECK_EQ(pthread_create(&thread, NULL, drain, &fds[1]), 0);
	CHECK_EQ(take(&ring, NULL, NULL), TOTAL);
	close(fds[0]);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	close(fds[1]);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	/* Without MSG_NOSIGNAL the signal would end the program. */
	io_uring_prep_send(sqe_of(&ring), pair[0], "x", 1, MSG_NOSIGNAL);
	CHECK_EQ(run_one(&ring), -EPIPE);
	close(pair[0]);
	udp = udp_socket(&address);
	CHECK_EQ(connect(udp, (struct sockaddr *) &address, sizeof(address)), 0);
	io_uring_prep_send(sqe_of(&ring), udp, bytes, 100000, 0);
	CHECK_EQ(run_one(&ring), -EMSGSIZE);
	RESULT("%d", TOTAL);
	close(udp);
	free(bytes);
	io_uring_queue_exit(&ring);
	return 0;
}
