/*
 * An SQE of one's own, initialised and filled, runs like one of the queue: what
 * the initialisation does not clear is what every prep function sets. Linux 5.6;
 * io_uring_get_sqe(3).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_sqe own, *sqe;
	struct io_uring ring;
	char back[8] = { 0 };
	__u64 tag;
	int fd;

	enter_folder();
	fd = file_with("file", "0123456789", 10);
	must_init(4, &ring, 0);
	memset(&own, 0xff, sizeof(own));
	io_uring_initialize_sqe(&own);
	CHECK_EQ(own.flags, 0);
	CHECK_EQ(own.ioprio, 0);
	CHECK_EQ(own.rw_flags, 0);
	CHECK_EQ(own.personality, 0);
	CHECK_EQ(own.buf_index, 0);
	CHECK_EQ(own.file_index, 0);
	CHECK_EQ(own.addr3, 0);
	io_uring_prep_read(&own, fd, back, 4, 3);
	own.user_data = 9;
	/* The header's and the library's way to the next entry are one queue. */
	sqe = _io_uring_get_sqe(&ring);
	CHECK(sqe != NULL);
	memcpy(sqe, &own, sizeof(own));
	CHECK_EQ(io_uring_sq_ready(&ring), 1);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, &tag, NULL), 4);
	CHECK_EQ(tag, 9);
	CHECK(!memcmp(back, "3456", 4));
	/* An entry used before comes back clean. */
	for (int i = 0; i < 4; i++) {
		sqe = _io_uring_get_sqe(&ring);
		CHECK(sqe != NULL);
		memset(sqe, 0xff, sizeof(*sqe));
		io_uring_initialize_sqe(sqe);
		io_uring_prep_nop(sqe);
		sqe->user_data = 1;
	}
	CHECK(_io_uring_get_sqe(&ring) == NULL);
	CHECK_EQ(io_uring_submit(&ring), 4);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(take(&ring, NULL, NULL), 0);
	RESULT("%.4s", back);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
