/*
 * Timeouts, link timeouts and cancellation, and what each of them reports.
 *
 * Usage: timeouts        Linux 5.19 (cancelling by file)
 */
#include <liburing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum tag { TIMER = 1, COUNTED, NOP, READ, LIMIT, CANCEL };

static struct io_uring ring;

static void die(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(1);
}

static struct io_uring_sqe *tagged(struct io_uring_sqe *sqe, enum tag tag)
{
	io_uring_sqe_set_data64(sqe, (__u64) tag);
	return sqe;
}

/* Submits and takes that many completions; results by tag. */
static void run(int count, int *results)
{
	int ret;

	while (count--) {
		struct io_uring_cqe *cqe;

		/* Submits what is left, too; a signal may end the wait. */
		do
			ret = io_uring_submit_and_wait(&ring, 1);
		while (ret == -EINTR || ret == -EAGAIN || (ret >= 0 && io_uring_sq_ready(&ring)));
		if (ret < 0)
			die("io_uring_submit_and_wait", -ret);
		ret = io_uring_peek_cqe(&ring, &cqe);
		if (ret == -EAGAIN) {
			count++;
			continue;
		}
		results[io_uring_cqe_get_data64(cqe)] = cqe->res;
		io_uring_cqe_seen(&ring, cqe);
	}
}

static void expect(const char *what, int got, int want)
{
	printf("%-46s %s\n", what, got < 0 ? strerror(-got) : "done");
	if (got != want) {
		fprintf(stderr, "%s: %d, not %d\n", what, got, want);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct __kernel_timespec soon, never;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int pipes[2], results[8] = { 0 }, ret;
	char buffer[16];

	if (argc != 1) {
		fprintf(stderr, "usage: %s\n", argv[0]);
		return 2;
	}
	memset(&soon, 0, sizeof(soon));
	memset(&never, 0, sizeof(never));
	soon.tv_nsec = 20 * 1000 * 1000;
	never.tv_sec = 3600;
	if (pipe(pipes) < 0)
		die("pipe", errno);
	ret = io_uring_queue_init(8, &ring, 0);
	if (ret < 0)
		die("io_uring_queue_init", -ret);

	/* Expires. */
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_timeout(tagged(sqe, TIMER), &soon, 0, 0);
	run(1, results);
	expect("a timer of 20 ms", results[TIMER], -ETIME);

	/* Ends early, when one other request has completed. */
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_timeout(tagged(sqe, COUNTED), &never, 1, 0);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_nop(tagged(sqe, NOP));
	run(2, results);
	expect("an hour, or one completion", results[COUNTED], 0);

	/* A read that waits for ever, given 20 ms. */
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read(tagged(sqe, READ), pipes[0], buffer, sizeof(buffer), 0);
	io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_link_timeout(tagged(sqe, LIMIT), &soon, 0);
	run(2, results);
	expect("a read of an empty pipe with a link timeout", results[READ], -ECANCELED);
	expect("its link timeout", results[LIMIT], -ETIME);

	/* The same, cancelled by its tag, then by its file. */
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read(tagged(sqe, READ), pipes[0], buffer, sizeof(buffer), 0);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_cancel64(tagged(sqe, CANCEL), READ, 0);
	run(2, results);
	expect("a read cancelled by its tag", results[READ], -ECANCELED);
	expect("the cancellation", results[CANCEL], 0);

	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read(tagged(sqe, READ), pipes[0], buffer, sizeof(buffer), 0);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_cancel_fd(tagged(sqe, CANCEL), pipes[0], 0);
	run(2, results);
	expect("a read cancelled by its file", results[READ], -ECANCELED);

	/* Nothing to cancel. */
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_cancel64(tagged(sqe, CANCEL), 999, 0);
	run(1, results);
	expect("cancelling what is not there", results[CANCEL], -ENOENT);

	/* A wait with a timeout needs no request at all. */
	do
		ret = io_uring_wait_cqe_timeout(&ring, &cqe, &soon);
	while (ret == -EINTR);
	expect("waiting 20 ms for nothing", ret, -ETIME);

	io_uring_queue_exit(&ring);
	close(pipes[0]);
	close(pipes[1]);
	printf("operations=11\n");
	return 0;
}
