/*
 * What ends a wait in io_uring_enter(2) before its completions are there. A timeout
 * request that fires, or ends by its count; not one that limits a link. While a
 * minimum wait runs the other timeout does not count; at its end whatever came is
 * enough, otherwise the next completion; without another timeout the wait ends with
 * ETIME then. The two parts of a time are added up, whatever they are. Linux 5.11,
 * minimum waits 6.12; observed on 6.18.
 */
#include "trace.h"

#include <pthread.h>

static struct io_uring ring;
static int pipes[2];
static char bytes[4];
/* Milliseconds after which bytes are written; negative: none. */
static long writes[2];

static struct __kernel_timespec of_ms(long ms)
{
	struct __kernel_timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	return time;
}

static void *write_later(void *unused)
{
	long start = now_ms();
	int i;

	for (i = 0; i < 2 && writes[i] >= 0; i++) {
		long left = start + writes[i] - now_ms();

		if (left > 0)
			usleep((useconds_t) left * 1000);
		CHECK_EQ(write(pipes[1], "x", 1), 1);
	}
	return unused;
}

/* Waits for that many; a wait that should end after `ms` takes that long at least and,
 * since machines are busy, less than another second. */
static int wait_for(unsigned count, unsigned min_ms, long general_ms, long ms)
{
	struct __kernel_timespec general = of_ms(general_ms);
	struct io_uring_getevents_arg arg = { .sigmask_sz = 8, .min_wait_usec = min_ms * 1000 };
	long start = now_ms(), took;
	int ret;

	arg.ts = general_ms < 0 ? 0 : (__u64) (uintptr_t) &general;
	ret = io_uring_enter2(ring.ring_fd, 0, count, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
			      (sigset_t *) &arg, sizeof(arg));
	took = now_ms() - start;
	if (took < ms - 2 || took > ms + 1000) {
		fprintf(stderr, "took %ld ms instead of %ld\n", took, ms);
		exit(1);
	}
	return ret;
}

static void add_timeout(__u64 tag, struct __kernel_timespec *time, unsigned count, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_timeout(sqe, time, count, flags);
	mark(sqe, tag, 0);
}

static void add_read(__u64 tag, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_read(sqe, pipes[0], bytes, 1, 0);
	mark(sqe, tag, flags);
}

static void timeouts(unsigned setup)
{
	struct __kernel_timespec soon = of_ms(50), never = of_ms(30000);
	struct io_uring_sqe *sqe;
	pthread_t writer;

	must_init(16, &ring, setup);
	add_timeout(1, &soon, 0, 0);
	CHECK_EQ(io_uring_submit_and_wait(&ring, 4), 1);
	EXPECT(&ring, "1:-62");
	/* Each time one that repeats fires. */
	add_timeout(1, &soon, 2, IORING_TIMEOUT_MULTISHOT);
	CHECK_EQ(io_uring_submit_and_wait(&ring, 4), 1);
	EXPECT(&ring, "1:-62/2");
	CHECK_EQ(wait_for(4, 0, -1, 0), 0);
	EXPECT(&ring, "1:-62");
	/* One that ends with another's completion, which waits in this one. */
	if (!setup) {
		add_timeout(1, &never, 1, 0);
		add_read(2, 0);
		CHECK_EQ(io_uring_submit(&ring), 2);
		writes[0] = 50;
		writes[1] = -1;
		CHECK_EQ(pthread_create(&writer, NULL, write_later, NULL), 0);
		CHECK_EQ(wait_for(4, 0, -1, 40), 0);
		EXPECT(&ring, "2:1 1:0");
		pthread_join(writer, NULL);
	}
	/* One that ended before the wait does not end it. */
	add_timeout(1, &never, 1, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_nop(sqe);
	mark(sqe, 2, 0);
	soon = of_ms(100);
	add_timeout(3, &soon, 0, 0);
	CHECK_EQ(io_uring_submit_and_wait(&ring, 8), 3);
	EXPECT(&ring, "2:0 1:0 3:-62");
	soon = of_ms(10);
	add_timeout(1, &soon, 0, 0);
	soon = of_ms(10);
	CHECK_EQ(io_uring_submit(&ring), 1);
	usleep(100000);
	soon = of_ms(100);
	add_timeout(2, &soon, 0, 0);
	CHECK_EQ(io_uring_submit_and_wait(&ring, 8), 1);
	EXPECT(&ring, "1:-62 2:-62");
	/* One that limits a link does not end a wait either. */
	add_read(1, IOSQE_IO_LINK);
	soon = of_ms(20);
	sqe = sqe_of(&ring);
	io_uring_prep_link_timeout(sqe, &soon, 0);
	mark(sqe, 2, 0);
	never = of_ms(150);
	add_timeout(3, &never, 0, 0);
	CHECK_EQ(io_uring_submit_and_wait(&ring, 8), 3);
	EXPECT(&ring, "2:-62 1:-125 3:-62");
	io_uring_queue_exit(&ring);
}

/* Two reads, two bytes that come then, and a wait for `count` that ends after `ms`. */
static void minimum(long first, long second, unsigned count, unsigned min_ms, long general_ms,
		    long ms, int ret, const char *completions)
{
	pthread_t writer;
	char text[64];

	add_read(1, 0);
	add_read(2, 0);
	CHECK_EQ(io_uring_submit(&ring), 2);
	writes[0] = first;
	writes[1] = second;
	CHECK_EQ(pthread_create(&writer, NULL, write_later, NULL), 0);
	CHECK_EQ(wait_for(count, min_ms, general_ms, ms), ret);
	CHECK_EQ(pthread_join(writer, NULL), 0);
	trace(&ring, text, sizeof(text));
	/* Which of the reads gets a byte is not what this is about. */
	CHECK_EQ(strlen(text), strlen(completions));
	io_uring_prep_cancel64(sqe_of(&ring), 0, IORING_ASYNC_CANCEL_ANY);
	CHECK_EQ(io_uring_submit(&ring), 1);
	usleep(20000);
	io_uring_get_events(&ring);
	trace(&ring, text, sizeof(text));
}

static void minimums(unsigned setup)
{
	must_init(16, &ring, setup);
	if (!(ring.features & IORING_FEAT_MIN_TIMEOUT)) {
		io_uring_queue_exit(&ring);
		return;
	}
	minimum(-1, -1, 2, 100, 50, 100, -ETIME, "");
	minimum(-1, -1, 2, 100, -1, 100, -ETIME, "");
	minimum(-1, -1, 2, 100, 300, 300, -ETIME, "");
	minimum(40, -1, 2, 150, -1, 150, 0, "1:1");
	minimum(40, -1, 2, 150, 50, 150, 0, "1:1");
	minimum(40, -1, 2, 150, 30000, 150, 0, "1:1");
	minimum(300, -1, 2, 100, 30000, 295, 0, "1:1");
	minimum(0, 20, 2, 10000, 30000, 0, 0, "1:1 1:1");
	/* What was there before counts as well. */
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(wait_for(3, 50, 30000, 50), 0);
	EXPECT(&ring, "0:0");
	io_uring_queue_exit(&ring);
}

static void times(void)
{
	static const struct {
		long long seconds, nanos;
		long ms;
	} all[] = {
		{ 0, 1100000000, 1100 }, { -1, 1100000000, 100 }, { 1, -900000000, 100 },
		{ -1, 0, 0 }, { 0, -5, 0 }, { -2, 1000000000, 0 },
	};
	struct io_uring_sync_cancel_reg reg;
	struct io_uring_cqe *cqe;
	size_t i;

	must_init(4, &ring, 0);
	if (!(ring.features & IORING_FEAT_EXT_ARG)) {
		io_uring_queue_exit(&ring);
		return;
	}
	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct __kernel_timespec time = { .tv_sec = all[i].seconds, .tv_nsec = all[i].nanos };
		long start = now_ms(), took;

		CHECK_EQ(io_uring_wait_cqe_timeout(&ring, &cqe, &time), -ETIME);
		took = now_ms() - start;
		CHECK(took >= all[i].ms - 2 && took < all[i].ms + 1000);
		memset(&reg, 0, sizeof(reg));
		reg.addr = 77;
		reg.timeout = time;
		CHECK_EQ(io_uring_register_sync_cancel(&ring, &reg), -ENOENT);
	}
	io_uring_queue_exit(&ring);
}

int main(void)
{
	CHECK_EQ(pipe(pipes), 0);
	timeouts(0);
	timeouts(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	minimums(0);
	minimums(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	times();
	RESULT("ended in time");
	close_both(pipes);
	return 0;
}
