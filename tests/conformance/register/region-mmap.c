/* A region that the kernel allocates, mapped by the program at the offset that it
 * gives, and waits with arguments in it. Linux 6.13; io_uring_register(2). */
#include "one.h"

#include <sys/mman.h>

int main(void)
{
	struct io_uring_region_desc desc = { .size = 8192 };
	struct io_uring_mem_region_reg reg = {
		.region_uptr = (unsigned long) &desc,
		.flags = IORING_MEM_REGION_REG_WAIT_ARG,
	};
	struct io_uring_reg_wait *waits;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int ret;

	need_io_uring();
	CHECK_EQ(io_uring_queue_init(8, &ring, IORING_SETUP_R_DISABLED), 0);
	ret = io_uring_register_region(&ring, &reg);
	if (ret == -EINVAL)
		SKIP("the kernel has no regions");
	CHECK_EQ(ret, 0);
	waits = mmap(NULL, desc.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.ring_fd,
		     desc.mmap_offset);
	CHECK(waits != MAP_FAILED);
	CHECK_EQ(io_uring_enable_rings(&ring), 0);
	waits[1].ts.tv_nsec = 1000000;
	waits[1].flags = IORING_REG_WAIT_TS;
	CHECK_EQ(io_uring_submit_and_wait_reg(&ring, &cqe, 1, 1), -ETIME);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit_and_wait_reg(&ring, &cqe, 1, 1), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	RESULT("waited");
	io_uring_queue_exit(&ring);
	CHECK_EQ(munmap(waits, desc.size), 0);
	return 0;
}
