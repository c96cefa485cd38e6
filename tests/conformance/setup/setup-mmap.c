/* io_uring_queue_mmap maps the rings of an fd that the bare system call gave. */
#include "one.h"

#include <sys/syscall.h>

int main(void)
{
	struct io_uring_params params = { 0 };
	struct io_uring ring;
	unsigned i;
	int fd = io_uring_setup(4, &params);

	if (fd < 0)
		SKIP("io_uring is not available: %s", strerror(-fd));
	CHECK_EQ(io_uring_queue_mmap(fd, &params, &ring), 0);
	CHECK_EQ(ring.ring_fd, fd);
	/* The index array stays the caller's to fill. */
	for (i = 0; i < 4; i++)
		ring.sq.array[i] = i;
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	RESULT("mapped");
	io_uring_queue_exit(&ring);
	CHECK_EQ(fcntl(fd, F_GETFD), -1);
	CHECK(io_uring_setup(0, &params) < 0);
	CHECK_EQ(io_uring_enter(1 << 20, 1, 0, 0, NULL), -EBADF);
	CHECK_EQ(io_uring_register(1 << 20, IORING_UNREGISTER_BUFFERS, NULL, 0), -EBADF);
	memset(&params, 0, sizeof(params));
	params.sq_entries = 4;
	params.cq_entries = 8;
	CHECK_EQ(io_uring_queue_mmap(-1, &params, &ring), -EBADF);
	return 0;
}
