/* Credentials, workers' CPUs and numbers, iowait. Linux 5.15, 6.15. */
#include "one.h"

int main(void)
{
	unsigned values[2] = { 2, 3 };
	struct io_uring ring, old;
	cpu_set_t mask;
	int id, ret;

	must_init(4, &ring, 0);
	id = io_uring_register_personality(&ring);
	CHECK(id > 0);
	{
		struct io_uring_sqe *sqe = sqe_of(&ring);

		io_uring_prep_nop(sqe);
		sqe->personality = (__u16) id;
		CHECK_EQ(run_one(&ring), 0);
	}
	CHECK_EQ(io_uring_unregister_personality(&ring, id), 0);
	CHECK_EQ(io_uring_unregister_personality(&ring, id), -EINVAL);
	CPU_ZERO(&mask);
	CPU_SET(0, &mask);
	CHECK_EQ(io_uring_register_iowq_aff(&ring, sizeof(mask), &mask), 0);
	CHECK_EQ(io_uring_unregister_iowq_aff(&ring), 0);
	CHECK_EQ(io_uring_register_iowq_aff(&ring, (size_t) 1 << 31, &mask), -EINVAL);
	ret = io_uring_register_iowq_max_workers(&ring, values);
	skip_if_old(ret, "limits on workers");
	CHECK_EQ(ret, 0);
	CHECK(values[0] > 0 && values[1] > 0);
	values[0] = values[1] = 0;
	CHECK_EQ(io_uring_register_iowq_max_workers(&ring, values), 0);
	CHECK_EQ(values[0], 2);
	CHECK_EQ(values[1], 3);
	(void) old;
	RESULT("workers");
	io_uring_queue_exit(&ring);
	return 0;
}
