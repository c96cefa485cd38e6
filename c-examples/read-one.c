/*
 * The smallest whole program: opens a file, reads once, tells what came back.
 *
 * Usage: read-one FILE        Linux 5.6
 */
#include <liburing.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char buffer[4096];
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int fd, ret;

	if (argc != 2 || !strcmp(argv[1], "--help")) {
		fprintf(stderr, "usage: read-one FILE\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	ret = io_uring_queue_init(8, &ring, 0);
	if (ret < 0) {
		fprintf(stderr, "io_uring_queue_init: %s\n", strerror(-ret));
		return 1;
	}

	/* An empty queue of eight has room. */
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read(sqe, fd, buffer, sizeof(buffer), 0);
	io_uring_sqe_set_data64(sqe, 42);

	ret = io_uring_submit(&ring);
	if (ret < 0) {
		fprintf(stderr, "io_uring_submit: %s\n", strerror(-ret));
		return 1;
	}
	ret = io_uring_wait_cqe(&ring, &cqe);
	if (ret < 0) {
		fprintf(stderr, "io_uring_wait_cqe: %s\n", strerror(-ret));
		return 1;
	}
	ret = cqe->res;
	if (ret < 0)
		fprintf(stderr, "read: %s\n", strerror(-ret));
	else
		printf("tag=%llu bytes=%d\n",
		       (unsigned long long) io_uring_cqe_get_data64(cqe), ret);
	io_uring_cqe_seen(&ring, cqe);

	io_uring_queue_exit(&ring);
	close(fd);
	return ret < 0;
}
