/*
 * Drains and chains: a chain that drains anywhere waits as a whole, and what comes
 * after it waits until the whole chain is done.
 */
#include "op-helpers.h"

static struct io_uring ring;
static int one[2], two[2];
static char bytes[8];

static void nop(__u64 tag, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_nop(sqe);
	mark(sqe, tag, flags);
}

static void reads(__u64 tag, unsigned flags, const int ends[2])
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_read(sqe, ends[0], bytes + tag, 1, 0);
	mark(sqe, tag, flags);
}

static void submits(int count)
{
	CHECK_EQ(io_uring_submit(&ring), count);
}

/* Lets a read go on; then exactly these complete, in this order. */
static void gives(const int ends[2], const char *tags)
{
	CHECK_EQ(write(ends[1], "x", 1), 1);
	for (; *tags; tags++) {
		__u64 tag;

		CHECK(take(&ring, &tag, NULL) >= 0);
		CHECK_EQ(tag, *tags - '0');
	}
	nothing_yet(&ring);
}

int main(void)
{
	need_io_uring();
	must_init(16, &ring, 0);
	CHECK_EQ(pipe(one), 0);
	CHECK_EQ(pipe(two), 0);

	/* The drain stands in the middle of a chain: the chain's head waits already. */
	reads(1, 0, one);
	nop(2, IOSQE_IO_LINK);
	nop(3, IOSQE_IO_DRAIN);
	nop(4, 0);
	submits(4);
	nothing_yet(&ring);
	gives(one, "1234");

	/* The chain's end is what the next one waits for. */
	reads(1, 0, one);
	nop(2, IOSQE_IO_LINK);
	reads(3, IOSQE_IO_DRAIN, two);
	nop(4, 0);
	submits(4);
	nothing_yet(&ring);
	gives(one, "12");
	gives(two, "34");

	/* A drain waits for all of a chain that has only begun. */
	nop(1, IOSQE_IO_LINK);
	reads(2, 0, one);
	nop(3, IOSQE_IO_DRAIN);
	submits(3);
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	nothing_yet(&ring);
	gives(one, "23");

	/* A drained chain that fails lets the rest go. */
	reads(1, 0, one);
	{
		struct io_uring_sqe *sqe = sqe_of(&ring);

		io_uring_prep_read(sqe, -1, bytes, 1, 0);
		mark(sqe, 2, IOSQE_IO_DRAIN | IOSQE_IO_LINK);
	}
	nop(3, 0);
	nop(4, 0);
	submits(4);
	nothing_yet(&ring);
	CHECK_EQ(write(one[1], "x", 1), 1);
	{
		int results[5] = { 0 };

		collect(&ring, 4, results);
		CHECK_EQ(results[1], 1);
		CHECK_EQ(results[2], -EBADF);
		CHECK_EQ(results[3], -ECANCELED);
		CHECK_EQ(results[4], 0);
	}
	close_both(one);
	close_both(two);
	io_uring_queue_exit(&ring);
	return 0;
}
