/* Buffers cloned between rings, in whole and in part. Linux 6.12, 6.13. */
#include "one.h"

int main(void)
{
	static char memory[2][4096];
	struct iovec iovecs[2] = { { memory[0], 4096 }, { memory[1], 4096 } };
	struct io_uring from, to;
	int fd, ret;

	enter_folder();
	fd = file_with("file", "cloned", 6);
	must_init(4, &from, 0);
	must_init(4, &to, 0);
	CHECK_EQ(io_uring_register_buffers(&from, iovecs, 2), 0);
	ret = io_uring_clone_buffers(&to, &from);
	skip_if_old(ret, "cloned buffers");
	CHECK_EQ(ret, 0);
	io_uring_prep_read_fixed(sqe_of(&to), fd, memory[1], 6, 0, 1);
	CHECK_EQ(run_one(&to), 6);
	CHECK(!memcmp(memory[1], "cloned", 6));
	CHECK_EQ(io_uring_clone_buffers(&to, &from), -EBUSY);
	CHECK_EQ(io_uring_unregister_buffers(&to), 0);
	ret = io_uring_clone_buffers_offset(&to, &from, 3, 1, 1, 0);
	skip_if_old(ret, "partly cloned buffers");
	CHECK_EQ(ret, 0);
	memset(memory, 0, sizeof(memory));
	io_uring_prep_read_fixed(sqe_of(&to), fd, memory[1], 6, 0, 3);
	CHECK_EQ(run_one(&to), 6);
	CHECK_EQ(__io_uring_clone_buffers_offset(&to, &from, 0, 0, 1, IORING_REGISTER_DST_REPLACE), 0);
	CHECK_EQ(io_uring_register_ring_fd(&from), 1);
	CHECK_EQ(io_uring_unregister_buffers(&to), 0);
	CHECK_EQ(io_uring_clone_buffers(&to, &from), 0);
	CHECK_EQ(io_uring_unregister_buffers(&to), 0);
	CHECK_EQ(__io_uring_clone_buffers(&to, &from, 0), 0);
	CHECK_EQ(io_uring_clone_buffers_offset(&to, &from, 0, 5, 1, IORING_REGISTER_DST_REPLACE), -EOVERFLOW);
	close(fd);
	io_uring_queue_exit(&from);
	io_uring_queue_exit(&to);
	return 0;
}
