/* A registered ring fd serves every call; the fd itself can then be closed.
 * Linux 5.18, 6.3. */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	int ret, fd;

	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_unregister_ring_fd(&ring), -EINVAL);
	ret = io_uring_close_ring_fd(&ring);
	CHECK_EQ(ret, ring.features & IORING_FEAT_REG_REG_RING ? -EINVAL : -EOPNOTSUPP);
	ret = io_uring_register_ring_fd(&ring);
	skip_if_old(ret, "registered ring descriptors");
	CHECK_EQ(ret, 1);
	CHECK_EQ(io_uring_register_ring_fd(&ring), -EEXIST);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(io_uring_unregister_ring_fd(&ring), 1);
	CHECK_EQ(ring.enter_ring_fd, ring.ring_fd);
	if (!(ring.features & IORING_FEAT_REG_REG_RING)) {
		io_uring_queue_exit(&ring);
		return 0;
	}
	CHECK_EQ(io_uring_register_ring_fd(&ring), 1);
	fd = ring.ring_fd;
	CHECK_EQ(io_uring_close_ring_fd(&ring), 1);
	CHECK_EQ(ring.ring_fd, -1);
	CHECK_EQ(fcntl(fd, F_GETFD), -1);
	CHECK_EQ(io_uring_close_ring_fd(&ring), -EBADF);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(io_uring_register_files_sparse(&ring, 4), 0);
	CHECK_EQ(io_uring_unregister_files(&ring), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
