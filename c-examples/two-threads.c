/*
 * Two threads on one ring, one submitting and one reaping: the two queues are
 * independent, so they need no lock. At the end the submitter tells the reaper how
 * many there were, with a message from a ring of its own; it may come before the last
 * of them, since nothing orders completions.
 *
 * Usage: two-threads [COUNT]        Linux 5.18 (msg_ring)
 */
#include <liburing.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES 64
#define DONE ((__u64) -2)

static struct io_uring ring;

static void die(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(1);
}

/* Takes as many completions as the message says; returns their sum. */
static void *reap(void *argument)
{
	unsigned long long *sum = (unsigned long long *) argument;
	unsigned int taken = 0, all = 0;
	int told = 0;

	while (!told || taken != all) {
		struct io_uring_cqe *cqe;
		__u64 tag;
		int ret = io_uring_wait_cqe(&ring, &cqe);

		if (ret == -EINTR)
			continue;
		if (ret < 0)
			die("io_uring_wait_cqe", -ret);
		tag = io_uring_cqe_get_data64(cqe);
		if (cqe->res < 0 && tag != DONE)
			die("a request", -cqe->res);
		if (tag == DONE) {
			told = 1;
			all = (unsigned int) cqe->res;
		} else {
			taken++;
			*sum += tag;
		}
		io_uring_cqe_seen(&ring, cqe);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long long sum = 0, wanted = 0;
	unsigned long count = 10000, i;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct io_uring sender;
	pthread_t reaper;
	int ret;

	if (argc > 2 || (argc == 2 && !(count = strtoul(argv[1], NULL, 10)))) {
		fprintf(stderr, "usage: two-threads [COUNT]\n");
		return 2;
	}
	/* Room for many completions, should the reaper fall behind. */
	ret = io_uring_queue_init(ENTRIES, &ring, 0);
	if (ret < 0)
		die("io_uring_queue_init", -ret);
	ret = io_uring_queue_init(2, &sender, 0);
	if (ret < 0)
		die("io_uring_queue_init", -ret);
	ret = pthread_create(&reaper, NULL, reap, &sum);
	if (ret)
		die("pthread_create", ret);

	for (i = 1; i <= count; i++) {
		while (!(sqe = io_uring_get_sqe(&ring))) {
			ret = io_uring_submit(&ring);
			if (ret < 0 && ret != -EBUSY && ret != -EAGAIN && ret != -EINTR)
				die("io_uring_submit", -ret);
		}
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, i);
		wanted += i;
	}
	while (io_uring_sq_ready(&ring)) {
		ret = io_uring_submit(&ring);
		if (ret < 0 && ret != -EBUSY && ret != -EAGAIN && ret != -EINTR)
			die("io_uring_submit", -ret);
	}

	/* Wakes the reaper, which waits in the kernel by now, or will. */
	sqe = io_uring_get_sqe(&sender);
	io_uring_prep_msg_ring(sqe, ring.ring_fd, (unsigned int) count, DONE, 0);
	while (io_uring_sq_ready(&sender)) {
		ret = io_uring_submit(&sender);
		if (ret < 0 && ret != -EAGAIN && ret != -EINTR)
			die("io_uring_submit", -ret);
	}
	do
		ret = io_uring_wait_cqe(&sender, &cqe);
	while (ret == -EINTR);
	if (ret < 0 || cqe->res < 0)
		die("msg_ring", ret < 0 ? -ret : -cqe->res);
	io_uring_cqe_seen(&sender, cqe);

	pthread_join(reaper, NULL);
	io_uring_queue_exit(&sender);
	io_uring_queue_exit(&ring);
	if (sum != wanted)
		die("completions were lost", EIO);
	printf("operations=%lu sum=%llu\n", count, sum);
	return 0;
}
