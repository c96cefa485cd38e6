/*
 * 4 KiB reads of a file in the page cache at random places, DEPTH at a time.
 * Every block holds its own number, which is checked.
 *
 * Usage: read FILE DEPTH OPERATIONS
 */
#include <liburing.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096

static int fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	return 1;
}

int main(int argc, char **argv)
{
	unsigned depth = argc > 3 ? (unsigned) atoi(argv[2]) : 0, i;
	unsigned long operations = argc > 3 ? strtoul(argv[3], NULL, 10) : 0, done = 0;
	uint64_t state = 88172645463325252ULL, blocks, *wanted;
	struct io_uring ring;
	struct stat status;
	char *memory;
	int fd, ret;

	if (!depth || depth > 1024)
		return 2;
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || fstat(fd, &status) < 0)
		return fail(argv[1], errno);
	blocks = (uint64_t) status.st_size / BLOCK;
	memory = (char *) malloc((size_t) depth * BLOCK);
	wanted = (uint64_t *) malloc(depth * sizeof(*wanted));
	if (!memory || !wanted || !blocks)
		return fail("memory", ENOMEM);
	memset(memory, 0, (size_t) depth * BLOCK);
	ret = io_uring_queue_init(depth, &ring, 0);
	if (ret < 0)
		return fail("io_uring_queue_init", -ret);
	while (done < operations) {
		for (i = 0; i < depth; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			wanted[i] = state % blocks;
			io_uring_prep_read(sqe, fd, memory + (size_t) i * BLOCK, BLOCK,
					   wanted[i] * BLOCK);
			io_uring_sqe_set_data64(sqe, i);
		}
		ret = io_uring_submit_and_wait(&ring, depth);
		if (ret != (int) depth)
			return fail("io_uring_submit_and_wait", ret < 0 ? -ret : EAGAIN);
		for (i = 0; i < depth; i++) {
			struct io_uring_cqe *cqe;
			uint64_t found, tag;

			ret = io_uring_wait_cqe(&ring, &cqe);
			if (ret < 0 || cqe->res != BLOCK)
				return fail("read", ret < 0 ? -ret : EIO);
			tag = io_uring_cqe_get_data64(cqe);
			memcpy(&found, memory + tag * BLOCK, sizeof(found));
			if (found != wanted[tag])
				return fail("another block came", EIO);
			io_uring_cqe_seen(&ring, cqe);
		}
		done += depth;
	}
	io_uring_queue_exit(&ring);
	free(memory);
	free(wanted);
	close(fd);
	return 0;
}
