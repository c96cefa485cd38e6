/*
 * Registered buffers and files: the kernel looks files up and pins memory once
 * instead of at every request. A sparse table is filled and changed on the fly.
 *
 * Usage: registered FILE        Linux 5.19 (sparse tables)
 */
#include <liburing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS 8
#define BLOCK 4096

static void die(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(1);
}

static int complete(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int ret;

	do
		ret = io_uring_submit_and_wait(ring, 1);
	while (ret == -EINTR || ret == -EAGAIN);
	if (ret < 0)
		die("io_uring_submit_and_wait", -ret);
	do
		ret = io_uring_wait_cqe(ring, &cqe);
	while (ret == -EINTR);
	if (ret < 0)
		die("io_uring_wait_cqe", -ret);
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

int main(int argc, char **argv)
{
	static char memory[2][BLOCK] __attribute__((aligned(4096)));
	struct iovec iovecs[2];
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	int fd, pipes[2], ret, i, bytes = 0;

	if (argc != 2 || !strcmp(argv[1], "--help")) {
		fprintf(stderr, "usage: registered FILE\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0)
		die(argv[1], errno);
	ret = io_uring_queue_init(8, &ring, 0);
	if (ret < 0)
		die("io_uring_queue_init", -ret);

	for (i = 0; i < 2; i++) {
		iovecs[i].iov_base = memory[i];
		iovecs[i].iov_len = BLOCK;
	}
	ret = io_uring_register_buffers(&ring, iovecs, 2);
	if (ret < 0)
		die("io_uring_register_buffers", -ret);
	ret = io_uring_register_files_sparse(&ring, SLOTS);
	if (ret < 0)
		die("io_uring_register_files_sparse", -ret);
	ret = io_uring_register_files_update(&ring, 3, &fd, 1);
	if (ret != 1)
		die("io_uring_register_files_update", ret < 0 ? -ret : EIO);
	/* The table holds the file now; the descriptor is not needed any more. */
	close(fd);

	/* fd is the slot, the buffer lies in registered buffer 1. */
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read_fixed(sqe, 3, memory[1], BLOCK, 0, 1);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	ret = complete(&ring);
	if (ret < 0)
		die("read_fixed", -ret);
	bytes = ret;

	/* Slot 3 becomes the writing end of a pipe; the same buffer goes out. */
	if (pipe(pipes) < 0)
		die("pipe", errno);
	ret = io_uring_register_files_update(&ring, 3, &pipes[1], 1);
	if (ret != 1)
		die("io_uring_register_files_update", ret < 0 ? -ret : EIO);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_write_fixed(sqe, 3, memory[1], (unsigned int) bytes, 0, 1);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	ret = complete(&ring);
	if (ret != bytes)
		die("write_fixed", ret < 0 ? -ret : EIO);
	if (read(pipes[0], memory[0], BLOCK) != bytes ||
	    memcmp(memory[0], memory[1], (size_t) bytes))
		die("the pipe has other data", EIO);

	/* An empty slot is an error, not somebody else's file. */
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read_fixed(sqe, 5, memory[0], BLOCK, 0, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	ret = complete(&ring);
	if (ret != -EBADF)
		die("an empty slot", EIO);

	io_uring_unregister_files(&ring);
	io_uring_unregister_buffers(&ring);
	io_uring_queue_exit(&ring);
	close(pipes[0]);
	close(pipes[1]);
	printf("bytes=%d through slot 3 and buffer 1, empty slot: %s\n", bytes,
	       strerror(EBADF));
	return 0;
}
