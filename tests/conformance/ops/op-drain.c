/*
 * A drained request starts when all before it have completed, and nothing behind
 * it starts earlier. Linux 5.2; io_uring_sqe_set_flags(3).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int first[2], second[2];
	char a, b;
	__u64 tag, order[4];
	int i;

	CHECK_EQ(pipe(first), 0);
	CHECK_EQ(pipe(second), 0);
	must_init(8, &ring, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, first[0], &a, 1, 0);
	mark(sqe, 1, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, second[0], &b, 1, 0);
	mark(sqe, 2, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_nop(sqe);
	mark(sqe, 3, IOSQE_IO_DRAIN);
	sqe = sqe_of(&ring);
	io_uring_prep_nop(sqe);
	mark(sqe, 4, 0);
	CHECK_EQ(io_uring_submit(&ring), 4);
	nothing_yet(&ring);
	CHECK_EQ(write(second[1], "2", 1), 1);
	CHECK_EQ(take(&ring, &tag, NULL), 1);
	CHECK_EQ(tag, 2);
	/* One is still missing. */
	nothing_yet(&ring);
	CHECK_EQ(write(first[1], "1", 1), 1);
	for (i = 0; i < 3; i++)
		CHECK(take(&ring, &order[i], NULL) >= 0);
	CHECK_EQ(order[0], 1);
	CHECK_EQ(order[1], 3);
	CHECK_EQ(order[2], 4);
	RESULT("%c%c", a, b);
	close_both(first);
	close_both(second);
	io_uring_queue_exit(&ring);
	return 0;
}
