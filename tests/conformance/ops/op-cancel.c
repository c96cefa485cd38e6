/*
 * Cancellation by user_data, by pointer, by file, of all and of any, by opcode.
 * Linux 5.19, 6.6; io_uring_prep_cancel(3).
 */
#include "one.h"

#include <poll.h>

static struct io_uring ring;
static int pipes[2];

static void hang(int count)
{
	int i;

	for (i = 0; i < count; i++) {
		struct io_uring_sqe *sqe = sqe_of(&ring);

		io_uring_prep_poll_add(sqe, pipes[0], POLLIN);
		io_uring_sqe_set_data(sqe, pipes);
	}
	CHECK_EQ(io_uring_submit(&ring), count);
}

/* Submits the cancellation that is queued; count requests must end by it. */
static void expect(int result, int count)
{
	__u64 tag;
	int i;

	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i <= count; i++) {
		int res = take(&ring, &tag, NULL);

		if (tag)
			CHECK_EQ(res, -ECANCELED);
		else
			CHECK_EQ(res, result);
	}
}

static struct io_uring_sqe *fresh(void)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_sqe_set_data64(sqe, 0);
	return sqe;
}

int main(void)
{
	struct io_uring_sqe *sqe;

	need_op(IORING_OP_SOCKET, "cancellation by file (probed by SOCKET)");
	CHECK_EQ(pipe(pipes), 0);
	must_init(8, &ring, 0);
	hang(1);
	io_uring_prep_cancel(fresh(), pipes, 0);
	expect(0, 1);
	hang(1);
	io_uring_prep_cancel64(fresh(), (__u64) (uintptr_t) pipes, 0);
	expect(0, 1);
	hang(3);
	io_uring_prep_cancel_fd(fresh(), pipes[0], IORING_ASYNC_CANCEL_ALL);
	expect(3, 3);
	hang(2);
	io_uring_prep_cancel64(fresh(), 0, IORING_ASYNC_CANCEL_ANY);
	expect(2, 2);
	hang(2);
	sqe = fresh();
	io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_OP);
	sqe->len = IORING_OP_POLL_ADD;
	CHECK_EQ(io_uring_submit(&ring), 1);
	{
		__u64 tag;
		int res = take(&ring, &tag, NULL), rest;

		if (!tag && res == -EINVAL)
			SKIP("this kernel cannot cancel by opcode");
		for (rest = 0; rest < 2; rest++)
			take(&ring, &tag, NULL);
	}
	io_uring_prep_cancel64(fresh(), 12345, 0);
	expect(-ENOENT, 0);
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
