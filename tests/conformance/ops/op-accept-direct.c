/*
 * accept_direct puts the connection into the slot that was asked for, without a
 * descriptor; multishot_accept_direct into free slots, one after another. The
 * slots carry data like descriptors do. Linux 5.19; accept(2), io_uring_enter(2)
 * under IORING_OP_ACCEPT.
 */
#include "op-helpers.h"

static void expect_byte(struct io_uring *ring, int slot, int client, char byte)
{
	struct io_uring_sqe *sqe;
	char back = 0;

	CHECK_EQ(send(client, &byte, 1, 0), 1);
	sqe = sqe_of(ring);
	io_uring_prep_recv(sqe, slot, &back, 1, 0);
	mark(sqe, 0, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(ring), 1);
	CHECK_EQ(back, byte);
}

int main(void)
{
	struct sockaddr_in address, from, own;
	socklen_t length = sizeof(from), own_length = sizeof(own);
	struct io_uring ring;
	unsigned flags;
	int listener, clients[3], slots[2], i, ret, next;

	need_op(IORING_OP_SOCKET, "multishot accept (probed by SOCKET)");
	listener = tcp_listener(&address);
	must_init(8, &ring, 0);
	ret = io_uring_register_files_sparse(&ring, 8);
	skip_if_old(ret, "sparse file tables");
	CHECK_EQ(ret, 0);
	next = dup(listener);
	close(next);
	clients[0] = tcp_connect(&address);
	io_uring_prep_accept_direct(sqe_of(&ring), listener, (struct sockaddr *) &from, &length, 0, 5);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(getsockname(clients[0], (struct sockaddr *) &own, &own_length), 0);
	CHECK_EQ(from.sin_port, own.sin_port);
	/* No descriptor was used up but the client's own. */
	CHECK_EQ(clients[0], next);
	i = dup(listener);
	CHECK_EQ(i, next + 1);
	close(i);
	expect_byte(&ring, 5, clients[0], 'a');
	io_uring_prep_multishot_accept_direct(sqe_of(&ring), listener, NULL, NULL, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 2; i++) {
		clients[i + 1] = tcp_connect(&address);
		/* The kernel chooses the slot. */
		slots[i] = take(&ring, NULL, &flags);
		CHECK(slots[i] >= 0 && slots[i] < 8 && slots[i] != 5);
		CHECK(flags & IORING_CQE_F_MORE);
	}
	CHECK(slots[0] != slots[1]);
	for (i = 0; i < 2; i++)
		expect_byte(&ring, slots[i], clients[i + 1], (char) ('b' + i));
	RESULT("three connections in slots");
	for (i = 0; i < 3; i++)
		close(clients[i]);
	close(listener);
	io_uring_queue_exit(&ring);
	return 0;
}
