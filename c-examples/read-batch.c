/*
 * A batch of reads in one system call. They complete in any order: reads of
 * pipes wait for data, reads of the file do not, so the file's come first
 * although they were submitted last.
 *
 * Usage: read-batch FILE        Linux 5.6
 */
#include <liburing.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIPES 2
#define BLOCKS 6
#define BLOCK 4096

static char buffers[PIPES + BLOCKS][BLOCK];

static int fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	return 1;
}

int main(int argc, char **argv)
{
	int pipes[PIPES][2], fd, ret, i, done = 0, order[PIPES + BLOCKS];
	long long bytes = 0;
	struct io_uring ring;
	struct io_uring_cqe *cqe;

	if (argc != 2 || !strcmp(argv[1], "--help")) {
		fprintf(stderr, "usage: read-batch FILE\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0)
		return fail(argv[1], errno);
	ret = io_uring_queue_init(PIPES + BLOCKS, &ring, 0);
	if (ret < 0)
		return fail("io_uring_queue_init", -ret);

	for (i = 0; i < PIPES; i++)
		if (pipe(pipes[i]) < 0)
			return fail("pipe", errno);
	for (i = 0; i < PIPES + BLOCKS; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		if (i < PIPES)
			io_uring_prep_read(sqe, pipes[i][0], buffers[i], BLOCK, 0);
		else
			io_uring_prep_read(sqe, fd, buffers[i], BLOCK,
					   (__u64) (i - PIPES) * BLOCK);
		io_uring_sqe_set_data64(sqe, (__u64) i);
	}
	/* It says how many it took, which may be fewer than there are. */
	while (io_uring_sq_ready(&ring)) {
		ret = io_uring_submit(&ring);
		if (ret < 0 && ret != -EAGAIN && ret != -EINTR)
			return fail("io_uring_submit", -ret);
	}

	while (done < PIPES + BLOCKS) {
		unsigned int head, seen = 0;

		ret = io_uring_wait_cqe(&ring, &cqe);
		if (ret == -EINTR)
			continue;
		if (ret < 0)
			return fail("io_uring_wait_cqe", -ret);
		io_uring_for_each_cqe(&ring, head, cqe) {
			if (cqe->res < 0)
				return fail("read", -cqe->res);
			order[done++] = (int) io_uring_cqe_get_data64(cqe);
			bytes += cqe->res;
			seen++;
		}
		io_uring_cq_advance(&ring, seen);
		/* The file has been read: now the pipes get their data. */
		if (done == BLOCKS)
			for (i = PIPES - 1; i >= 0; i--)
				if (write(pipes[i][1], "ping", 4) != 4)
					return fail("write", errno);
	}

	printf("submitted:");
	for (i = 0; i < PIPES + BLOCKS; i++)
		printf(" %d", i);
	printf("\ncompleted:");
	for (i = 0; i < PIPES + BLOCKS; i++)
		printf(" %d", order[i]);
	printf("\nbytes=%lld operations=%d\n", bytes, done);

	io_uring_queue_exit(&ring);
	for (i = 0; i < PIPES; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	close(fd);
	return 0;
}
