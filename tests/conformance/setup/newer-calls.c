/* Calls newer than Linux 6.18 give exactly what the bare system call gives. */
#include "one.h"

#include <sys/syscall.h>

static int bare(int fd, unsigned opcode, void *arg, unsigned nr)
{
	long ret = syscall(__NR_io_uring_register, fd, opcode, arg, nr);

	return ret < 0 ? -errno : (int) ret;
}

int main(void)
{
	struct io_uring_zcrx_ifq_reg ifq = { 0 }, ifq_copy = { 0 };
	struct zcrx_ctrl ctrl = { 0 };
	struct io_uring_bpf bpf = { 0 };
	struct io_uring ring;

	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_register_ifq(&ring, &ifq),
		 bare(ring.ring_fd, IORING_REGISTER_ZCRX_IFQ, &ifq_copy, 1));
	CHECK_EQ(io_uring_register_zcrx_ctrl(&ring, &ctrl),
		 bare(ring.ring_fd, IORING_REGISTER_ZCRX_CTRL, &ctrl, 0));
	CHECK_EQ(io_uring_register_bpf_filter(&ring, &bpf),
		 bare(ring.ring_fd, IORING_REGISTER_BPF_FILTER, &bpf, 1));
	CHECK_EQ(io_uring_register_bpf_filter_task(&bpf),
		 bare(-1, IORING_REGISTER_BPF_FILTER, &bpf, 1));
	io_uring_queue_exit(&ring);
	return 0;
}
