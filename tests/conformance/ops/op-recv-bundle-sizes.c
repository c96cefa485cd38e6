/*
 * How much one completion of a received bundle holds: one buffer where the length is not
 * known, then what is left in the socket, in the same completion; a multishot receive that
 * has picked all buffers there are ends with its bytes, without ENOBUFS.
 * io_uring_prep_recv(3) under IORING_RECVSEND_BUNDLE.
 */
#include "op-helpers.h"

#include <sys/utsname.h>

/* Completions in order: result, flags without the buffer's number, that number. */
struct expected {
	int res;
	unsigned flags, bid;
};
#define BUFFER IORING_CQE_F_BUFFER
#define MORE IORING_CQE_F_MORE
#define LEFT IORING_CQE_F_SOCK_NONEMPTY

static void receive(int multishot, unsigned length, unsigned bytes, unsigned count, unsigned size,
		    const struct expected *expected)
{
	static char data[20000];
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	struct pool pool;
	unsigned flags;
	int fds[2];

	tcp_pair(fds);
	must_init(8, &ring, 0);
	pool_make(&ring, &pool, count, size, 2);
	CHECK_EQ(send(fds[0], data, bytes, 0), bytes);
	while (recv(fds[1], data, bytes, MSG_PEEK) < (int) bytes)
		usleep(1000);
	sqe = sqe_of(&ring);
	if (multishot)
		io_uring_prep_recv_multishot(sqe, fds[1], NULL, length, 0);
	else
		io_uring_prep_recv(sqe, fds[1], NULL, length, 0);
	sqe->ioprio |= IORING_RECVSEND_BUNDLE;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 2;
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (; expected->res; expected++) {
		CHECK_EQ(take(&ring, NULL, &flags), expected->res);
		CHECK_EQ(flags & 0xffff, expected->flags);
		CHECK_EQ(flags >> IORING_CQE_BUFFER_SHIFT, expected->bid);
	}
	nothing_yet(&ring);
	io_uring_queue_exit(&ring);
	free(pool.br);
	free(pool.memory);
	close_both(fds);
}

int main(void)
{
	static const struct expected once[] = { { 1028, BUFFER | LEFT, 0 }, { 0, 0, 0 } },
		with_length[] = { { 1088, BUFFER | LEFT, 0 }, { 0, 0, 0 } },
		rest[] = { { 2944, BUFFER | LEFT | MORE, 0 }, { 56, BUFFER | MORE, 46 }, { 0, 0, 0 } },
		used_up[] = { { 1024, BUFFER | LEFT, 0 }, { 0, 0, 0 } },
		all_picked[] = { { 100, BUFFER, 0 }, { 0, 0, 0 } };
	struct io_uring ring;
	struct utsname name;
	int major = 0, minor = 0;

	must_init(8, &ring, 0);
	if (!(ring.features & IORING_FEAT_RECVSEND_BUNDLE))
		SKIP("this kernel has no bundles");
	io_uring_queue_exit(&ring);
	CHECK_EQ(uname(&name), 0);
	sscanf(name.release, "%d.%d", &major, &minor);
	if (major * 1000 + minor < 6017)
		SKIP("before Linux 6.17 a bundle was not continued, or not always");
	receive(0, 0, 3000, 512, 4, once);
	receive(0, 64, 3000, 512, 4, with_length);
	receive(1, 0, 3000, 64, 64, rest);
	receive(1, 0, 3000, 16, 64, used_up);
	receive(1, 1000, 100, 4, 64, all_picked);
	RESULT("bundles");
	return 0;
}
