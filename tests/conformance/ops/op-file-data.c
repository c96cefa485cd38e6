/*
 * fsync, sync_file_range, fallocate, fadvise, madvise. Linux 5.6; fsync(2),
 * fallocate(2), posix_fadvise(2), madvise(2).
 */
#include "one.h"

#include <sys/mman.h>

int main(void)
{
	struct io_uring ring;
	struct stat status;
	char *memory;
	int fd, ret;

	enter_folder();
	fd = file_with("file", "data", 4);
	must_init(4, &ring, 0);
	io_uring_prep_fsync(sqe_of(&ring), fd, 0);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_fsync(sqe_of(&ring), fd, IORING_FSYNC_DATASYNC);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_sync_file_range(sqe_of(&ring), fd, 4, 0, SYNC_FILE_RANGE_WRITE);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_fallocate(sqe_of(&ring), fd, 0, 0, 65536);
	ret = run_one(&ring);
	if (ret == -EOPNOTSUPP)
		SKIP("this file system has no fallocate");
	CHECK_EQ(ret, 0);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_size, 65536);
	io_uring_prep_fadvise(sqe_of(&ring), fd, 0, 65536, POSIX_FADV_WILLNEED);
	CHECK_EQ(run_one(&ring), 0);
	memory = (char *) mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	memory[0] = 'x';
	io_uring_prep_madvise(sqe_of(&ring), memory, 8192, MADV_DONTNEED);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(memory[0], 0);
	RESULT("size %lld", (long long) status.st_size);
	munmap(memory, 8192);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
