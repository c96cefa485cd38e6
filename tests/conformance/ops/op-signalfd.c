/*
 * A read or poll of a signalfd gets what is sent to the thread that submitted it:
 * raise, pthread_kill, timers; before the submission, after it, while the thread waits.
 * signalfd(2).
 */
#include "op-helpers.h"

#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>

static struct io_uring ring;
static struct signalfd_siginfo info;
static pthread_t first;
static int fd;

static void reads(void)
{
	io_uring_prep_read(sqe_of(&ring), fd, &info, sizeof(info), 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
}

static int result(void)
{
	struct __kernel_timespec limit = { .tv_sec = 10 };
	struct io_uring_cqe *cqe;
	int res;

	CHECK_EQ(io_uring_wait_cqe_timeout(&ring, &cqe, &limit), 0);
	res = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return res;
}

static void *kills(void *unused)
{
	(void) unused;
	usleep(100000);
	pthread_kill(first, SIGUSR1);
	return NULL;
}

int main(void)
{
	const int size = sizeof(info);
	pthread_t thread;
	sigset_t set;
	int round;

	first = pthread_self();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	must_init(8, &ring, 0);
	for (round = 0; round < 4; round++) {
		fd = signalfd(-1, &set, round % 2 ? SFD_NONBLOCK : 0);
		CHECK(fd >= 0);
		/* There already. */
		raise(SIGUSR1);
		reads();
		CHECK_EQ(result(), size);
		CHECK_EQ(info.ssi_signo, SIGUSR1);
		/* Some time after the submission. */
		reads();
		usleep(50000);
		raise(SIGUSR1);
		usleep(round < 2 ? 0 : 50000);
		CHECK_EQ(result(), size);
		/* To the process: any thread may take it. */
		reads();
		usleep(20000);
		kill(getpid(), SIGUSR1);
		CHECK_EQ(result(), size);
		/* While this thread waits. */
		reads();
		CHECK_EQ(pthread_create(&thread, NULL, kills, NULL), 0);
		CHECK_EQ(result(), size);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		/* A poll. */
		io_uring_prep_poll_add(sqe_of(&ring), fd, POLLIN);
		CHECK_EQ(io_uring_submit(&ring), 1);
		usleep(50000);
		raise(SIGUSR1);
		CHECK_EQ(result(), POLLIN);
		CHECK_EQ(read(fd, &info, sizeof(info)), size);
		close(fd);
	}
	io_uring_queue_exit(&ring);
	return 0;
}
