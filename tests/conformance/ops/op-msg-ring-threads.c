/*
 * Messages from several threads reach a ring whose thread waits for them, each
 * once, with result and tag. Linux 5.18; io_uring_prep_msg_ring(3).
 */
#include "op-helpers.h"

#include <pthread.h>

#define THREADS 3
#define EACH 50

static struct io_uring target;

static void *send_all(void *argument)
{
	unsigned me = *(unsigned *) argument, i;
	struct io_uring ring;

	must_init(4, &ring, 0);
	for (i = 0; i < EACH; i++) {
		io_uring_prep_msg_ring(sqe_of(&ring), target.ring_fd, i, me, 0);
		CHECK_EQ(run_one(&ring), 0);
	}
	io_uring_queue_exit(&ring);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	unsigned names[THREADS], next[THREADS] = { 0 }, i;
	struct io_uring disabled, ring;

	need_op(IORING_OP_MSG_RING, "MSG_RING");
	must_init(256, &target, 0);
	for (i = 0; i < THREADS; i++) {
		names[i] = i;
		CHECK_EQ(pthread_create(&threads[i], NULL, send_all, &names[i]), 0);
	}
	for (i = 0; i < THREADS * EACH; i++) {
		__u64 tag;
		int res = take(&target, &tag, NULL);

		CHECK(tag < THREADS);
		/* In order per sender. */
		CHECK_EQ(res, next[tag]++);
	}
	for (i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	nothing_yet(&target);
	must_init(4, &disabled, IORING_SETUP_R_DISABLED);
	must_init(4, &ring, 0);
	io_uring_prep_msg_ring(sqe_of(&ring), disabled.ring_fd, 0, 0, 0);
	CHECK_EQ(run_one(&ring), -EBADFD);
	io_uring_prep_msg_ring(sqe_of(&ring), target.ring_fd, 0, 0, 1U << 30);
	CHECK_EQ(run_one(&ring), -EINVAL);
	RESULT("%u", next[0] + next[1] + next[2]);
	io_uring_queue_exit(&ring);
	io_uring_queue_exit(&disabled);
	io_uring_queue_exit(&target);
	return 0;
}
