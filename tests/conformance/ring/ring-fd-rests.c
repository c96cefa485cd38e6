/*
 * The ring fd stops to be readable soon after its completions were taken without a
 * call, whatever else the ring does: nothing; a request waits for long; a thread waits
 * in io_uring_enter(2) for more than there is. A level-triggered loop would go round
 * for ever otherwise. The kernel's is not readable at once.
 */
#include "trace.h"

#include <poll.h>
#include <pthread.h>

static struct io_uring ring;
static int pipes[2];

static int readable(int ms)
{
	struct pollfd entry = { .fd = ring.ring_fd, .events = POLLIN };

	return poll(&entry, 1, ms) == 1 && entry.revents & POLLIN;
}

/* A NOP that another part of the program takes by the inline functions alone. */
static void completes_and_rests(int wait_ms)
{
	char text[64];
	long until;

	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK(readable(5000));
	usleep((useconds_t) wait_ms * 1000);
	CHECK(readable(0));
	trace(&ring, text, sizeof(text));
	CHECK(!strcmp(text, "0:0"));
	until = now_ms() + 1000;
	while (readable(0)) {
		CHECK(now_ms() < until);
		usleep(200);
	}
	CHECK(!readable(20));
}

static void rounds(void)
{
	completes_and_rests(0);
	completes_and_rests(30);
	completes_and_rests(0);
	usleep(60000);
	completes_and_rests(0);
	completes_and_rests(200);
}

static void *wait_long(void *unused)
{
	CHECK_EQ(io_uring_enter(ring.ring_fd, 0, 8, IORING_ENTER_GETEVENTS, NULL), 0);
	return unused;
}

int main(void)
{
	static const unsigned setups[] = { 0, IORING_SETUP_COOP_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };
	pthread_t waiter;
	char byte[1];
	size_t i;

	CHECK_EQ(pipe(pipes), 0);
	for (i = 0; i < sizeof(setups) / sizeof(*setups); i++) {
		must_init(16, &ring, setups[i]);
		rounds();
		/* A request that waits for long, of which the driver knows since a while. */
		io_uring_prep_read(sqe_of(&ring), pipes[0], byte, 1, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		usleep(100000);
		CHECK(!readable(0));
		rounds();
		if (!(setups[i] & IORING_SETUP_SINGLE_ISSUER)) {
			struct __kernel_timespec end = { .tv_sec = 2 };

			CHECK_EQ(pthread_create(&waiter, NULL, wait_long, NULL), 0);
			usleep(100000);
			rounds();
			io_uring_prep_timeout(sqe_of(&ring), &end, 0, 0);
			CHECK_EQ(io_uring_submit(&ring), 1);
			rounds();
			CHECK_EQ(pthread_join(waiter, NULL), 0);
		}
		io_uring_queue_exit(&ring);
	}
	RESULT("rests");
	close_both(pipes);
	return 0;
}
