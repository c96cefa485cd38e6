/*
 * A signal handler is the only one to use rings, and interrupts a thread that is inside
 * malloc(3) all the time: what its requests need is there without a call of malloc, from
 * the first one on, with which the engine begins to look after the ring.
 */
#include "engine.h"

#include <signal.h>

static struct io_uring ring;
static volatile long handled;
static int ends[2];

static void must(int is)
{
	static const char message[] = "a request of a handler failed\n";

	if (!is) {
		(void) !write(2, message, sizeof(message) - 1);
		_exit(1);
	}
}

static int result(void)
{
	struct io_uring_cqe *cqe;
	int ret;

	do
		ret = io_uring_wait_cqe(&ring, &cqe);
	while (ret == -EINTR);
	must(!ret);
	ret = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return ret;
}

static void on_signal(int number)
{
	struct __kernel_timespec moment = { .tv_nsec = 1000 };
	struct iovec vectors[40];
	struct io_uring other;
	static char byte;
	int before = errno, at;

	(void) number;
	for (at = 0; at < 40; at++)
		vectors[at] = (struct iovec) { &byte, 1 };
	switch (handled % 3) {
	case 0:
		io_uring_prep_readv(io_uring_get_sqe(&ring), ends[0], vectors, 40, 0);
		must(io_uring_submit(&ring) == 1);
		must(write(ends[1], "x", 1) == 1);
		must(result() == 1);
		break;
	case 1:
		io_uring_prep_timeout(io_uring_get_sqe(&ring), &moment, 0, 0);
		must(io_uring_submit(&ring) == 1);
		must(result() == -ETIME);
		break;
	default:
		must(io_uring_queue_init(4, &other, 0) == 0);
		io_uring_prep_poll_add(io_uring_get_sqe(&other), ends[0], POLLIN);
		must(io_uring_submit(&other) == 1);
		io_uring_queue_exit(&other);
	}
	handled++;
	errno = before;
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec time = { { 0, 300000 }, { 0, 300000 } };
	static void *blocks[64];
	timer_t timer;
	long round, end;

	CHECK_EQ(pipe(ends), 0);
	engine_init(8, &ring, 0);
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	CHECK_EQ(timer_settime(timer, 0, &time, NULL), 0);
	end = now_ms() + 20000;
	for (round = 0; handled <= 600 && now_ms() < end; round++) {
		int place = (int) (round % 64);

		free(blocks[place]);
		/* Also of sizes that are not kept for each thread. */
		blocks[place] = malloc((size_t) (round * 7919 % 20000) + 1);
		CHECK(blocks[place] != NULL);
	}
	CHECK(handled > 50);
	time = (struct itimerspec) { { 0, 0 }, { 0, 0 } };
	CHECK_EQ(timer_settime(timer, 0, &time, NULL), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
