/*
 * 4 KiB reads of a file in the page cache at random places, DEPTH at a time.
 * Every 64-bit word of a block holds the block's number: the first word of each
 * block read is checked, and of every 64th block all of them.
 *
 * Usage: read FILE DEPTH OPERATIONS
 */
#include <liburing.h>

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define BLOCK 4096
#define WORDS (BLOCK / sizeof(uint64_t))
#define MOST 1024

int main(int argc, char **argv)
{
	unsigned depth = argc > 3 ? (unsigned) atoi(argv[2]) : 0, i;
	unsigned long operations = argc > 3 ? strtoul(argv[3], NULL, 10) : 0, done = 0;
	uint64_t state = 88172645463325252ULL, blocks, *memory, *wanted;
	unsigned long long started;
	struct io_uring ring;
	struct stat status;
	int fd, ret;

	if (!depth || depth > MOST) {
		fprintf(stderr, "usage: read FILE DEPTH OPERATIONS, depth at most %d\n", MOST);
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || fstat(fd, &status) < 0)
		return fail(argv[1], errno);
	blocks = (uint64_t) status.st_size / BLOCK;
	memory = (uint64_t *) calloc(depth, BLOCK);
	wanted = (uint64_t *) calloc(depth, sizeof(*wanted));
	if (!memory || !wanted || !blocks)
		return fail("memory", ENOMEM);
	ret = io_uring_queue_init(depth, &ring, 0);
	if (ret < 0)
		return fail_setup(-ret);
	started = now_ns();
	while (done < operations) {
		for (i = 0; i < depth; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			if (!sqe)
				return fail("io_uring_get_sqe", EAGAIN);
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			wanted[i] = state % blocks;
			io_uring_prep_read(sqe, fd, memory + i * WORDS, BLOCK, wanted[i] * BLOCK);
			io_uring_sqe_set_data64(sqe, i);
		}
		ret = io_uring_submit_and_wait(&ring, depth);
		if (ret != (int) depth)
			return fail("io_uring_submit_and_wait", ret < 0 ? -ret : EAGAIN);
		for (i = 0; i < depth; i++, done++) {
			struct io_uring_cqe *cqe;
			uint64_t tag;
			size_t word;

			ret = io_uring_wait_cqe(&ring, &cqe);
			if (ret < 0)
				return fail("io_uring_wait_cqe", -ret);
			if (cqe->res != BLOCK)
				return fail("read", cqe->res < 0 ? -cqe->res : EIO);
			tag = io_uring_cqe_get_data64(cqe);
			for (word = 0; word < (done % 64 ? 1 : WORDS); word++)
				if (memory[tag * WORDS + word] != wanted[tag])
					return fail("the bytes of a block", EIO);
			io_uring_cqe_seen(&ring, cqe);
		}
	}
	report(started);
	io_uring_queue_exit(&ring);
	free(memory);
	free(wanted);
	close(fd);
	return 0;
}
