/*
 * fadvise and madvise: the memory is empty or the file's again after DONTNEED,
 * nonsense is refused. Linux 5.6; posix_fadvise(2), madvise(2).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring ring;
	int fd, pipes[2];
	char *memory;

	enter_folder();
	fd = file_with("file", "filebacked", 10);
	CHECK_EQ(ftruncate(fd, 8192), 0);
	CHECK_EQ(pipe(pipes), 0);
	must_init(4, &ring, 0);
	memory = (char *) mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(memory != MAP_FAILED);
	memory[0] = 'X';
	memory[4096] = 'Y';
	/* Only the first page loses its private copy. */
	io_uring_prep_madvise(sqe_of(&ring), memory, 4096, MADV_DONTNEED);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(memory[0], 'f');
	CHECK_EQ(memory[4096], 'Y');
	io_uring_prep_madvise(sqe_of(&ring), memory, 4096, 12345);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_madvise(sqe_of(&ring), memory + 1, 4096, MADV_DONTNEED);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_fadvise(sqe_of(&ring), fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_fadvise(sqe_of(&ring), fd, 0, 4096, 12345);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_fadvise(sqe_of(&ring), pipes[0], 0, 4096, POSIX_FADV_NORMAL);
	CHECK_EQ(run_one(&ring), -ESPIPE);
	RESULT("%.10s", memory);
	munmap(memory, 8192);
	close_both(pipes);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
