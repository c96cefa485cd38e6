/*
 * fadvise64 and madvise64 take 64-bit lengths, ftruncate sets the size. Linux 6.9,
 * 6.11; io_uring_prep_fadvise(3), ftruncate(2).
 */
#include "one.h"

#include <sys/mman.h>

int main(void)
{
	struct io_uring ring;
	struct stat status;
	char *memory;
	int fd;

	need_op(IORING_OP_FTRUNCATE, "FTRUNCATE");
	enter_folder();
	fd = file_with("file", "data", 4);
	must_init(4, &ring, 0);
	io_uring_prep_ftruncate(sqe_of(&ring), fd, 1LL << 33);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_size, 1LL << 33);
	io_uring_prep_fadvise64(sqe_of(&ring), fd, 0, 1LL << 33, POSIX_FADV_DONTNEED);
	CHECK_EQ(run_one(&ring), 0);
	memory = (char *) mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	memory[4096] = 'x';
	io_uring_prep_madvise64(sqe_of(&ring), memory, 8192, MADV_DONTNEED);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(memory[4096], 0);
	munmap(memory, 8192);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
