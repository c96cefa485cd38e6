/*
 * A signal handler uses a ring of its own while the thread that it interrupts uses
 * another: NOPs, reads that wait, files by workers, timeouts, vectors, provided buffers,
 * names, and rings that it makes and ends. And it uses the very ring
 * that the thread waits in. The interrupted thread runs the same operations, makes and ends
 * rings, and calls malloc(3), inside which it is interrupted as well: the engine's memory must not come from there.
 * Nothing locks up; every request completes.
 */
#include "engine.h"

#include <signal.h>

static struct io_uring inner, outer;
static volatile long handled;
static int ends[2], file;
static volatile int same_ring;

static void must(int is)
{
	static const char message[] = "a request of a handler failed\n";

	if (!is) {
		(void) !write(2, message, sizeof(message) - 1);
		_exit(1);
	}
}

static int wait_one(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int ret;

	do
		ret = io_uring_wait_cqe(ring, &cqe);
	while (ret == -EINTR);
	must(!ret);
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

static int submits(struct io_uring *ring)
{
	int ret;

	do
		ret = io_uring_submit(ring);
	while (ret == -EINTR);
	return ret;
}

/* One of several operations on a ring. */
static void use(struct io_uring *ring, long round)
{
	struct __kernel_timespec moment = { .tv_nsec = 1000 };
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	static __thread char byte;

	must(sqe != NULL);
	switch (round % 9) {
	case 0:
		io_uring_prep_timeout(sqe, &moment, 0, 0);
		must(submits(ring) == 1);
		must(wait_one(ring) == -ETIME);
		return;
	case 1:
		io_uring_prep_fsync(sqe, file, 0);
		must(submits(ring) == 1);
		must(wait_one(ring) == 0);
		return;
	case 2:
		io_uring_prep_poll_add(sqe, ends[0], POLLIN);
		io_uring_sqe_set_data64(sqe, 1);
		must(submits(ring) == 1);
		sqe = io_uring_get_sqe(ring);
		io_uring_prep_cancel64(sqe, 1, 0);
		must(submits(ring) == 1);
		wait_one(ring);
		wait_one(ring);
		return;
	case 3:
		io_uring_prep_read(sqe, file, &byte, 1, 0);
		sqe->flags |= IOSQE_ASYNC;
		must(submits(ring) == 1);
		must(wait_one(ring) == 1);
		return;
	case 4: {
		/* What waits needs a copy of them. */
		struct iovec vectors[40];
		int at;

		for (at = 0; at < 40; at++)
			vectors[at] = (struct iovec) { &byte, 1 };
		io_uring_prep_readv(sqe, ends[0], vectors, 40, 0);
		io_uring_sqe_set_data64(sqe, 1);
		must(submits(ring) == 1);
		sqe = io_uring_get_sqe(ring);
		io_uring_prep_cancel64(sqe, 1, 0);
		must(submits(ring) == 1);
		wait_one(ring);
		wait_one(ring);
		return;
	}
	case 5: {
		static char memory[64 * 16];

		io_uring_prep_provide_buffers(sqe, memory, 16, 64, (int) (round % 50), 0);
		must(submits(ring) == 1);
		must(wait_one(ring) >= 0);
		sqe = io_uring_get_sqe(ring);
		io_uring_prep_remove_buffers(sqe, 64, (int) (round % 50));
		must(submits(ring) == 1);
		must(wait_one(ring) == 64);
		return;
	}
	case 6: {
		struct statx about;

		io_uring_prep_statx(sqe, AT_FDCWD, "file", 0, STATX_SIZE, &about);
		must(submits(ring) == 1);
		must(wait_one(ring) == 0 && about.stx_size == 4);
		return;
	}
	case 7: {
		/* A ring that comes and goes while another one's lock may be held. */
		struct io_uring other;

		io_uring_prep_nop(sqe);
		must(submits(ring) == 1);
		must(wait_one(ring) == 0);
		must(io_uring_queue_init(4, &other, 0) == 0);
		io_uring_prep_poll_add(io_uring_get_sqe(&other), ends[0], POLLIN);
		must(submits(&other) == 1);
		io_uring_queue_exit(&other);
		return;
	}
	default:
		io_uring_prep_nop(sqe);
		must(submits(ring) == 1);
		must(wait_one(ring) == 0);
	}
}

static void on_signal(int number)
{
	int before = errno;

	(void) number;
	if (same_ring) {
		/* The thread waits: this ends its wait. */
		io_uring_prep_nop(io_uring_get_sqe(&outer));
		must(submits(&outer) == 1);
	} else {
		use(&inner, handled);
	}
	handled++;
	errno = before;
}

static timer_t timer;

static void every(long ns)
{
	struct itimerspec time = { { 0, ns }, { 0, ns } };

	CHECK_EQ(timer_settime(timer, 0, &time, NULL), 0);
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec once = { { 0, 0 }, { 0, 200000 } };
	long round, end;

	enter_folder();
	file = file_with("file", "text", 4);
	CHECK_EQ(pipe(ends), 0);
	engine_init(8, &inner, 0);
	engine_init(64, &outer, 0);
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	every(300000);
	end = now_ms() + 20000;
	for (round = 0; (handled <= 500 || round <= 500) && now_ms() < end; round++)
		use(&outer, round);
	CHECK(handled > 50 && round > 50);

	/* Mostly inside malloc. */
	handled = 0;
	for (round = 0; handled <= 1000 && now_ms() < end; round++) {
		static void *blocks[64];
		int place = (int) (round % 64);

		free(blocks[place]);
		blocks[place] = malloc((size_t) (round * 7919 % 3000) + 1);
		CHECK(blocks[place] != NULL);
	}
	CHECK(handled > 50);

	/* Inside setup and exit. */
	handled = 0;
	for (round = 0; handled <= 200 && now_ms() < end; round++) {
		struct io_uring other;
		int ret;

		do
			ret = io_uring_queue_init(8, &other, 0);
		while (ret == -EINTR);
		CHECK_EQ(ret, 0);
		use(&other, round);
		io_uring_queue_exit(&other);
	}
	every(0);
	CHECK(handled > 20);

	same_ring = 1;
	for (round = 0; round < 500; round++) {
		CHECK_EQ(timer_settime(timer, 0, &once, NULL), 0);
		must(wait_one(&outer) == 0);
	}
	io_uring_queue_exit(&outer);
	io_uring_queue_exit(&inner);
	return 0;
}
