/*
 * msg_ring: the receiver of a file need not be told, a chosen slot is replaced, a
 * ring that defers its work is reached as well. Linux 6.3; io_uring_prep_msg_ring(3).
 */
#include "op-helpers.h"

static int read_slot(struct io_uring *ring, int slot, char *buffer)
{
	struct io_uring_sqe *sqe = sqe_of(ring);

	io_uring_prep_read(sqe, slot, buffer, 8, 0);
	mark(sqe, 0, IOSQE_FIXED_FILE);
	return run_one(ring);
}

int main(void)
{
	struct io_uring from, to;
	int files[2], res;
	unsigned flags;
	char back[8];
	__u64 tag;

	enter_folder();
	files[0] = file_with("a", "1", 1);
	files[1] = file_with("b", "22", 2);
	must_init(4, &from, 0);
	must_init(4, &to, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	if (!(to.features & IORING_FEAT_REG_REG_RING))
		SKIP("this kernel's msg_ring knows too few flags");
	CHECK_EQ(io_uring_register_files(&from, files, 2), 0);
	CHECK_EQ(io_uring_register_files_sparse(&to, 2), 0);
	io_uring_prep_msg_ring(sqe_of(&from), to.ring_fd, 11, 12, 0);
	res = run_one(&from);
	CHECK_EQ(res, 0);
	CHECK_EQ(take(&to, &tag, NULL), 11);
	CHECK_EQ(tag, 12);
	io_uring_prep_msg_ring_cqe_flags(sqe_of(&from), to.ring_fd, 13, 14, 0, 1U << 30);
	CHECK_EQ(run_one(&from), 0);
	CHECK_EQ(take(&to, &tag, &flags), 13);
	CHECK_EQ(tag, 14);
	CHECK_EQ(flags, 1U << 30);
	io_uring_prep_msg_ring_fd(sqe_of(&from), to.ring_fd, 0, 1, 5, IORING_MSG_RING_CQE_SKIP);
	CHECK(run_one(&from) >= 0);
	CHECK_EQ(io_uring_get_events(&to), 0);
	nothing_yet(&to);
	CHECK_EQ(read_slot(&to, 1, back), 1);
	/* Told this time, and over the file that was there. */
	io_uring_prep_msg_ring_fd(sqe_of(&from), to.ring_fd, 1, 1, 6, 0);
	CHECK(run_one(&from) >= 0);
	take(&to, &tag, NULL);
	CHECK_EQ(tag, 6);
	CHECK_EQ(read_slot(&to, 1, back), 2);
	io_uring_prep_msg_ring_fd_alloc(sqe_of(&from), to.ring_fd, 0, 7, 0);
	CHECK_EQ(run_one(&from), 0);
	take(&to, &tag, NULL);
	CHECK_EQ(tag, 7);
	CHECK_EQ(read_slot(&to, 0, back), 1);
	io_uring_prep_msg_ring_fd_alloc(sqe_of(&from), to.ring_fd, 0, 8, 0);
	CHECK_EQ(run_one(&from), -ENFILE);
	io_uring_prep_msg_ring_fd(sqe_of(&from), to.ring_fd, 5, 0, 9, 0);
	CHECK_EQ(run_one(&from), -EBADF);
	close_both(files);
	io_uring_queue_exit(&from);
	io_uring_queue_exit(&to);
	return 0;
}
