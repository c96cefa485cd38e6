/*
 * fadvise DONTNEED takes exactly the pages of its range out of the page cache, if
 * the system call does on this file system. Linux 5.6; posix_fadvise(2), mincore(2).
 */
#include "page-cache.h"

static void by_request(int fd, long long offset, long long length)
{
	io_uring_prep_fadvise(sqe_of(&cache_ring), fd, (__u64) offset, (__u32) length,
			      POSIX_FADV_DONTNEED);
	CHECK_EQ(run_one(&cache_ring), 0);
}

int main(void)
{
	check_drops(by_request, HALF);
	RESULT("dropped");
	return 0;
}
