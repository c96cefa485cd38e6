/*
 * The NOP loop in pieces, each a function of its own so that its instructions
 * can be counted apart (callgrind --toggle-collect).
 *
 * Usage: parts PART BATCH ROUNDS
 * PART: submit, submit_and_wait, wait, peek, batch, each. The first two
 * take completions as wait does; the others submit with submit_and_wait.
 */
#include <liburing.h>

#include "bench.h"

#define MOST 1024
#define PIECE __attribute__((noinline))

unsigned long long sum;
struct io_uring_cqe *cqes[MOST];

PIECE int fill(struct io_uring *ring, unsigned batch)
{
	unsigned i;

	for (i = 0; i < batch; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		if (!sqe)
			return -EAGAIN;
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, i);
	}
	return 0;
}

PIECE int take_wait(struct io_uring *ring, unsigned batch)
{
	unsigned long long found = 0;
	unsigned i;

	for (i = 0; i < batch; i++) {
		struct io_uring_cqe *cqe;
		int ret = io_uring_wait_cqe(ring, &cqe);

		if (ret < 0)
			return ret;
		found += io_uring_cqe_get_data64(cqe);
		io_uring_cqe_seen(ring, cqe);
	}
	sum += found;
	return 0;
}

PIECE int take_peek(struct io_uring *ring, unsigned batch)
{
	unsigned long long found = 0;
	unsigned i;

	for (i = 0; i < batch; i++) {
		struct io_uring_cqe *cqe;
		int ret = io_uring_peek_cqe(ring, &cqe);

		if (ret < 0)
			return ret;
		found += io_uring_cqe_get_data64(cqe);
		io_uring_cqe_seen(ring, cqe);
	}
	sum += found;
	return 0;
}

PIECE int take_batch(struct io_uring *ring, unsigned batch)
{
	unsigned count = io_uring_peek_batch_cqe(ring, cqes, batch), i;
	unsigned long long found = 0;

	for (i = 0; i < count; i++)
		found += cqes[i]->user_data;
	io_uring_cq_advance(ring, count);
	sum += found;
	return count == batch ? 0 : -EIO;
}

PIECE int take_each(struct io_uring *ring, unsigned batch)
{
	unsigned long long found = 0;
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;

	io_uring_for_each_cqe(ring, head, cqe) {
		found += cqe->user_data;
		count++;
	}
	io_uring_cq_advance(ring, count);
	sum += found;
	return count == batch ? 0 : -EIO;
}

PIECE int call_submit(struct io_uring *ring)
{
	return io_uring_submit(ring);
}

PIECE int call_submit_and_wait(struct io_uring *ring, unsigned batch)
{
	return io_uring_submit_and_wait(ring, batch);
}

int main(int argc, char **argv)
{
	const char *part = argc > 3 ? argv[1] : "";
	unsigned batch = argc > 3 ? (unsigned) atoi(argv[2]) : 0;
	unsigned long rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 0, round;
	int (*take)(struct io_uring *, unsigned) =
		!strcmp(part, "peek") ? take_peek : !strcmp(part, "batch") ? take_batch :
		!strcmp(part, "each") ? take_each : take_wait;
	struct io_uring ring;
	int ret;

	if (!batch || batch > MOST) {
		fprintf(stderr, "usage: parts PART BATCH ROUNDS, batch at most %d\n", MOST);
		return 2;
	}
	ret = io_uring_queue_init(batch, &ring, 0);
	if (ret < 0)
		return fail_setup(-ret);
	for (round = 0; round < rounds; round++) {
		ret = fill(&ring, batch);
		if (ret < 0)
			return fail("io_uring_get_sqe", -ret);
		ret = strcmp(part, "submit") ? call_submit_and_wait(&ring, batch) : call_submit(&ring);
		if (ret != (int) batch)
			return fail("io_uring_submit", ret < 0 ? -ret : EAGAIN);
		ret = take(&ring, batch);
		if (ret < 0)
			return fail("completions", -ret);
	}
	if (sum != (unsigned long long) batch * (batch - 1) / 2 * rounds)
		return fail("the sum of user_data", EIO);
	io_uring_queue_exit(&ring);
	return 0;
}
