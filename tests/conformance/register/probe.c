/* Probes on a ring and without, and what opcode_supported makes of them.
 * Linux 5.6. */
#include "one.h"

int main(void)
{
	struct io_uring_probe *probe;
	struct io_uring ring;
	union {
		struct io_uring_probe probe;
		char space[sizeof(struct io_uring_probe) + 4 * sizeof(struct io_uring_probe_op)];
	} small;

	must_init(2, &ring, 0);
	probe = io_uring_get_probe_ring(&ring);
	if (!probe)
		SKIP("this kernel cannot be asked");
	CHECK_EQ(io_uring_opcode_supported(probe, IORING_OP_NOP), 1);
	CHECK_EQ(io_uring_opcode_supported(probe, IORING_OP_READ), 1);
	CHECK_EQ(io_uring_opcode_supported(probe, 250), 0);
	RESULT("last %d", probe->last_op);
	io_uring_free_probe(probe);
	memset(&small, 0, sizeof(small));
	CHECK_EQ(io_uring_register_probe(&ring, &small.probe, 4), 0);
	CHECK_EQ(small.probe.ops_len, 4);
	CHECK(small.probe.ops[3].flags & IO_URING_OP_SUPPORTED);
	probe = io_uring_get_probe();
	CHECK(probe != NULL);
	io_uring_free_probe(probe);
	io_uring_free_probe(NULL);
	io_uring_queue_exit(&ring);
	return 0;
}
