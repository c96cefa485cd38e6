/*
 * Workers that wait for another process, here for the writer of a FIFO, hold up nothing:
 * with a hundred of them other file operations still complete within moments.
 */
#include "engine.h"

#include <sys/stat.h>

int main(void)
{
	struct io_uring ring, other;
	struct io_uring_sqe *sqe;
	int at, fd, writer;
	long start;

	enter_folder();
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	engine_init(128, &ring, 0);
	engine_init(8, &other, 0);
	for (at = 0; at < 100; at++) {
		sqe = sqe_of(&ring);
		io_uring_prep_openat(sqe, AT_FDCWD, "fifo", O_RDONLY, 0);
		mark(sqe, at, IOSQE_ASYNC);
	}
	CHECK_EQ(io_uring_submit(&ring), 100);
	start = now_ms();
	fd = file_with("file", "text", 4);
	for (at = 0; at < 20; at++) {
		sqe = sqe_of(&other);
		io_uring_prep_fsync(sqe, fd, 0);
		CHECK_EQ(run_one(&other), 0);
		io_uring_prep_openat(sqe_of(&other), AT_FDCWD, "file", O_RDONLY | O_CREAT, 0600);
		close(run_one(&other));
	}
	CHECK(now_ms() - start < 20000);
	CHECK_EQ(io_uring_cq_ready(&ring), 0);
	/* With a writer all of them end. */
	writer = open("fifo", O_WRONLY);
	for (at = 0; at < 100; at++) {
		fd = take(&ring, NULL, NULL);
		CHECK(fd >= 0);
		close(fd);
	}
	close(writer);
	io_uring_queue_exit(&other);
	io_uring_queue_exit(&ring);
	return 0;
}
