/*
 * NOPs in batches: the library's own cost, since the kernel does nothing.
 *
 * Usage: nop BATCH ROUNDS [HOW]
 * HOW says how completions are taken: bare (default, wait_cqe and cqe_seen for
 * each and nothing else), one (the same, looking at the result and the user_data),
 * batch (peek_batch_cqe and advance) or each (for_each_cqe and advance).
 *
 * Compiled with -DONLY=BARE (and so on) the program has no other way in it: how
 * often a function is called decides whether compilers inline it.
 */
#include <liburing.h>

#include "bench.h"

#define MOST 1024

enum how { BARE, ONE, BATCH, EACH, UNKNOWN };

#ifdef ONLY
#define CHOOSE(name) ((void) (name), ONLY)
#else
#define CHOOSE(name) choose(name)

static enum how choose(const char *name)
{
	static const char *const names[] = { "bare", "one", "batch", "each" };
	int how = BARE;

	while (how < UNKNOWN && strcmp(name, names[how]))
		how++;
	return (enum how) how;
}
#endif

int main(int argc, char **argv)
{
	unsigned batch = argc > 1 ? (unsigned) atoi(argv[1]) : 32, i;
	unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000, round;
	const enum how how = CHOOSE(argc > 3 ? argv[3] : "bare");
	unsigned long long sum = 0, want, started;
	struct io_uring_cqe *cqes[MOST];
	struct io_uring ring;
	int ret;

	if (!batch || batch > MOST || how == UNKNOWN) {
		fprintf(stderr, "usage: nop BATCH ROUNDS [bare|one|batch|each], batch at most %d\n", MOST);
		return 2;
	}
	ret = io_uring_queue_init(batch, &ring, 0);
	if (ret < 0)
		return fail_setup(-ret);
	started = now_ns();
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < batch; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			if (!sqe)
				return fail("io_uring_get_sqe", EAGAIN);
			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data64(sqe, i);
		}
		ret = io_uring_submit_and_wait(&ring, batch);
		if (ret != (int) batch)
			return fail("io_uring_submit_and_wait", ret < 0 ? -ret : EAGAIN);
		if (how == BARE) {
			for (i = 0; i < batch; i++) {
				struct io_uring_cqe *cqe;

				ret = io_uring_wait_cqe(&ring, &cqe);
				if (ret < 0)
					return fail("io_uring_wait_cqe", -ret);
				io_uring_cqe_seen(&ring, cqe);
			}
		} else if (how == ONE) {
			for (i = 0; i < batch; i++) {
				struct io_uring_cqe *cqe;

				ret = io_uring_wait_cqe(&ring, &cqe);
				if (ret < 0)
					return fail("io_uring_wait_cqe", -ret);
				if (cqe->res)
					return fail("nop", -cqe->res);
				sum += io_uring_cqe_get_data64(cqe);
				io_uring_cqe_seen(&ring, cqe);
			}
		} else if (how == BATCH) {
			unsigned count = io_uring_peek_batch_cqe(&ring, cqes, batch);

			for (i = 0; i < count; i++)
				sum += cqes[i]->user_data;
			io_uring_cq_advance(&ring, count);
		} else {
			struct io_uring_cqe *cqe;
			unsigned head, count = 0;

			io_uring_for_each_cqe(&ring, head, cqe) {
				sum += cqe->user_data;
				count++;
			}
			io_uring_cq_advance(&ring, count);
		}
	}
	report(started);
	want = how != BARE ? (unsigned long long) batch * (batch - 1) / 2 * rounds : 0;
	if (sum != want)
		return fail("the sum of user_data", EIO);
	if (io_uring_cq_ready(&ring) || io_uring_sq_ready(&ring))
		return fail("entries are left", EIO);
	io_uring_queue_exit(&ring);
	return 0;
}
