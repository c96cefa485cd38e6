/*
 * One thread waits while others submit (MariaDB), and then several wait at a time:
 * every completion is taken once and nobody sleeps on.
 */
#include "engine.h"

#define SUBMITTERS 3
#define EACH 400

static struct io_uring ring;
static pthread_mutex_t submitting = PTHREAD_MUTEX_INITIALIZER, taking = PTHREAD_MUTEX_INITIALIZER;
static unsigned char seen[SUBMITTERS * EACH];
static unsigned total;
static int file, pipes[SUBMITTERS][2];
static char landing[SUBMITTERS * EACH];

static void *submitter(void *argument)
{
	int me = (int) (long) argument, at;

	for (at = 0; at < EACH; at++) {
		int tag = me * EACH + at;
		struct io_uring_sqe *sqe;

		pthread_mutex_lock(&submitting);
		while (!(sqe = io_uring_get_sqe(&ring)))
			CHECK(io_uring_submit(&ring) >= 0);
		switch (at % 4) {
		case 0:
			io_uring_prep_nop(sqe);
			break;
		case 1:
			io_uring_prep_read(sqe, pipes[me][0], landing + tag, 1, 0);
			break;
		case 2:
			io_uring_prep_read(sqe, file, landing + tag, 1, 0);
			break;
		default:
			io_uring_prep_fsync(sqe, file, 0);
		}
		io_uring_sqe_set_data64(sqe, tag);
		CHECK(io_uring_submit(&ring) >= 0);
		pthread_mutex_unlock(&submitting);
		if (at % 4 == 1)
			CHECK_EQ(write(pipes[me][1], "p", 1), 1);
		if (at % 64 == 0)
			usleep(2000);
	}
	return NULL;
}

static void *waiter(void *unused)
{
	(void) unused;
	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned done;
		int ret = io_uring_enter(ring.ring_fd, 0, 1, IORING_ENTER_GETEVENTS, NULL);

		CHECK(ret == 0 || ret == -EINTR);
		pthread_mutex_lock(&taking);
		while (!io_uring_peek_cqe(&ring, &cqe)) {
			if (cqe->user_data != ~0ULL) {
				CHECK(cqe->user_data < sizeof(seen));
				CHECK(cqe->res >= 0);
				seen[cqe->user_data]++;
				total++;
			}
			io_uring_cqe_seen(&ring, cqe);
		}
		done = total;
		pthread_mutex_unlock(&taking);
		if (done == sizeof(seen)) {
			/* Whoever still waits gets one of its own to leave by. */
			pthread_mutex_lock(&submitting);
			io_uring_prep_nop(sqe_of(&ring));
			ring.sq.sqes[(ring.sq.sqe_tail - 1) & ring.sq.ring_mask].user_data = ~0ULL;
			CHECK_EQ(io_uring_submit(&ring), 1);
			pthread_mutex_unlock(&submitting);
			return NULL;
		}
	}
}

static void with_waiters(int waiters)
{
	pthread_t threads[SUBMITTERS + 8];
	int at, count = 0;

	total = 0;
	memset(seen, 0, sizeof(seen));
	engine_init(16, &ring, 0);
	for (at = 0; at < SUBMITTERS; at++)
		CHECK_EQ(pipe(pipes[at]), 0);
	for (at = 0; at < waiters; at++)
		CHECK_EQ(pthread_create(&threads[count++], NULL, waiter, NULL), 0);
	for (at = 0; at < SUBMITTERS; at++)
		CHECK_EQ(pthread_create(&threads[count++], NULL, submitter, (void *) (long) at), 0);
	while (count--)
		CHECK_EQ(pthread_join(threads[count], NULL), 0);
	for (at = 0; at < (int) sizeof(seen); at++)
		CHECK_EQ(seen[at], 1);
	for (at = 0; at < SUBMITTERS; at++)
		close_both(pipes[at]);
	io_uring_queue_exit(&ring);
}

int main(void)
{
	enter_folder();
	file = file_with("file", "x", 1);
	with_waiters(1);
	with_waiters(4);
	return 0;
}
