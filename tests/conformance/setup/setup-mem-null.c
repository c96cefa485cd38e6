/*
 * io_uring_queue_init_mem without a buffer takes memory of its own, whatever size is
 * named, says how much, and gives it back. Linux 6.5.
 */
#include "one.h"

int main(void)
{
	static const size_t sizes[] = { 0, 1, 4096, 1 << 20, (size_t) -1 };
	struct io_uring_params p;
	struct io_uring ring;

	need_io_uring();
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int used;

		memset(&p, 0, sizeof(p));
		used = io_uring_queue_init_mem(16, &ring, &p, NULL, sizes[i]);
		if (used == -EINVAL)
			SKIP("this kernel takes no memory for rings");
		CHECK(used > 0);
		RESULT("uses %d pages of %zu", used / (int) sysconf(_SC_PAGESIZE), sizes[i]);
		CHECK(p.flags & IORING_SETUP_NO_MMAP);
		CHECK_EQ(ring.sq.ring_sz, sysconf(_SC_PAGESIZE));
		CHECK_EQ(ring.cq.ring_sz, 0);
		io_uring_prep_nop(sqe_of(&ring));
		CHECK_EQ(run_one(&ring), 0);
		io_uring_queue_exit(&ring);
	}
	memset(&p, 0, sizeof(p));
	p.flags = IORING_SETUP_NO_MMAP;
	CHECK_EQ(io_uring_queue_init_params(16, &ring, &p), 0);
	CHECK_EQ(ring.cq.ring_sz, 0);
	io_uring_queue_exit(&ring);
	return 0;
}
