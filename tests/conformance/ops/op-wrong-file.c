/*
 * Operations on files of the wrong kind or with what the file does not know: refused,
 * not ignored and not waited for.
 */
#include "op-helpers.h"

#include <sys/socket.h>
#include <sys/uio.h>

int main(void)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	int pair[2], ends[2], file;
	char bytes[16];

	must_init(8, &ring, 0);
	enter_folder();
	file = file_with("file", "12345678", 8);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CHECK_EQ(pipe(ends), 0);

	/* A pipe ignores an offset, a socket takes none. */
	CHECK_EQ(write(ends[1], "abcd", 4), 4);
	io_uring_prep_read(sqe_of(&ring), ends[0], bytes, 4, 8);
	CHECK_EQ(run_one(&ring), 4);
	CHECK_EQ(write(pair[1], "abcd", 4), 4);
	io_uring_prep_read(sqe_of(&ring), pair[0], bytes, 4, 8);
	CHECK_EQ(run_one(&ring), -ESPIPE);
	io_uring_prep_read(sqe_of(&ring), pair[0], bytes, 4, 0);
	CHECK_EQ(run_one(&ring), 4);

	/* Polled I/O is for rings that poll. */
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, file, bytes, 8, 0);
	sqe->rw_flags = RWF_HIPRI;
	CHECK_EQ(run_one(&ring), -EINVAL);

	/* A level without a class, a class that is none; "idle" is one. */
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, file, bytes, 8, 0);
	sqe->ioprio = 1;
	CHECK_EQ(run_one(&ring), -EINVAL);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, file, bytes, 8, 0);
	sqe->ioprio = 5 << 13;
	CHECK_EQ(run_one(&ring), -EINVAL);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, file, bytes, 8, 0);
	sqe->ioprio = 3 << 13;
	CHECK_EQ(run_one(&ring), 8);

	/* Ends of pipes that cannot give or take. */
	io_uring_prep_splice(sqe_of(&ring), file, 0, ends[0], -1, 4, 0);
	CHECK_EQ(run_one(&ring), -EBADF);
	io_uring_prep_splice(sqe_of(&ring), ends[1], -1, pair[0], -1, 4, 0);
	CHECK_EQ(run_one(&ring), -EBADF);

	io_uring_prep_send(sqe_of(&ring), file, bytes, 4, 0);
	CHECK_EQ(run_one(&ring), -ENOTSOCK);
	io_uring_queue_exit(&ring);
	return 0;
}
