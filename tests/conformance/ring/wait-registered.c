/* Registered waits: a region of wait blocks, then waits by index. Linux 6.13. */
#include "one.h"

#include <sys/mman.h>

int main(void)
{
	struct io_uring_region_desc region = { 0 };
	struct io_uring_mem_region_reg reg = { 0 };
	struct io_uring_reg_wait *waits;
	struct io_uring_cqe *cqe = (struct io_uring_cqe *) 8;
	struct io_uring ring, old;
	int ret;

	must_init(8, &ring, IORING_SETUP_R_DISABLED);
	old = ring;
	old.features = 0;
	CHECK_EQ(io_uring_submit_and_wait_reg(&old, &cqe, 1, 0), -EINVAL);
	CHECK(cqe == (struct io_uring_cqe *) 8);
	CHECK_EQ(io_uring_register_wait_reg(&ring, NULL, 1), -EINVAL);
	waits = (struct io_uring_reg_wait *) mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(waits != MAP_FAILED);
	region.user_addr = (__u64) (uintptr_t) waits;
	region.size = 4096;
	region.flags = IORING_MEM_REGION_TYPE_USER;
	reg.region_uptr = (__u64) (uintptr_t) &region;
	reg.flags = IORING_MEM_REGION_REG_WAIT_ARG;
	ret = io_uring_register_region(&ring, &reg);
	skip_if_old(ret, "registered waits");
	CHECK_EQ(ret, 0);
	CHECK_EQ(io_uring_enable_rings(&ring), 0);
	waits[2].flags = IORING_REG_WAIT_TS;
	waits[2].ts.tv_nsec = 2000000;
	CHECK_EQ(io_uring_submit_and_wait_reg(&ring, &cqe, 1, 2), -ETIME);
	CHECK(cqe == NULL);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit_and_wait_reg(&ring, &cqe, 1, 2), 1);
	CHECK(cqe != NULL);
	io_uring_cqe_seen(&ring, cqe);
	CHECK_EQ(io_uring_submit_and_wait_reg(&ring, &cqe, 1, 64), -EFAULT);
	munmap(waits, 4096);
	io_uring_queue_exit(&ring);
	return 0;
}
