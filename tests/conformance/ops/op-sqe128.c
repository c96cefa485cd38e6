/*
 * On a ring of 128-byte SQEs ordinary operations run as ever, from either way to
 * the next entry, round and round; on an ordinary ring there are none.
 * Linux 5.19; io_uring_setup(2) under IORING_SETUP_SQE128.
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_sqe *sqe, *previous = NULL;
	struct io_uring ring;
	char text[2] = "a", back[8];
	int fd, i, at;

	enter_folder();
	fd = file_with("file", "", 0);
	must_init(4, &ring, 0);
	CHECK(io_uring_get_sqe128(&ring) == NULL);
	CHECK_EQ(io_uring_sqe_shift(&ring), 0);
	io_uring_queue_exit(&ring);
	must_init(4, &ring, IORING_SETUP_SQE128);
	CHECK_EQ(io_uring_sqe_shift(&ring), 1);
	for (i = 0, at = 0; i < 6; i++) {
		text[0] = (char) ('a' + i);
		sqe = i % 2 ? io_uring_get_sqe128(&ring) : io_uring_get_sqe(&ring);
		CHECK(sqe != NULL);
		if (previous && sqe > previous)
			CHECK_EQ((char *) sqe - (char *) previous, 128);
		previous = sqe;
		io_uring_prep_write(sqe, fd, text, 1, (__u64) at++);
		CHECK_EQ(run_one(&ring), 1);
	}
	CHECK_EQ(pread(fd, back, 8, 0), 6);
	CHECK(!memcmp(back, "abcdef", 6));
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
