/*
 * Chains: in order, ended by an error or a short transfer, not so hard ones, and
 * two of them at once do not touch each other. A skipped completion is posted
 * after all when the request fails. Linux 5.17; io_uring_sqe_set_flags(3),
 * io_uring_enter(2).
 */
#include "op-helpers.h"

static struct io_uring ring;
static char back[16];

static void add_read(int fd, unsigned size, __u64 tag, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_read(sqe, fd, back, size, 0);
	mark(sqe, tag, flags);
}

static void add_nop(__u64 tag, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_nop(sqe);
	mark(sqe, tag, flags);
}

int main(void)
{
	struct io_uring_sqe *sqe;
	int fd, results[8], i;
	__u64 tag;

	enter_folder();
	fd = file_with("file", "", 0);
	must_init(16, &ring, 0);
	if (!(ring.features & IORING_FEAT_CQE_SKIP))
		SKIP("this kernel cannot skip completions");
	/* Write, sync, read: each sees what the one before has done. */
	sqe = sqe_of(&ring);
	io_uring_prep_write(sqe, fd, "chain", 5, 0);
	mark(sqe, 0, IOSQE_IO_LINK | IOSQE_ASYNC);
	sqe = sqe_of(&ring);
	io_uring_prep_fsync(sqe, fd, 0);
	mark(sqe, 1, IOSQE_IO_LINK);
	add_read(fd, 5, 2, 0);
	CHECK_EQ(io_uring_submit(&ring), 3);
	for (i = 0; i < 3; i++) {
		results[i] = take(&ring, &tag, NULL);
		CHECK_EQ(tag, i);
	}
	CHECK(results[0] == 5 && results[1] == 0 && results[2] == 5);
	CHECK(!memcmp(back, "chain", 5));
	/* A short read ends a chain, but not a hard one. */
	add_read(fd, 6, 0, IOSQE_IO_LINK);
	add_nop(1, 0);
	add_read(fd, 6, 2, IOSQE_IO_HARDLINK);
	add_nop(3, 0);
	run_all(&ring, 4, results);
	CHECK(results[0] == 5 && results[1] == -ECANCELED);
	CHECK(results[2] == 5 && results[3] == 0);
	/* An error in the middle: what is behind it is cancelled, in order. */
	add_nop(0, IOSQE_IO_LINK);
	add_read(-1, 1, 1, IOSQE_IO_LINK);
	add_nop(2, IOSQE_IO_LINK);
	add_nop(3, 0);
	add_nop(4, 0);
	run_all(&ring, 5, results);
	CHECK(results[0] == 0 && results[1] == -EBADF);
	CHECK(results[2] == -ECANCELED && results[3] == -ECANCELED);
	CHECK_EQ(results[4], 0);
	RESULT("%d %d %d %d %d", results[0], results[1], results[2], results[3], results[4]);
	/* A failure is told even if success would not be. */
	add_read(-1, 1, 5, IOSQE_CQE_SKIP_SUCCESS);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, &tag, NULL), -EBADF);
	CHECK_EQ(tag, 5);
	/* A chain that speaks only at its end. */
	add_nop(6, IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
	add_nop(6, IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
	add_nop(7, 0);
	CHECK_EQ(io_uring_submit(&ring), 3);
	CHECK_EQ(take(&ring, &tag, NULL), 0);
	CHECK_EQ(tag, 7);
	nothing_yet(&ring);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
