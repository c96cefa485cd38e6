/*
 * A multishot read ends when its buffers run out and can be started again; a file
 * that cannot be polled is refused. Linux 6.7; io_uring_prep_read_multishot(3).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring ring;
	struct pool pool;
	unsigned flags;
	int pipes[2], fd, i;

	need_op(IORING_OP_READ_MULTISHOT, "READ_MULTISHOT");
	enter_folder();
	fd = file_with("file", "data", 4);
	CHECK_EQ(pipe(pipes), 0);
	must_init(8, &ring, 0);
	pool_make(&ring, &pool, 2, 8, 6);
	io_uring_prep_read_multishot(sqe_of(&ring), fd, 0, 0, 6);
	CHECK_EQ(run_one(&ring), -EBADFD);
	io_uring_prep_read_multishot(sqe_of(&ring), pipes[0], 0, 0, 6);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 2; i++) {
		CHECK_EQ(write(pipes[1], "abc", 3), 3);
		CHECK_EQ(take(&ring, NULL, &flags), 3);
		CHECK(flags & IORING_CQE_F_MORE);
		CHECK(!memcmp(pool_at(&pool, flags), "abc", 3));
	}
	CHECK_EQ(write(pipes[1], "def", 3), 3);
	CHECK_EQ(take(&ring, NULL, &flags), -ENOBUFS);
	CHECK(!(flags & IORING_CQE_F_MORE));
	pool_give(&pool, 1);
	io_uring_prep_read_multishot(sqe_of(&ring), pipes[0], 0, 0, 6);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, &flags), 3);
	CHECK_EQ(pool_bid(flags), 1);
	CHECK(!memcmp(pool_at(&pool, flags), "def", 3));
	close(pipes[1]);
	do {
		i = take(&ring, NULL, &flags);
	} while (flags & IORING_CQE_F_MORE);
	/* The end, or no buffer to report it in. */
	CHECK(i == 0 || i == -ENOBUFS);
	close(pipes[0]);
	close(fd);
	pool_drop(&ring, &pool);
	io_uring_queue_exit(&ring);
	return 0;
}
