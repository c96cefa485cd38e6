/*
 * A forked child that touches an inherited ring is told EOWNERDEAD at once; its
 * queue_exit does no harm, it can make rings of its own, and the parent's ring goes
 * on, also with operations in flight and other threads at work.
 */
#include "engine.h"

static struct io_uring busy;
static volatile int stop;

static void *hammer(void *unused)
{
	(void) unused;
	while (!stop) {
		io_uring_prep_nop(sqe_of(&busy));
		CHECK_EQ(run_one(&busy), 0);
	}
	return NULL;
}

static void child(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	struct io_uring own;
	long start = now_ms();
	int ends[2], fd = 0;
	char byte = 0;

	alarm(20);
	io_uring_prep_nop(sqe_of(ring));
	CHECK_EQ(io_uring_submit(ring), -EOWNERDEAD);
	CHECK_EQ(io_uring_wait_cqe(ring, &cqe), -EOWNERDEAD);
	CHECK_EQ(io_uring_register_files(ring, &fd, 1), -EOWNERDEAD);
	CHECK_EQ(io_uring_submit_and_wait(ring, 1), -EOWNERDEAD);
	CHECK(now_ms() - start < 2000);
	CHECK_EQ(pipe(ends), 0);
	engine_init(4, &own, 0);
	queue_read(&own, ends[0], &byte, 1, 1);
	CHECK_EQ(io_uring_submit(&own), 1);
	CHECK_EQ(write(ends[1], "c", 1), 1);
	CHECK_EQ(take(&own, NULL, NULL), 1);
	CHECK_EQ(byte, 'c');
	io_uring_queue_exit(ring);
	io_uring_prep_fsync(sqe_of(&own), ends[0], 0);
	CHECK_EQ(run_one(&own), -EINVAL);
	io_uring_queue_exit(&own);
	_exit(0);
}

int main(void)
{
	struct io_uring ring;
	pthread_t thread;
	int ends[2], round;
	char byte;

	engine_init(8, &ring, 0);
	engine_init(8, &busy, 0);
	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(pthread_create(&thread, NULL, hammer, NULL), 0);
	for (round = 0; round < 20; round++) {
		pid_t pid;

		queue_read(&ring, ends[0], &byte, 1, 7);
		CHECK_EQ(io_uring_submit(&ring), 1);
		pid = fork();
		if (!pid)
			child(&ring);
		reap(pid);
		CHECK_EQ(io_uring_peek_cqe(&ring, &(struct io_uring_cqe *){ NULL }), -EAGAIN);
		CHECK_EQ(write(ends[1], "p", 1), 1);
		CHECK_EQ(take(&ring, NULL, NULL), 1);
		CHECK_EQ(byte, 'p');
	}
	stop = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	io_uring_queue_exit(&busy);
	io_uring_queue_exit(&ring);
	return 0;
}
