/*
 * Vectored reads and writes on registered buffers. Linux 6.15; io_uring_enter(2),
 * readv(2).
 */
#include "one.h"

int main(void)
{
	static char memory[8192];
	struct iovec buffer = { memory, sizeof(memory) };
	struct iovec parts[2] = { { memory + 10, 3 }, { memory + 5000, 4 } };
	struct io_uring ring;
	int fd;

	need_op(IORING_OP_READV_FIXED, "READV_FIXED");
	enter_folder();
	fd = file_with("file", "abcdefg", 7);
	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_register_buffers(&ring, &buffer, 1), 0);
	io_uring_prep_readv_fixed(sqe_of(&ring), fd, parts, 2, 0, 0, 0);
	CHECK_EQ(run_one(&ring), 7);
	CHECK(!memcmp(memory + 10, "abc", 3) && !memcmp(memory + 5000, "defg", 4));
	io_uring_prep_writev_fixed(sqe_of(&ring), fd, parts, 2, 7, 0, 0);
	CHECK_EQ(run_one(&ring), 7);
	CHECK_EQ(pread(fd, memory, 14, 0), 14);
	CHECK(!memcmp(memory, "abcdefgabcdefg", 14));
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
