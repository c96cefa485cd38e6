/*
 * Flags and errors of reads and writes: no waiting, appending, ends of files,
 * wrong descriptors. Linux 5.6; preadv2(2), read(2), write(2).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	char back[16], data[] = "abcdef";
	struct iovec vec = { back, sizeof(back) }, out = { data, 3 };
	int pipes[2], fd, other, ret;

	enter_folder();
	fd = file_with("file", "0123456789", 10);
	CHECK_EQ(pipe(pipes), 0);
	must_init(8, &ring, 0);
	/* Reads of a pipe wait, unless they are told not to. */
	io_uring_prep_readv2(sqe_of(&ring), pipes[0], &vec, 1, 0, RWF_NOWAIT);
	ret = run_one(&ring);
	CHECK(ret == -EAGAIN || ret == -EOPNOTSUPP);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, pipes[0], back, 3, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	CHECK_EQ(write(pipes[1], "xyz", 3), 3);
	CHECK_EQ(take(&ring, NULL, NULL), 3);
	CHECK(!memcmp(back, "xyz", 3));
	/* Past the end, across the end, nothing at all. */
	io_uring_prep_read(sqe_of(&ring), fd, back, 8, 10);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_read(sqe_of(&ring), fd, back, 8, 7);
	CHECK_EQ(run_one(&ring), 3);
	io_uring_prep_read(sqe_of(&ring), fd, back, 0, 0);
	CHECK_EQ(run_one(&ring), 0);
	/* A write behind the end leaves a hole of zeros. */
	io_uring_prep_write(sqe_of(&ring), fd, data, 2, 14);
	CHECK_EQ(run_one(&ring), 2);
	io_uring_prep_read(sqe_of(&ring), fd, back, 16, 8);
	CHECK_EQ(run_one(&ring), 8);
	CHECK(!memcmp(back, "89\0\0\0\0ab", 8));
	io_uring_prep_writev2(sqe_of(&ring), fd, &out, 1, 0, RWF_DSYNC);
	CHECK_EQ(run_one(&ring), 3);
	/* Appending is a property of the request or of the file. */
	sqe = sqe_of(&ring);
	io_uring_prep_write(sqe, fd, "END", 3, 0);
	sqe->rw_flags = RWF_APPEND;
	CHECK_EQ(run_one(&ring), 3);
	CHECK_EQ(pread(fd, back, 16, 0), 16);
	CHECK(!memcmp(back, "abc3456789", 10));
	CHECK_EQ(pread(fd, back, 16, 16), 3);
	CHECK(!memcmp(back, "END", 3));
	io_uring_prep_writev2(sqe_of(&ring), fd, &out, 1, 0, 1 << 30);
	CHECK_EQ(run_one(&ring), -EOPNOTSUPP);
	/* Descriptors that cannot do it. */
	other = open("file", O_RDONLY);
	io_uring_prep_write(sqe_of(&ring), other, data, 1, 0);
	CHECK_EQ(run_one(&ring), -EBADF);
	close(other);
	other = open(".", O_RDONLY | O_DIRECTORY);
	io_uring_prep_read(sqe_of(&ring), other, back, 1, 0);
	CHECK_EQ(run_one(&ring), -EISDIR);
	close(other);
	/* Nobody reads any more. */
	signal(SIGPIPE, SIG_IGN);
	close(pipes[0]);
	io_uring_prep_write(sqe_of(&ring), pipes[1], data, 1, 0);
	CHECK_EQ(run_one(&ring), -EPIPE);
	RESULT("reads and writes");
	close(pipes[1]);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
