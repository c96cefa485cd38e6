/* Sizes and flags out of range, and that a failed setup leaves nothing open. */
#include "one.h"

#include <dirent.h>

static int open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	CHECK(folder != NULL);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

int main(void)
{
	struct io_uring_params params;
	struct io_uring ring;
	int before = open_files();

	must_init(1, &ring, 0);
	io_uring_queue_exit(&ring);
	CHECK_EQ(io_uring_queue_init(0, &ring, 0), -EINVAL);
	CHECK_EQ(io_uring_queue_init(32769, &ring, 0), -EINVAL);
	CHECK_EQ(io_uring_queue_init(8, &ring, 1U << 31), -EINVAL);
	memset(&params, 0, sizeof(params));
	params.flags = IORING_SETUP_CQSIZE;
	CHECK_EQ(io_uring_queue_init_params(8, &ring, &params), -EINVAL);
	memset(&params, 0, sizeof(params));
	params.flags = IORING_SETUP_CQSIZE;
	params.cq_entries = 4;
	CHECK_EQ(io_uring_queue_init_params(8, &ring, &params), -EINVAL);
	memset(&params, 0, sizeof(params));
	params.flags = IORING_SETUP_SQ_AFF;
	CHECK_EQ(io_uring_queue_init_params(8, &ring, &params), -EINVAL);
	memset(&params, 0, sizeof(params));
	params.flags = IORING_SETUP_ATTACH_WQ;
	params.wq_fd = 0x7fffffff;
	CHECK(io_uring_queue_init_params(8, &ring, &params) < 0);
	errno = 4711;
	CHECK_EQ(io_uring_queue_init(0, &ring, 0), -EINVAL);
	CHECK_EQ(errno, 4711);
	CHECK_EQ(open_files(), before);
	RESULT("errors");
	return 0;
}
