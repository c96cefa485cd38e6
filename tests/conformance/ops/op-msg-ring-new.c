/*
 * msg_ring with chosen CQE flags, with a free slot, and without a ring of one's own.
 * Linux 6.3, 6.13; io_uring_prep_msg_ring(3).
 */
#include "one.h"

int main(void)
{
	struct io_uring from, to;
	struct io_uring_sqe plain;
	unsigned flags;
	__u64 tag;
	int fd, ret;

	enter_folder();
	fd = file_with("file", "sent", 4);
	must_init(4, &from, 0);
	must_init(4, &to, 0);
	if (!(to.features & IORING_FEAT_REG_REG_RING))
		SKIP("this kernel's msg_ring takes no flags");
	io_uring_prep_msg_ring_cqe_flags(sqe_of(&from), to.ring_fd, 5, 6, 0, IORING_CQE_F_SOCK_NONEMPTY);
	CHECK_EQ(run_one(&from), 0);
	CHECK_EQ(take(&to, &tag, &flags), 5);
	CHECK_EQ(flags, IORING_CQE_F_SOCK_NONEMPTY);
	CHECK_EQ(io_uring_register_files(&from, &fd, 1), 0);
	CHECK_EQ(io_uring_register_files_sparse(&to, 4), 0);
	io_uring_prep_msg_ring_fd_alloc(sqe_of(&from), to.ring_fd, 0, 8, 0);
	ret = run_one(&from);
	CHECK(ret >= 0 && ret < 4);
	take(&to, &tag, NULL);
	CHECK_EQ(tag, 8);
	memset(&plain, 0, sizeof(plain));
	io_uring_prep_msg_ring(&plain, to.ring_fd, 12, 13, 0);
	ret = io_uring_register_sync_msg(&plain);
	skip_if_old(ret, "messages without a ring");
	CHECK_EQ(ret, 0);
	CHECK_EQ(take(&to, &tag, NULL), 12);
	CHECK_EQ(tag, 13);
	close(fd);
	io_uring_queue_exit(&from);
	io_uring_queue_exit(&to);
	return 0;
}
