/* memory_size, mlock_size and their errors; the numbers of the size rules. */
#include "one.h"

static long rounded(long bytes)
{
	long page = sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

int main(void)
{
	struct io_uring_params params = { 0 };

	CHECK_EQ(io_uring_memory_size(8, 0), rounded(8 * 64) + rounded(64 + 16 * 16 + 8 * 4));
	CHECK_EQ(io_uring_memory_size(1000, 0), rounded(1024 * 64) + rounded(64 + 2048 * 16 + 1024 * 4));
	CHECK_EQ(io_uring_memory_size(1024, IORING_SETUP_SQE128 | IORING_SETUP_CQE32),
		 rounded(1024 * 128) + rounded(64 + 2048 * 32 + 1024 * 4));
	CHECK_EQ(io_uring_memory_size(1024, IORING_SETUP_NO_SQARRAY), rounded(1024 * 64) + rounded(64 + 2048 * 16));
	CHECK_EQ(io_uring_memory_size(0, 0), -EINVAL);
	CHECK_EQ(io_uring_memory_size(32769, 0), -EINVAL);
	CHECK_EQ(io_uring_memory_size(32769, IORING_SETUP_CLAMP), io_uring_memory_size(32768, 0));
	params.flags = IORING_SETUP_CQSIZE;
	params.cq_entries = 8;
	CHECK_EQ(io_uring_memory_size_params(8, &params), rounded(8 * 64) + rounded(64 + 8 * 16 + 8 * 4));
	params.cq_entries = 4;
	CHECK_EQ(io_uring_memory_size_params(8, &params), -EINVAL);
	params.cq_entries = 65537;
	CHECK_EQ(io_uring_memory_size_params(8, &params), -EINVAL);
	params.flags |= IORING_SETUP_CLAMP;
	CHECK_EQ(io_uring_memory_size_params(8, &params), rounded(8 * 64) + rounded(64 + 65536 * 16 + 8 * 4));
	return 0;
}
