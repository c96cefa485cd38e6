/*
 * Signals to the process are handled by its own threads though threads of the engine
 * run, waits are interrupted with EINTR, a mask given to a wait holds during it only.
 */
#include "engine.h"

#include <linux/futex.h>
#include <sys/syscall.h>

static volatile pid_t handled_by;
static volatile int handled;
static pid_t first;

static void on_signal(int number)
{
	(void) number;
	handled_by = (pid_t) syscall(SYS_gettid);
	handled++;
}

static void *sends(void *unused)
{
	sigset_t all;

	(void) unused;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	usleep(50000);
	kill(getpid(), SIGUSR1);
	return NULL;
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct __kernel_timespec long_time = { .tv_sec = 30 };
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	static uint32_t word;
	pthread_t thread;
	sigset_t blocked, none, now;
	int ends[2], round;
	char byte;

	first = (pid_t) syscall(SYS_gettid);
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	engine_init(8, &ring, 0);
	CHECK_EQ(pipe(ends), 0);
	/* A driver and a worker that sleep without end. */
	queue_read(&ring, ends[0], &byte, 1, 1);
	io_uring_prep_futex_wait(sqe_of(&ring), &word, 0, FUTEX_BITSET_MATCH_ANY,
				 2 | FUTEX_PRIVATE_FLAG, 0);
	CHECK_EQ(io_uring_submit(&ring), 2);
	usleep(20000);
	CHECK(threads_now() > 1);

	/* While this thread has it blocked no other may take it. */
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
	kill(getpid(), SIGUSR1);
	usleep(20000);
	CHECK_EQ(handled, 0);
	CHECK_EQ(sigprocmask(SIG_SETMASK, &none, NULL), 0);
	CHECK_EQ(handled, 1);
	CHECK_EQ(handled_by, first);

	for (round = 0; round < 3; round++) {
		CHECK_EQ(pthread_create(&thread, NULL, sends, NULL), 0);
		switch (round) {
		case 0:
			CHECK_EQ(io_uring_wait_cqe(&ring, &cqe), -EINTR);
			break;
		case 1:
			CHECK_EQ(io_uring_wait_cqe_timeout(&ring, &cqe, &long_time), -EINTR);
			break;
		default:
			/* Blocked outside, let in by the wait's own mask. */
			CHECK_EQ(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
			CHECK_EQ(io_uring_wait_cqes(&ring, &cqe, 1, &long_time, &none), -EINTR);
			CHECK_EQ(sigprocmask(SIG_SETMASK, NULL, &now), 0);
			CHECK(sigismember(&now, SIGUSR1));
		}
		CHECK_EQ(handled, round + 2);
		CHECK_EQ(handled_by, first);
		CHECK_EQ(pthread_join(thread, NULL), 0);
	}
	/* Kept out by the wait's mask, delivered after it. */
	CHECK_EQ(sigprocmask(SIG_SETMASK, &none, NULL), 0);
	CHECK_EQ(pthread_create(&thread, NULL, sends, NULL), 0);
	long_time.tv_sec = 0;
	long_time.tv_nsec = 200000000;
	CHECK_EQ(io_uring_wait_cqes(&ring, &cqe, 1, &long_time, &blocked), -ETIME);
	CHECK_EQ(handled, 5);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	/* A completion that is there counts more than the signal. */
	CHECK_EQ(write(ends[1], "x", 1), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 1);
	io_uring_queue_exit(&ring);
	return 0;
}
