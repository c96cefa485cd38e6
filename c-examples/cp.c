/*
 * Copies a file with linked requests: each block is a read, linked to a write,
 * so that a block costs no round trip. Depth many blocks are under way at once.
 * A short read or write breaks the link; the rest of that block is then copied
 * again in smaller steps.
 *
 * Usage: cp [-d DEPTH] [-b BYTES] FROM TO        Linux 5.6
 */
#include <liburing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct block {
	off_t offset;
	size_t size, done;	/* of this block; done bytes are written */
	int read_res, pending;
	char *buffer;
};

static unsigned long operations;

static void die(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(1);
}

/* Queues a read and a write linked behind it for the rest of a block. */
static void copy_rest(struct io_uring *ring, struct block *block, int from, int to)
{
	unsigned int left = (unsigned int) (block->size - block->done);
	__u64 offset = (__u64) block->offset + block->done;
	struct io_uring_sqe *sqe;

	/* The ring has two slots for each block. */
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_read(sqe, from, block->buffer, left, offset);
	io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK);
	io_uring_sqe_set_data(sqe, block);

	sqe = io_uring_get_sqe(ring);
	io_uring_prep_write(sqe, to, block->buffer, left, offset);
	io_uring_sqe_set_data64(sqe, (__u64) (uintptr_t) block | 1);
	block->pending = 2;
	operations += 2;
}

/* A short read: what came is written, and the block goes on behind it. */
static void write_part(struct io_uring *ring, struct block *block, int to)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_write(sqe, to, block->buffer, (unsigned int) block->read_res,
			    (__u64) block->offset + block->done);
	io_uring_sqe_set_data64(sqe, (__u64) (uintptr_t) block | 1);
	block->pending = 1;
	operations++;
}

int main(int argc, char **argv)
{
	unsigned int depth = 16, i, active = 0;
	size_t size = 128 * 1024;
	off_t next = 0;
	struct io_uring ring;
	struct block *blocks;
	struct stat status;
	int option, from, to, ret;

	while ((option = getopt(argc, argv, "d:b:")) != -1) {
		if (option == 'd')
			depth = (unsigned int) atoi(optarg);
		else if (option == 'b')
			size = (size_t) atol(optarg);
		else
			depth = 0;
	}
	if (argc - optind != 2 || !depth || depth > 1024 || !size || size > 1 << 30) {
		fprintf(stderr, "usage: cp [-d DEPTH] [-b BYTES] FROM TO\n");
		return 2;
	}
	from = open(argv[optind], O_RDONLY);
	if (from < 0 || fstat(from, &status) < 0)
		die(argv[optind], errno);
	if (!S_ISREG(status.st_mode))
		die(argv[optind], EINVAL);
	to = open(argv[optind + 1], O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (to < 0)
		die(argv[optind + 1], errno);
	ret = io_uring_queue_init(2 * depth, &ring, 0);
	if (ret < 0)
		die("io_uring_queue_init", -ret);

	blocks = (struct block *) calloc(depth, sizeof(*blocks));
	for (i = 0; blocks && i < depth; i++) {
		blocks[i].buffer = (char *) malloc(size);
		if (!blocks[i].buffer)
			die("malloc", ENOMEM);
	}
	if (!blocks)
		die("malloc", ENOMEM);

	for (;;) {
		struct io_uring_cqe *cqe;
		struct block *block;

		/* Idle blocks take the next part of the file. */
		for (i = 0; i < depth && next < status.st_size; i++) {
			block = &blocks[i];
			if (block->pending)
				continue;
			block->offset = next;
			block->size = status.st_size - next < (off_t) size ?
				(size_t) (status.st_size - next) : size;
			block->done = 0;
			next += (off_t) block->size;
			copy_rest(&ring, block, from, to);
			active++;
		}
		if (!active)
			break;
		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			die("io_uring_submit_and_wait", -ret);
		while (io_uring_peek_cqe(&ring, &cqe) == 0) {
			__u64 data = io_uring_cqe_get_data64(cqe);
			int res = cqe->res;

			block = (struct block *) (uintptr_t) (data & ~1ULL);
			io_uring_cqe_seen(&ring, cqe);
			block->pending--;
			if (!(data & 1)) {
				if (res < 0)
					die(argv[optind], -res);
				if (!res)
					die("the file became shorter", EIO);
				block->read_res = res;
				continue;
			}
			if (res == -ECANCELED) {
				write_part(&ring, block, to);
				continue;
			}
			if (res < 0)
				die(argv[optind + 1], -res);
			block->done += (size_t) res;
			if (block->done < block->size)
				copy_rest(&ring, block, from, to);
			else
				active--;
		}
	}
	if (fsync(to) < 0 && errno != EINVAL && errno != EROFS)
		die(argv[optind + 1], errno);
	if (fstat(to, &status) < 0 || status.st_size != next)
		die("the copy has another size", EIO);
	printf("bytes=%lld operations=%lu\n", (long long) next, operations);
	io_uring_queue_exit(&ring);
	for (i = 0; i < depth; i++)
		free(blocks[i].buffer);
	free(blocks);
	close(from);
	close(to);
	return 0;
}
