/*
 * fadvise64 and madvise64 take lengths of more than 32 bits: what a shorter number
 * would leave out is reached. Linux 6.11; posix_fadvise(2), madvise(2).
 */
#include "page-cache.h"

#define HUGE_LENGTH ((1LL << 32) + 8192)

static void by_request(int fd, long long offset, long long length)
{
	io_uring_prep_fadvise64(sqe_of(&cache_ring), fd, (__u64) offset, (off_t) length,
				POSIX_FADV_DONTNEED);
	CHECK_EQ(run_one(&cache_ring), 0);
}

int main(void)
{
	struct io_uring ring;
	char *memory;
	int pipes[2];

	/* Before, only the 32 bits of len counted. */
	need_op(IORING_OP_LISTEN, "long advice (probed by LISTEN)");
	must_init(4, &ring, 0);
	memory = (char *) mmap(NULL, HUGE_LENGTH + 4096, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		SKIP("no address space for it: %s", strerror(errno));
	/* Or a page that is kept would share a huge one with a page that goes. */
	madvise(memory, HUGE_LENGTH + 4096, MADV_NOHUGEPAGE);
	memory[0] = 'a';
	memory[HUGE_LENGTH - 1] = 'b';
	memory[HUGE_LENGTH] = 'c';
	io_uring_prep_madvise64(sqe_of(&ring), memory, HUGE_LENGTH, MADV_DONTNEED);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(memory[0], 0);
	CHECK_EQ(memory[HUGE_LENGTH - 1], 0);
	CHECK_EQ(memory[HUGE_LENGTH], 'c');
	io_uring_prep_madvise64(sqe_of(&ring), memory, 4096, 12345);
	CHECK_EQ(run_one(&ring), -EINVAL);
	munmap(memory, HUGE_LENGTH + 4096);
	CHECK_EQ(pipe(pipes), 0);
	io_uring_prep_fadvise64(sqe_of(&ring), pipes[0], 0, 4096, POSIX_FADV_NORMAL);
	CHECK_EQ(run_one(&ring), -ESPIPE);
	close_both(pipes);
	io_uring_queue_exit(&ring);
	check_drops(by_request, HALF);
	/* Cut to 32 bits this would be one page. */
	check_drops(by_request, (1LL << 32) + 4096);
	return 0;
}
