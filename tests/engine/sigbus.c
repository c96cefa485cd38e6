/*
 * A buffer in a mapping whose file was truncated (SIGBUS if touched by hand) gives
 * -EFAULT, at once, from the pool and through a registered buffer.
 */
#include "engine.h"

int main(void)
{
	struct io_uring_sqe *sqe;
	int file, other, tcp[2];
	struct io_uring ring;
	struct iovec vector;
	char *gone;

	enter_folder();
	engine_init(8, &ring, 0);
	file = file_with("file", "x", 1);
	other = file_with("other", "12345678", 8);
	tcp_pair(tcp);
	CHECK_EQ(ftruncate(file, 8192), 0);
	gone = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	CHECK(gone != MAP_FAILED);
	vector.iov_base = gone;
	vector.iov_len = 8192;
	CHECK_EQ(io_uring_register_buffers(&ring, &vector, 1), 0);
	CHECK_EQ(ftruncate(file, 0), 0);

	io_uring_prep_read(sqe_of(&ring), other, gone, 8, 0);
	CHECK_EQ(run_one(&ring), -EFAULT);
	sqe = sqe_of(&ring);
	io_uring_prep_write(sqe, other, gone + 4096, 8, 0);
	sqe->flags |= IOSQE_ASYNC;
	CHECK_EQ(run_one(&ring), -EFAULT);
	io_uring_prep_send(sqe_of(&ring), tcp[0], gone, 8, 0);
	CHECK_EQ(run_one(&ring), -EFAULT);
	io_uring_prep_openat(sqe_of(&ring), AT_FDCWD, gone, O_RDONLY, 0);
	CHECK_EQ(run_one(&ring), -EFAULT);
	io_uring_prep_statx(sqe_of(&ring), AT_FDCWD, "other", 0, STATX_SIZE, (struct statx *) gone);
	CHECK_EQ(run_one(&ring), -EFAULT);
	io_uring_prep_timeout(sqe_of(&ring), (struct __kernel_timespec *) gone, 0, 0);
	CHECK_EQ(run_one(&ring), -EFAULT);
	/* Its pages were pinned in the kernel; here they are gone. */
	io_uring_prep_read_fixed(sqe_of(&ring), other, gone, 8, 0, 0);
	CHECK_EQ(run_one(&ring), -EFAULT);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
