/* Capability queries need no ring, chain, and each has its own result.
 * Linux 6.18. */
#include "one.h"

int main(void)
{
	struct io_uring_query_opcode ops = { 0 };
	struct io_uring_query_hdr first = { 0 }, second = { 0 };
	int ret;

	first.next_entry = (__u64) (uintptr_t) &second;
	first.query_op = IO_URING_QUERY_OPCODES;
	first.query_data = (__u64) (uintptr_t) &ops;
	first.size = sizeof(ops);
	second.query_op = 4711;
	ret = io_uring_register_query(&first);
	skip_if_old(ret, "queries");
	CHECK_EQ(ret, 0);
	CHECK_EQ(first.result, 0);
	CHECK(ops.nr_request_opcodes > IORING_OP_PIPE);
	CHECK(ops.ring_setup_flags & IORING_SETUP_DEFER_TASKRUN);
	CHECK_EQ(second.result, -EOPNOTSUPP);
	CHECK_EQ(io_uring_register_query(NULL), 0);
	CHECK_EQ(io_uring_register_query((struct io_uring_query_hdr *) 8), -EFAULT);
	return 0;
}
