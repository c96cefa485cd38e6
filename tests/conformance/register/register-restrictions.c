/* A restricted ring runs only what it was allowed to. Linux 5.10. */
#include "one.h"

int main(void)
{
	struct io_uring_restriction allowed[2] = { 0 };
	struct io_uring ring;
	char back;

	must_init(4, &ring, 0);
	allowed[0].opcode = IORING_RESTRICTION_SQE_OP;
	allowed[0].sqe_op = IORING_OP_NOP;
	allowed[1].opcode = IORING_RESTRICTION_REGISTER_OP;
	allowed[1].register_op = IORING_REGISTER_ENABLE_RINGS;
	CHECK_EQ(io_uring_register_restrictions(&ring, allowed, 2), -EBADFD);
	CHECK_EQ(io_uring_enable_rings(&ring), -EBADFD);
	io_uring_queue_exit(&ring);
	must_init(4, &ring, IORING_SETUP_R_DISABLED);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit(&ring), -EBADFD);
	CHECK_EQ(io_uring_register_restrictions(&ring, allowed, 2), 0);
	CHECK_EQ(io_uring_enable_rings(&ring), 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	io_uring_prep_read(sqe_of(&ring), 0, &back, 1, 0);
	CHECK_EQ(run_one(&ring), -EACCES);
	CHECK_EQ(io_uring_unregister_files(&ring), -EACCES);
	RESULT("restricted");
	io_uring_queue_exit(&ring);
	return 0;
}
