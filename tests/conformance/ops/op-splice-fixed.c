/*
 * splice and tee from a registered file; file to socket through a pipe; what
 * splice refuses. Linux 5.8; splice(2), io_uring_prep_splice(3).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int pipes[2], second[2], fds[2], table[2], fd, results[2];
	char back[16] = { 0 };

	need_op(IORING_OP_TEE, "TEE");
	enter_folder();
	fd = file_with("file", "0123456789", 10);
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(pipe(second), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	must_init(4, &ring, 0);
	table[0] = fd;
	table[1] = pipes[0];
	CHECK_EQ(io_uring_register_files(&ring, table, 2), 0);
	/* Slot 0 is the file, whatever descriptor 0 is. */
	io_uring_prep_splice(sqe_of(&ring), 0, 4, pipes[1], -1, 3, SPLICE_F_FD_IN_FIXED);
	CHECK_EQ(run_one(&ring), 3);
	io_uring_prep_tee(sqe_of(&ring), 1, second[1], 2, SPLICE_F_FD_IN_FIXED);
	CHECK_EQ(run_one(&ring), 2);
	CHECK_EQ(read(second[0], back, 16), 2);
	CHECK(!memcmp(back, "45", 2));
	/* The pipe still has them: on to a socket. */
	io_uring_prep_splice(sqe_of(&ring), pipes[0], -1, fds[0], -1, 3, 0);
	CHECK_EQ(run_one(&ring), 3);
	CHECK_EQ(recv(fds[1], back, 16, 0), 3);
	CHECK(!memcmp(back, "456", 3));
	/* Without an offset the file position moves. */
	CHECK_EQ(lseek(fd, 7, SEEK_SET), 7);
	sqe = sqe_of(&ring);
	io_uring_prep_splice(sqe, fd, -1, pipes[1], -1, 3, 0);
	mark(sqe, 0, IOSQE_IO_LINK);
	sqe = sqe_of(&ring);
	io_uring_prep_splice(sqe, pipes[0], -1, fds[0], -1, 3, 0);
	mark(sqe, 1, 0);
	run_all(&ring, 2, results);
	CHECK(results[0] == 3 && results[1] == 3);
	CHECK_EQ(recv(fds[1], back, 16, 0), 3);
	CHECK(!memcmp(back, "789", 3));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	io_uring_prep_splice(sqe_of(&ring), fd, 0, fds[0], -1, 3, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_splice(sqe_of(&ring), fd, 0, pipes[1], 0, 3, 0);
	CHECK_EQ(run_one(&ring), -ESPIPE);
	io_uring_prep_splice(sqe_of(&ring), -1, 0, pipes[1], -1, 3, 0);
	CHECK_EQ(run_one(&ring), -EBADF);
	io_uring_prep_tee(sqe_of(&ring), fd, pipes[1], 3, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_splice(sqe_of(&ring), fd, 0, pipes[1], -1, 3, 1 << 20);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_tee(sqe_of(&ring), pipes[0], second[1], 3, 1 << 20);
	CHECK_EQ(run_one(&ring), -EINVAL);
	RESULT("%.3s", back);
	close(fd);
	close_both(pipes);
	close_both(second);
	close_both(fds);
	io_uring_queue_exit(&ring);
	return 0;
}
