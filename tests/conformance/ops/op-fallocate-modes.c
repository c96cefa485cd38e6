/*
 * fallocate keeps the size if asked to, punches holes and writes zeros; what has
 * no blocks refuses it. Linux 5.6; fallocate(2).
 */
#include "op-helpers.h"

int main(void)
{
	static char back[16384];
	struct io_uring ring;
	struct stat status;
	int fd, pipes[2], i, ret;

	enter_folder();
	fd = file_with("file", "", 0);
	memset(back, 'x', sizeof(back));
	CHECK_EQ(pwrite(fd, back, sizeof(back), 0), (long) sizeof(back));
	must_init(4, &ring, 0);
	io_uring_prep_fallocate(sqe_of(&ring), fd, FALLOC_FL_KEEP_SIZE, 0, 65536);
	ret = run_one(&ring);
	if (ret == -EOPNOTSUPP)
		SKIP("this file system has no fallocate");
	CHECK_EQ(ret, 0);
	CHECK_EQ(fstat(fd, &status), 0);
	CHECK_EQ(status.st_size, sizeof(back));
	io_uring_prep_fallocate(sqe_of(&ring), fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192);
	ret = run_one(&ring);
	if (ret == -EOPNOTSUPP)
		SKIP("this file system punches no holes");
	CHECK_EQ(ret, 0);
	CHECK_EQ(pread(fd, back, sizeof(back), 0), (long) sizeof(back));
	for (i = 0; i < (int) sizeof(back); i++)
		CHECK_EQ(back[i], i < 4096 || i >= 12288 ? 'x' : 0);
	/* A hole only makes sense inside. */
	io_uring_prep_fallocate(sqe_of(&ring), fd, FALLOC_FL_PUNCH_HOLE, 0, 4096);
	CHECK_EQ(run_one(&ring), -EOPNOTSUPP);
	io_uring_prep_fallocate(sqe_of(&ring), fd, 0, 0, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	CHECK_EQ(pipe(pipes), 0);
	io_uring_prep_fallocate(sqe_of(&ring), pipes[1], 0, 0, 4096);
	CHECK_EQ(run_one(&ring), -ESPIPE);
	RESULT("hole");
	close_both(pipes);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
