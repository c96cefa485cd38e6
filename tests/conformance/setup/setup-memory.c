/* io_uring_queue_init_mem: the bytes used, too small buffers, and the largest
 * size that a ring may need. Linux 6.5. */
#include "one.h"

#include <sys/mman.h>

int main(void)
{
	struct io_uring_params params;
	size_t page = (size_t) sysconf(_SC_PAGESIZE), size = 16 * page;
	struct io_uring ring;
	char *memory;
	int ret;

	need_io_uring();
	memory = (char *) mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	memset(&params, 0, sizeof(params));
	ret = io_uring_queue_init_mem(8, &ring, &params, memory, size);
	skip_if_old(ret, "rings in application memory");
	CHECK_EQ(ret, 2 * (long) page);
	CHECK((char *) ring.sq.sqes == memory);
	CHECK((char *) ring.sq.ring_ptr == memory + page);
	CHECK_EQ(ring.sq.ring_sz, 0);
	CHECK_EQ(ring.cq.ring_sz, 0);
	CHECK_EQ(ring.sq.sqes_sz, 0);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	CHECK(io_uring_memory_size(8, 0) >= ret);
	io_uring_queue_exit(&ring);
	/* The memory is still ours. */
	memset(memory, 1, size);
	memset(&params, 0, sizeof(params));
	CHECK_EQ(io_uring_queue_init_mem(8, &ring, &params, memory, 2 * page - 1), -ENOMEM);
	memset(&params, 0, sizeof(params));
	CHECK_EQ(io_uring_queue_init_mem(0, &ring, &params, memory, size), -EINVAL);
	munmap(memory, size);
	return 0;
}
