/* An IOPOLL ring takes polled reads where the file can, and says so otherwise;
 * a peek of an empty one is -EAGAIN. */
#include "one.h"

int main(void)
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	char back[8];
	int fd;

	enter_folder();
	fd = file_with("file", "data", 4);
	must_init(4, &ring, IORING_SETUP_IOPOLL);
	CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), -EAGAIN);
	CHECK(cqe == NULL);
	io_uring_prep_read(sqe_of(&ring), fd, back, 8, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	/* The file is not open for direct access. */
	CHECK_EQ(take(&ring, NULL, NULL), -EOPNOTSUPP);
	RESULT("iopoll");
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
