/*
 * Registered buffers: read_fixed and write_fixed, and their bounds. Linux 5.1;
 * io_uring_prep_read_fixed(3), io_uring_register(2).
 */
#include "one.h"

int main(void)
{
	static char memory[2][4096];
	struct iovec iovecs[2] = { { memory[0], 4096 }, { memory[1], 4096 } };
	struct io_uring ring;
	int fd;

	enter_folder();
	fd = file_with("file", "0123456789", 10);
	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_register_buffers(&ring, iovecs, 2), 0);
	io_uring_prep_read_fixed(sqe_of(&ring), fd, memory[1] + 100, 4, 3, 1);
	CHECK_EQ(run_one(&ring), 4);
	CHECK(!memcmp(memory[1] + 100, "3456", 4));
	io_uring_prep_write_fixed(sqe_of(&ring), fd, memory[1] + 100, 4, 10, 1);
	CHECK_EQ(run_one(&ring), 4);
	io_uring_prep_read_fixed(sqe_of(&ring), fd, memory[0], 14, 0, 0);
	CHECK_EQ(run_one(&ring), 14);
	CHECK(!memcmp(memory[0], "01234567893456", 14));
	/* Outside of the buffer, and a buffer that does not exist. */
	io_uring_prep_read_fixed(sqe_of(&ring), fd, memory[0] + 4095, 2, 0, 0);
	CHECK_EQ(run_one(&ring), -EFAULT);
	io_uring_prep_read_fixed(sqe_of(&ring), fd, memory[0], 2, 0, 7);
	CHECK_EQ(run_one(&ring), -EFAULT);
	RESULT("%.14s", memory[0]);
	CHECK_EQ(io_uring_unregister_buffers(&ring), 0);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
