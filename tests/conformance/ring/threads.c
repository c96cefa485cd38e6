/* One thread waits while another submits, on one ring (MariaDB does that). */
#include "one.h"

#include <pthread.h>

static struct io_uring ring;

static void *reap(void *argument)
{
	unsigned long *sum = (unsigned long *) argument;
	__u64 tag;

	for (;;) {
		CHECK_EQ(take(&ring, &tag, NULL), 0);
		if (!tag)
			return NULL;
		*sum += tag;
	}
}

int main(void)
{
	unsigned long sum = 0;
	pthread_t thread;
	int i, ret;

	must_init(16, &ring, 0);
	CHECK_EQ(pthread_create(&thread, NULL, reap, &sum), 0);
	for (i = 20000; i >= 0; i--) {
		struct io_uring_sqe *sqe;

		while (!(sqe = io_uring_get_sqe(&ring))) {
			ret = io_uring_submit(&ring);
			CHECK(ret >= 0 || ret == -EBUSY || ret == -EAGAIN);
		}
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, (__u64) i);
	}
	while (io_uring_sq_ready(&ring)) {
		ret = io_uring_submit(&ring);
		CHECK(ret >= 0 || ret == -EBUSY || ret == -EAGAIN);
	}
	pthread_join(thread, NULL);
	CHECK_EQ(sum, 20000UL * 20001 / 2);
	RESULT("sum %lu", sum);
	io_uring_queue_exit(&ring);
	return 0;
}
