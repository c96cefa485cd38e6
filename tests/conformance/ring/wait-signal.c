/* A signal ends a wait with -EINTR, which is not retried; a mask keeps it away. */
#include "one.h"

#include <pthread.h>

static volatile sig_atomic_t hits;

static void handler(int number)
{
	(void) number;
	hits = hits + 1;
}

static void *poke(void *target)
{
	usleep(50000);
	pthread_kill(*(pthread_t *) target, SIGUSR1);
	return NULL;
}

int main(void)
{
	struct __kernel_timespec later = { .tv_nsec = 200000000 };
	struct sigaction action = { .sa_handler = handler };
	pthread_t self = pthread_self(), thread;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	sigset_t mask;

	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	must_init(4, &ring, 0);
	CHECK_EQ(pthread_create(&thread, NULL, poke, &self), 0);
	CHECK_EQ(io_uring_wait_cqe(&ring, &cqe), -EINTR);
	CHECK(cqe == NULL);
	CHECK_EQ(hits, 1);
	pthread_join(thread, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	CHECK_EQ(pthread_create(&thread, NULL, poke, &self), 0);
	CHECK_EQ(io_uring_wait_cqes(&ring, &cqe, 1, &later, &mask), -ETIME);
	pthread_join(thread, NULL);
	CHECK_EQ(hits, 2);
	CHECK_EQ(pthread_create(&thread, NULL, poke, &self), 0);
	io_uring_prep_nop(sqe_of(&ring));
	/* One of two came: the wait ends early, and the one is there. */
	CHECK_EQ(io_uring_submit_and_wait(&ring, 2), 1);
	CHECK_EQ(hits, 3);
	pthread_join(thread, NULL);
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	RESULT("signals");
	io_uring_queue_exit(&ring);
	return 0;
}
