/* The registered fd and the index array, which newer versions have. */
#include "one.h"

int main(void)
{
	struct io_uring_params params = { 0 };
	struct io_uring ring;
	unsigned i;

	need_io_uring();
	CHECK_EQ(io_uring_queue_init_params(8, &ring, &params), 0);
	CHECK_EQ(ring.enter_ring_fd, ring.ring_fd);
	if (ring.flags & IORING_SETUP_NO_SQARRAY) {
		CHECK(ring.sq.array == NULL);
	} else {
		for (i = 0; i < 8; i++)
			CHECK_EQ(ring.sq.array[i], i);
	}
	io_uring_queue_exit(&ring);
	/* The caller asks for what would be tried anyway. */
	memset(&params, 0, sizeof(params));
	params.flags = IORING_SETUP_NO_SQARRAY;
	if (!io_uring_queue_init_params(8, &ring, &params)) {
		CHECK(ring.flags & IORING_SETUP_NO_SQARRAY);
		io_uring_queue_exit(&ring);
	}
	return 0;
}
