/*
 * A read with less room than the file's records have bytes fails at once, also while
 * there is nothing to read: eventfd, timerfd, signalfd. What knows no records (inotify)
 * or cannot be read at all (an epoll) is waited for. eventfd(2), timerfd_create(2),
 * signalfd(2).
 */
#include "op-helpers.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static struct io_uring ring;

static void read_with(int fd, void *to, unsigned size, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_read(sqe, fd, to, size, 0);
	mark(sqe, 1, flags);
	CHECK_EQ(io_uring_submit(&ring), 1);
}

/* What a system call says of it: files of older kernels are waited for first. */
static int knows_nowait(int fd)
{
	char byte;
	struct iovec vector = { &byte, 1 };

	return preadv2(fd, &vector, 1, -1, RWF_NOWAIT) == -1 && errno == EINVAL;
}

static void short_reads(int fd, unsigned record)
{
	char room[256];
	const unsigned sizes[] = { 0, 1, record / 2, record - 1 };
	unsigned at, flags;

	if (!knows_nowait(fd)) {
		printf("skip: this kernel waits before it reads such files\n");
		return;
	}
	for (at = 0; at < 4; at++)
		for (flags = 0; flags <= IOSQE_ASYNC; flags += IOSQE_ASYNC) {
			struct iovec vector = { room, sizes[at] };
			struct io_uring_sqe *sqe;

			read_with(fd, room, sizes[at], flags);
			CHECK_EQ(take(&ring, NULL, NULL), -EINVAL);
			sqe = sqe_of(&ring);
			io_uring_prep_readv(sqe, fd, &vector, 1, 0);
			mark(sqe, 1, flags);
			CHECK_EQ(run_one(&ring), -EINVAL);
		}
	/* One with room for a record waits. */
	read_with(fd, room, record, 0);
	nothing_yet(&ring);
	io_uring_prep_cancel64(sqe_of(&ring), 1, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	take(&ring, NULL, NULL);
	take(&ring, NULL, NULL);
}

static void waits(int fd, unsigned size)
{
	char room[8];
	unsigned flags;

	for (flags = 0; flags <= IOSQE_ASYNC; flags += IOSQE_ASYNC) {
		struct io_uring_sqe *sqe;

		read_with(fd, room, size, flags);
		nothing_yet(&ring);
		sqe = sqe_of(&ring);
		io_uring_prep_cancel64(sqe, 1, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		take(&ring, NULL, NULL);
		take(&ring, NULL, NULL);
	}
}

int main(void)
{
	sigset_t set;

	must_init(8, &ring, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	short_reads(eventfd(0, 0), 8);
	short_reads(eventfd(0, EFD_NONBLOCK), 8);
	short_reads(timerfd_create(CLOCK_MONOTONIC, 0), 8);
	short_reads(signalfd(-1, &set, 0), sizeof(struct signalfd_siginfo));
	waits(inotify_init1(0), 0);
	waits(inotify_init1(0), 1);
	waits(epoll_create1(0), 8);
	io_uring_queue_exit(&ring);
	return 0;
}
