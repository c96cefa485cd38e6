/*
 * NOPs in batches: the library's own cost, since the kernel does nothing.
 *
 * Usage: nop BATCH ROUNDS [PART]
 * PART says how completions are taken: one (default, wait_cqe and cqe_seen for
 * each), batch (peek_batch and advance) or each (for_each_cqe and advance).
 */
#include <liburing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-error));
	return 1;
}

int main(int argc, char **argv)
{
	unsigned batch = argc > 1 ? (unsigned) atoi(argv[1]) : 32, i;
	unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000, round;
	const char *part = argc > 3 ? argv[3] : "one";
	unsigned long long sum = 0, want;
	struct io_uring_cqe *cqes[1024];
	struct io_uring ring;
	int ret, mode = !strcmp(part, "batch") ? 1 : !strcmp(part, "each") ? 2 : 0;

	if (!batch || batch > 1024)
		return 2;
	ret = io_uring_queue_init(batch, &ring, 0);
	if (ret < 0)
		return fail("io_uring_queue_init", ret);
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < batch; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			if (!sqe)
				return fail("io_uring_get_sqe", -EAGAIN);
			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data64(sqe, i);
		}
		ret = io_uring_submit_and_wait(&ring, batch);
		if (ret != (int) batch)
			return fail("io_uring_submit_and_wait", ret < 0 ? ret : -EAGAIN);
		if (mode == 1) {
			unsigned count = io_uring_peek_batch_cqe(&ring, cqes, batch);

			for (i = 0; i < count; i++)
				sum += cqes[i]->user_data;
			io_uring_cq_advance(&ring, count);
		} else if (mode == 2) {
			struct io_uring_cqe *cqe;
			unsigned head, count = 0;

			io_uring_for_each_cqe(&ring, head, cqe) {
				sum += cqe->user_data;
				count++;
			}
			io_uring_cq_advance(&ring, count);
		} else {
			for (i = 0; i < batch; i++) {
				struct io_uring_cqe *cqe;

				ret = io_uring_wait_cqe(&ring, &cqe);
				if (ret < 0)
					return fail("io_uring_wait_cqe", ret);
				if (cqe->res)
					return fail("nop", cqe->res);
				sum += io_uring_cqe_get_data64(cqe);
				io_uring_cqe_seen(&ring, cqe);
			}
		}
	}
	want = (unsigned long long) batch * (batch - 1) / 2 * rounds;
	if (sum != want)
		return fail("completions were lost", -EIO);
	io_uring_queue_exit(&ring);
	return 0;
}
