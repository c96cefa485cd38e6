/*
 * No descriptor left: setup says EMFILE, a request that needs one completes with an
 * error, those that need none work, nothing is lost, and all is well afterwards.
 */
#include "engine.h"

int main(void)
{
	struct rlimit before, tight;
	struct io_uring ring, other;
	int ends[16][2], at, errors = 0, taken[256], count = 0, file, got = 0;
	char bytes[16];
	struct __kernel_timespec soon = { .tv_nsec = 300000000 }, hour = { .tv_sec = 3600 };
	struct io_uring_sqe *sqe;
	__u64 tag;

	enter_folder();
	engine_init(32, &ring, 0);
	file = file_with("file", "12345678", 8);
	for (at = 0; at < 16; at++)
		CHECK_EQ(pipe(ends[at]), 0);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
	tight = before;
	tight.rlim_cur = 64;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_timeout(sqe, &soon, 0, 0);
	io_uring_sqe_set_data64(sqe, 77);
	CHECK_EQ(io_uring_submit(&ring), 1);
	while ((taken[count] = dup(0)) >= 0)
		count++;
	CHECK_EQ(errno, EMFILE);

	CHECK_EQ(io_uring_queue_init(4, &other, 0), -EMFILE);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	io_uring_prep_read(sqe_of(&ring), file, bytes, 8, 0);
	CHECK_EQ(run_one(&ring), 8);
	io_uring_prep_openat(sqe_of(&ring), AT_FDCWD, "file", O_RDONLY, 0);
	CHECK_EQ(run_one(&ring), -EMFILE);
	/* An update names no clock, as on the kernel; the timeout keeps its time. */
	io_uring_prep_timeout_update(sqe_of(&ring), &hour, 77, IORING_TIMEOUT_BOOTTIME);
	CHECK_EQ(run_one(&ring), -EINVAL);
	CHECK_EQ(take(&ring, &tag, NULL), -ETIME);
	CHECK_EQ(tag, 77);
	for (at = 0; at < 16; at++)
		queue_read(&ring, ends[at][0], bytes + at, 1, at);
	CHECK_EQ(io_uring_submit(&ring), 16);
	for (at = 0; at < 16; at++)
		CHECK_EQ(write(ends[at][1], "x", 1), 1);
	for (at = 0; at < 16; at++) {
		int res = take(&ring, NULL, NULL);

		CHECK(res == 1 || res == -EMFILE);
		res < 0 ? errors++ : got++;
	}
	printf("%d of 16 reads told EMFILE\n", errors);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (count)
		close(taken[--count]);
	engine_init(4, &other, 0);
	io_uring_queue_exit(&other);
	for (at = 0; at < 16; at++) {
		close_both(ends[at]);
		CHECK_EQ(pipe(ends[at]), 0);
		queue_read(&ring, ends[at][0], bytes + at, 1, at);
	}
	CHECK_EQ(io_uring_submit(&ring), 16);
	for (at = 0; at < 16; at++)
		CHECK_EQ(write(ends[at][1], "x", 1), 1);
	for (at = 0; at < 16; at++)
		CHECK_EQ(take(&ring, NULL, NULL), 1);
	io_uring_queue_exit(&ring);
	return 0;
}
