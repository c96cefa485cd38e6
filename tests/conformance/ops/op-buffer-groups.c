/*
 * Classic provided buffers: groups of their own, given back and used again, a
 * receive no longer than the buffer, removal of a part. Linux 5.7;
 * io_uring_prep_provide_buffers(3), io_uring_prep_remove_buffers(3).
 */
#include "op-helpers.h"

static struct io_uring ring;
static int fds[2];

static int receive(int group, unsigned *flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_recv(sqe, fds[1], NULL, 100, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = (__u16) group;
	CHECK_EQ(io_uring_submit(&ring), 1);
	return take(&ring, NULL, flags);
}

int main(void)
{
	static char first[3][4], second[1][16];
	unsigned flags;
	int i, seen = 0;

	need_op(IORING_OP_PROVIDE_BUFFERS, "PROVIDE_BUFFERS");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	must_init(4, &ring, 0);
	io_uring_prep_provide_buffers(sqe_of(&ring), first, 4, 3, 1, 100);
	CHECK(run_one(&ring) >= 0);
	io_uring_prep_provide_buffers(sqe_of(&ring), second, 16, 1, 2, 7);
	CHECK(run_one(&ring) >= 0);
	CHECK_EQ(send(fds[0], "0123456789abcdefghijklmnop", 26, 0), 26);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(receive(1, &flags), 4);
		CHECK(pool_bid(flags) >= 100 && pool_bid(flags) < 103);
		seen |= 1 << (pool_bid(flags) - 100);
	}
	CHECK_EQ(seen, 7);
	CHECK_EQ(receive(1, &flags), -ENOBUFS);
	CHECK_EQ(receive(2, &flags), 14);
	CHECK_EQ(pool_bid(flags), 7);
	CHECK(!memcmp(second[0], "cdefghijklmnop", 14));
	/* Given back, under another name. */
	io_uring_prep_provide_buffers(sqe_of(&ring), first[1], 4, 1, 1, 55);
	CHECK(run_one(&ring) >= 0);
	CHECK_EQ(send(fds[0], "once", 4, 0), 4);
	CHECK_EQ(receive(1, &flags), 4);
	CHECK_EQ(pool_bid(flags), 55);
	CHECK(!memcmp(first[1], "once", 4));
	io_uring_prep_provide_buffers(sqe_of(&ring), first, 4, 3, 1, 0);
	CHECK(run_one(&ring) >= 0);
	io_uring_prep_remove_buffers(sqe_of(&ring), 2, 1);
	CHECK_EQ(run_one(&ring), 2);
	io_uring_prep_remove_buffers(sqe_of(&ring), 2, 1);
	CHECK_EQ(run_one(&ring), 1);
	io_uring_prep_remove_buffers(sqe_of(&ring), 1, 9);
	CHECK_EQ(run_one(&ring), -ENOENT);
	/* Not memory of this program: some kernels look when it is provided. */
	io_uring_prep_provide_buffers(sqe_of(&ring), (void *) 8, 4, 1, 1, 0);
	i = run_one(&ring);
	CHECK(i >= 0 || i == -EFAULT);
	RESULT("%.4s", first[1]);
	close_both(fds);
	io_uring_queue_exit(&ring);
	return 0;
}
