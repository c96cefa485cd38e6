/*
 * A link timeout ends the request before it, or is cancelled by its success. Linux
 * 5.5; io_uring_prep_link_timeout(3).
 */
#include "one.h"

int main(void)
{
	struct __kernel_timespec soon = { .tv_nsec = 5000000 }, never = { .tv_sec = 1000 };
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int pipes[2], i, round;
	__u64 tag;
	char back[4];

	CHECK_EQ(pipe(pipes), 0);
	must_init(8, &ring, 0);
	for (round = 0; round < 2; round++) {
		sqe = sqe_of(&ring);
		io_uring_prep_read(sqe, pipes[0], back, 4, 0);
		sqe->flags |= IOSQE_IO_LINK;
		io_uring_sqe_set_data64(sqe, 1);
		sqe = sqe_of(&ring);
		io_uring_prep_link_timeout(sqe, round ? &never : &soon, 0);
		io_uring_sqe_set_data64(sqe, 2);
		CHECK_EQ(io_uring_submit(&ring), 2);
		if (round)
			CHECK_EQ(write(pipes[1], "x", 1), 1);
		for (i = 0; i < 2; i++) {
			int res = take(&ring, &tag, NULL);

			if (round)
				CHECK_EQ(res, tag == 1 ? 1 : -ECANCELED);
			else
				CHECK(tag == 1 ? res == -ECANCELED || res == -EINTR : res == -ETIME);
		}
	}
	RESULT("link timeouts");
	close(pipes[0]);
	close(pipes[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
