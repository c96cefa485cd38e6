/* mlock_size is 0 where the kernel charges no memlock. Linux 5.12. */
#include "one.h"

int main(void)
{
	struct io_uring_params params = { 0 };
	struct io_uring ring;
	int native;

	must_init(2, &ring, 0);
	native = ring.features & IORING_FEAT_NATIVE_WORKERS;
	io_uring_queue_exit(&ring);
	if (!native)
		SKIP("this kernel charges rings to the memlock limit");
	CHECK_EQ(io_uring_mlock_size(8, 0), 0);
	CHECK_EQ(io_uring_mlock_size_params(8, &params), 0);
	RESULT("none");
	return 0;
}
