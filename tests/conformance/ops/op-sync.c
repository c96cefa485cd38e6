/*
 * fsync, of the data or of a range, and sync_file_range: what can be synced, what
 * cannot. Linux 5.2; fsync(2), sync_file_range(2).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int fd, pipes[2];

	enter_folder();
	fd = file_with("file", "data", 4);
	CHECK_EQ(pipe(pipes), 0);
	must_init(4, &ring, 0);
	/* Only a range: the offset and the length are fields of the request. */
	sqe = sqe_of(&ring);
	io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
	sqe->off = 0;
	sqe->len = 4;
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_fsync(sqe_of(&ring), fd, 1 << 5);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_fsync(sqe_of(&ring), pipes[0], 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_fsync(sqe_of(&ring), -1, 0);
	CHECK_EQ(run_one(&ring), -EBADF);
	io_uring_prep_sync_file_range(sqe_of(&ring), fd, 0, 0,
				      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				      SYNC_FILE_RANGE_WAIT_AFTER);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_sync_file_range(sqe_of(&ring), fd, 4, 0, 1 << 10);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_sync_file_range(sqe_of(&ring), pipes[0], 4, 0, SYNC_FILE_RANGE_WRITE);
	CHECK_EQ(run_one(&ring), -ESPIPE);
	io_uring_prep_sync_file_range(sqe_of(&ring), fd, 4, (__u64) -1, SYNC_FILE_RANGE_WRITE);
	CHECK_EQ(run_one(&ring), -EINVAL);
	RESULT("synced");
	close_both(pipes);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
