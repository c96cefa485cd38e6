/* set_iowait needs the kernel's feature. Linux 6.15. */
#include "one.h"

int main(void)
{
	struct io_uring ring, old;

	must_init(4, &ring, 0);
	old = ring;
	old.features &= ~IORING_FEAT_NO_IOWAIT;
	CHECK_EQ(io_uring_set_iowait(&old, false), -EOPNOTSUPP);
	if (!(ring.features & IORING_FEAT_NO_IOWAIT))
		SKIP("this kernel always counts waits as iowait");
	CHECK_EQ(io_uring_set_iowait(&ring, false), 0);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(io_uring_set_iowait(&ring, true), 0);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
