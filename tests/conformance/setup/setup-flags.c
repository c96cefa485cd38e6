/* Every setup flag that this kernel accepts gives a ring that works. */
#include "one.h"

int main(void)
{
	static const struct {
		const char *name;
		unsigned flags;
	} forms[] = {
		{ "plain", 0 }, { "SQPOLL", IORING_SETUP_SQPOLL },
		{ "SUBMIT_ALL", IORING_SETUP_SUBMIT_ALL },
		{ "COOP_TASKRUN", IORING_SETUP_COOP_TASKRUN },
		{ "TASKRUN_FLAG", IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG },
		{ "SQE128", IORING_SETUP_SQE128 }, { "CQE32", IORING_SETUP_CQE32 },
		{ "SINGLE_ISSUER", IORING_SETUP_SINGLE_ISSUER },
		{ "DEFER_TASKRUN", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN },
		{ "CQE_MIXED", IORING_SETUP_CQE_MIXED }, { "SQE_MIXED", IORING_SETUP_SQE_MIXED },
		{ "SQ_REWIND", IORING_SETUP_NO_SQARRAY | IORING_SETUP_SQ_REWIND },
		{ "NO_MMAP", IORING_SETUP_NO_MMAP },
		{ "REGISTERED_FD_ONLY", IORING_SETUP_NO_MMAP | IORING_SETUP_REGISTERED_FD_ONLY },
	};
	size_t i;

	need_io_uring();
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct io_uring ring;
		int ret = io_uring_queue_init(8, &ring, forms[i].flags), round;

		if (ret == -EINVAL || ret == -EPERM || ret == -ENOMEM) {
			printf("not here: %s (%s)\n", forms[i].name, strerror(-ret));
			CHECK(i > 0);
			continue;
		}
		CHECK_EQ(ret, 0);
		for (round = 0; round < 40; round++) {
			__u64 tag;
			struct io_uring_sqe *sqe = sqe_of(&ring);

			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data64(sqe, (__u64) round);
			CHECK(io_uring_submit_and_wait(&ring, 1) >= 0);
			CHECK_EQ(take(&ring, &tag, NULL), 0);
			CHECK_EQ(tag, round);
		}
		io_uring_queue_exit(&ring);
	}
	return 0;
}
