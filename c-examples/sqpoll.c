/*
 * SQPOLL: a kernel thread takes submissions, so a busy program needs no system
 * call for them. The thread goes to sleep when nothing comes for a while; then
 * io_uring_submit() sees IORING_SQ_NEED_WAKEUP and wakes it. Both are shown.
 *
 * Usage: sqpoll FILE        Linux 5.11; before, it needed root and registered files
 */
#include <liburing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 64
#define IDLE_MS 20

static void die(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(1);
}

int main(int argc, char **argv)
{
	static char buffer[4096];
	unsigned int needed = 0, busy = 0;
	struct io_uring_params params;
	struct io_uring ring;
	long long bytes = 0;
	int fd, ret, i;

	if (argc != 2 || !strcmp(argv[1], "--help")) {
		fprintf(stderr, "usage: sqpoll FILE\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0)
		die(argv[1], errno);
	memset(&params, 0, sizeof(params));
	params.flags = IORING_SETUP_SQPOLL;
	params.sq_thread_idle = IDLE_MS;
	ret = io_uring_queue_init_params(8, &ring, &params);
	if (ret == -EPERM)
		fprintf(stderr, "SQPOLL needs root or CAP_SYS_NICE before Linux 5.11\n");
	if (ret < 0)
		die("io_uring_queue_init_params", -ret);

	for (i = 0; i < ROUNDS; i++) {
		struct io_uring_sqe *sqe;
		struct io_uring_cqe *cqe;

		/* Halfway, a rest long enough for the thread to fall asleep. */
		if (i == ROUNDS / 2)
			usleep(10 * IDLE_MS * 1000);
		while (!(sqe = io_uring_get_sqe(&ring))) {
			ret = io_uring_sqring_wait(&ring);
			if (ret < 0 && ret != -EINTR)
				die("io_uring_sqring_wait", -ret);
		}
		io_uring_prep_read(sqe, fd, buffer, sizeof(buffer), 0);
		if (IO_URING_READ_ONCE(*ring.sq.kflags) & IORING_SQ_NEED_WAKEUP)
			needed++;
		else
			busy++;
		ret = io_uring_submit(&ring);
		if (ret < 0)
			die("io_uring_submit", -ret);
		do
			ret = io_uring_wait_cqe(&ring, &cqe);
		while (ret == -EINTR);
		if (ret < 0)
			die("io_uring_wait_cqe", -ret);
		if (cqe->res < 0)
			die("read", -cqe->res);
		bytes += cqe->res;
		io_uring_cqe_seen(&ring, cqe);
	}
	io_uring_queue_exit(&ring);
	close(fd);
	printf("bytes=%lld operations=%d submitted without system call=%u after wake-up=%u\n",
	       bytes, ROUNDS, busy, needed);
	return 0;
}
