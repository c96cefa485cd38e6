/*
 * A write into a broken pipe raises SIGPIPE where the program's own thread makes it, also
 * after a wait, and nowhere where a worker does. pipe(7).
 */
#include "op-helpers.h"

#include <sys/socket.h>

static volatile sig_atomic_t signals;
static struct io_uring ring;

static void on_signal(int number)
{
	(void) number;
	signals++;
}

static int raised(void)
{
	int count = signals;

	signals = 0;
	return count;
}

static void writes(int fd, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_write(sqe, fd, "x", 1, 0);
	mark(sqe, 1, flags);
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	static char page[4096];
	unsigned flags, round;
	int ends[2], results[4];

	CHECK_EQ(sigaction(SIGPIPE, &action, NULL), 0);
	must_init(8, &ring, 0);
	for (round = 0; round < 2; round++) {
		CHECK_EQ(round ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends), 0);
		close(ends[0]);
		writes(ends[1], 0);
		CHECK_EQ(run_one(&ring), -EPIPE);
		CHECK_EQ(raised(), 1);
		writes(ends[1], IOSQE_ASYNC);
		CHECK_EQ(run_one(&ring), -EPIPE);
		CHECK_EQ(raised(), 0);
		/* What follows a worker's request is the worker's. */
		io_uring_prep_nop(sqe_of(&ring));
		mark(ring.sq.sqes + ((ring.sq.sqe_tail - 1) & 7), 2, IOSQE_ASYNC | IOSQE_IO_LINK);
		writes(ends[1], 0);
		run_all(&ring, 2, results);
		CHECK_EQ(results[1], -EPIPE);
		CHECK_EQ(raised(), 0);
		close(ends[1]);
	}
	/* The reader goes away while the write waits. */
	for (flags = 0; flags <= IOSQE_ASYNC; flags += IOSQE_ASYNC) {
		CHECK_EQ(pipe(ends), 0);
		CHECK(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
		CHECK_EQ(write(ends[1], page, 4096), 4096);
		writes(ends[1], flags);
		CHECK_EQ(io_uring_submit(&ring), 1);
		nothing_yet(&ring);
		close(ends[0]);
		usleep(50000);
		CHECK_EQ(take(&ring, NULL, NULL), -EPIPE);
		usleep(10000);
		CHECK_EQ(raised(), flags ? 0 : 1);
		close(ends[1]);
	}
	io_uring_queue_exit(&ring);
	return 0;
}
