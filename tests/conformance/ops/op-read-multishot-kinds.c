/*
 * A multishot read works on what can be polled (terminals, FIFOs, inotify, records),
 * whether or not the file knows "do not wait", and fails with EBADFD on what cannot:
 * urandom, regular files, directories. Linux 6.7; io_uring_prep_read_multishot(3).
 */
#include "op-helpers.h"

#include <pty.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

static struct io_uring ring;
static struct pool pool;

static void start(int fd, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_read_multishot(sqe, fd, 0, 0, pool.group);
	mark(sqe, 1, flags);
	CHECK_EQ(io_uring_submit(&ring), 1);
}

static int refused(int fd)
{
	CHECK(fd >= 0);
	start(fd, 0);
	return take(&ring, NULL, NULL);
}

/* Bytes that are there when it starts, and more that come later. */
static void reads(const char *name, int fd, int other, const char *text)
{
	int round, length = (int) strlen(text);

	CHECK(fd >= 0);
	CHECK_EQ(write(other, text, length), length);
	start(fd, 0);
	for (round = 0; round < 3; round++) {
		unsigned flags;

		CHECK_EQ(take(&ring, NULL, &flags), length);
		CHECK(flags & IORING_CQE_F_MORE);
		CHECK(!memcmp(pool_at(&pool, flags), text, length));
		pool_give(&pool, pool_bid(flags));
		nothing_yet(&ring);
		if (round < 2)
			CHECK_EQ(write(other, text, length), length);
	}
	io_uring_prep_cancel64(sqe_of(&ring), 1, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	take(&ring, NULL, NULL);
	take(&ring, NULL, NULL);
	RESULT("%s", name);
}

int main(void)
{
	int master, terminal, fifo, notify;
	unsigned flags;

	need_op(IORING_OP_READ_MULTISHOT, "READ_MULTISHOT");
	enter_folder();
	must_init(8, &ring, 0);
	pool_make(&ring, &pool, 4, 64, 3);
	CHECK_EQ(openpty(&master, &terminal, NULL, NULL, NULL), 0);
	reads("terminal", terminal, master, "line\n");
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	fifo = open("fifo", O_RDWR);
	reads("fifo", fifo, fifo, "abc");
	fifo = open("fifo", O_RDWR | O_NONBLOCK);
	reads("fifo, nonblocking", fifo, fifo, "abc");
	/* Nonblocking: the kernel does not come back to one that is not. */
	notify = inotify_init1(IN_NONBLOCK);
	CHECK(inotify_add_watch(notify, ".", IN_CREATE) >= 0);
	start(notify, 0);
	nothing_yet(&ring);
	close(open("new", O_CREAT | O_WRONLY, 0600));
	CHECK(take(&ring, NULL, &flags) > 0);
	CHECK(flags & IORING_CQE_F_MORE);
	pool_give(&pool, pool_bid(flags));
	io_uring_prep_cancel64(sqe_of(&ring), 1, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	take(&ring, NULL, NULL);
	take(&ring, NULL, NULL);
	CHECK_EQ(refused(open("/dev/urandom", O_RDONLY)), -EBADFD);
	CHECK_EQ(refused(open("/dev/null", O_RDONLY)), -EBADFD);
	CHECK_EQ(refused(open("/dev/zero", O_RDONLY)), -EBADFD);
	CHECK_EQ(refused(open(".", O_RDONLY)), -EBADFD);
	CHECK_EQ(refused(open("new", O_RDONLY)), -EBADFD);
	CHECK_EQ(refused(open("/proc/self/status", O_RDONLY)), -EBADFD);
	start(999, 0);
	CHECK_EQ(take(&ring, NULL, NULL), -EBADF);
	pool_drop(&ring, &pool);
	io_uring_queue_exit(&ring);
	return 0;
}
