/*
 * Who cancels completes before what it cancels, and what it is told: 0, or 1 for a
 * futex wait and for a wait for a child, of which IORING_ASYNC_CANCEL_ALL stops all
 * and counts one. A link timeout that stops such a wait reports the 1 too; one that
 * has started is never a failure, so that with IOSQE_CQE_SKIP_SUCCESS it is silent.
 * Linux 6.7 for futexes and children; observed on 6.18.
 */
#include "trace.h"

#include <poll.h>
#include <sys/wait.h>

enum { FUTEX_U32 = 2, FUTEX_PRIVATE = 128 };

static struct io_uring ring;
static int pipes[2];
static char byte;
static unsigned word = 1;

static void add_read(__u64 tag, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_read(sqe, pipes[0], &byte, 1, 0);
	mark(sqe, tag, flags);
}

static void add_poll(__u64 tag)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_poll_add(sqe, pipes[0], POLLIN);
	mark(sqe, tag, 0);
}

static void add_timeout(__u64 tag, unsigned flags)
{
	static struct __kernel_timespec long_time = { .tv_sec = 50 };
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_timeout(sqe, &long_time, 0, 0);
	mark(sqe, tag, flags);
}

static void add_nop(__u64 tag, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_nop(sqe);
	mark(sqe, tag, flags);
}

static void add_cancel(__u64 tag, __u64 of, int how, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_cancel64(sqe, of, how);
	mark(sqe, tag, flags);
}

static void add_limit(__u64 tag, long ms, unsigned flags)
{
	static struct __kernel_timespec time;
	struct io_uring_sqe *sqe = sqe_of(&ring);

	time.tv_sec = 0;
	time.tv_nsec = ms * 1000000;
	io_uring_prep_link_timeout(sqe, &time, 0);
	mark(sqe, tag, flags);
}

static void add_futex(__u64 tag, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_futex_wait(sqe, &word, 1, 0xffffffff, FUTEX_U32 | FUTEX_PRIVATE, 0);
	mark(sqe, tag, flags);
}

static void add_child(__u64 tag, pid_t child, unsigned flags)
{
	static siginfo_t info;
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_waitid(sqe, P_PID, (id_t) child, &info, WEXITED, 0);
	mark(sqe, tag, flags);
}

static void orders(void)
{
	struct io_uring_sqe *sqe;

	add_read(1, 0);
	add_cancel(2, 1, 0, 0);
	add_nop(3, 0);
	SUBMIT(&ring, 3, "2:0 3:0 1:-125");
	/* What waits for a file is found until it ends. */
	add_read(1, 0);
	add_cancel(2, 1, 0, 0);
	add_cancel(3, 1, 0, 0);
	SUBMIT(&ring, 3, "2:0 3:0 1:-125");
	add_read(1, 0);
	SUBMIT(&ring, 1, "");
	add_cancel(2, 1, 0, 0);
	add_nop(3, 0);
	SUBMIT(&ring, 2, "2:0 3:0 1:-125");
	add_read(1, 0);
	add_read(1, 0);
	add_cancel(2, 1, IORING_ASYNC_CANCEL_ALL, 0);
	SUBMIT(&ring, 3, "2:2 1:-125 1:-125");
	add_read(1, IOSQE_IO_LINK);
	add_nop(4, 0);
	add_cancel(2, 1, 0, 0);
	add_nop(3, 0);
	SUBMIT(&ring, 4, "2:0 3:0 1:-125 4:-125");
	/* What is cancelled ends before what the canceller's chain goes on with. */
	add_read(1, 0);
	add_nop(5, IOSQE_IO_LINK);
	add_cancel(2, 1, 0, IOSQE_IO_LINK);
	add_nop(3, 0);
	add_nop(4, 0);
	SUBMIT(&ring, 5, "5:0 4:0 2:0 1:-125 3:0");
	add_poll(1);
	sqe = sqe_of(&ring);
	io_uring_prep_poll_remove(sqe, 1);
	mark(sqe, 2, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_poll_remove(sqe, 1);
	mark(sqe, 3, 0);
	SUBMIT(&ring, 3, "2:0 3:-2 1:-125");
	add_timeout(1, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_timeout_remove(sqe, 1, 0);
	mark(sqe, 2, 0);
	add_cancel(3, 1, 0, 0);
	SUBMIT(&ring, 3, "2:0 3:-2 1:-125");
}

static void limits(void)
{
	add_read(1, IOSQE_IO_LINK);
	add_limit(2, 20, 0);
	SUBMIT(&ring, 2, "2:-62 1:-125");
	add_read(1, IOSQE_IO_LINK);
	add_limit(2, 20, IOSQE_IO_LINK);
	add_nop(3, 0);
	SUBMIT(&ring, 3, "2:-62 1:-125 3:-125");
	add_timeout(1, IOSQE_IO_LINK);
	add_limit(2, 20, 0);
	SUBMIT(&ring, 2, "2:-62 1:-125");
	add_read(1, IOSQE_IO_LINK);
	add_limit(2, 20, IOSQE_CQE_SKIP_SUCCESS);
	SUBMIT(&ring, 2, "1:-125");
	EXPECT(&ring, "");
	add_read(1, IOSQE_IO_LINK);
	add_limit(2, 20000, 0);
	SUBMIT(&ring, 2, "");
	add_cancel(3, 1, 0, 0);
	SUBMIT(&ring, 1, "3:0 1:-125 2:-125");
	add_read(1, IOSQE_IO_LINK);
	add_limit(2, 20000, IOSQE_CQE_SKIP_SUCCESS);
	SUBMIT(&ring, 2, "");
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	EXPECT(&ring, "1:1");
	EXPECT(&ring, "");
}

static void counted(void)
{
	struct io_uring_sync_cancel_reg now = { .addr = 1 };
	pid_t child = fork();

	if (!child) {
		pause();
		_exit(0);
	}
	CHECK(child > 0);
	add_futex(1, 0);
	add_cancel(2, 1, 0, 0);
	add_cancel(3, 1, 0, 0);
	SUBMIT(&ring, 3, "2:1 3:-2 1:-125");
	add_futex(1, 0);
	add_futex(1, 0);
	add_futex(1, 0);
	add_cancel(2, 1, IORING_ASYNC_CANCEL_ALL, 0);
	SUBMIT(&ring, 4, "2:1 1:-125 1:-125 1:-125");
	add_futex(1, 0);
	add_futex(1, 0);
	add_cancel(2, 1, IORING_ASYNC_CANCEL_ANY, 0);
	SUBMIT(&ring, 3, "2:2 1:-125 1:-125");
	add_futex(1, IOSQE_IO_LINK);
	add_limit(2, 20, 0);
	SUBMIT(&ring, 2, "2:1 1:-125");
	add_child(1, child, 0);
	add_cancel(2, 1, 0, 0);
	SUBMIT(&ring, 2, "2:1 1:-125");
	add_child(1, child, IOSQE_IO_LINK);
	add_limit(2, 20, 0);
	SUBMIT(&ring, 2, "2:1 1:-125");
	now.timeout.tv_sec = now.timeout.tv_nsec = -1;
	add_child(1, child, 0);
	SUBMIT(&ring, 1, "");
	CHECK_EQ(io_uring_register_sync_cancel(&ring, &now), 1);
	EXPECT(&ring, "1:-125");
	add_futex(1, 0);
	SUBMIT(&ring, 1, "");
	CHECK_EQ(io_uring_register_sync_cancel(&ring, &now), 1);
	EXPECT(&ring, "1:-125");
	now.flags = IORING_ASYNC_CANCEL_ALL;
	add_futex(1, 0);
	add_futex(1, 0);
	add_read(1, 0);
	SUBMIT(&ring, 3, "");
	CHECK_EQ(io_uring_register_sync_cancel(&ring, &now), 2);
	EXPECT(&ring, "1:-125 1:-125 1:-125");
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, NULL, 0), child);
}

int main(void)
{
	need_op(IORING_OP_FUTEX_WAIT, "FUTEX_WAIT");
	CHECK_EQ(pipe(pipes), 0);
	must_init(16, &ring, 0);
	orders();
	limits();
	counted();
	RESULT("in order");
	io_uring_queue_exit(&ring);
	close_both(pipes);
	return 0;
}
