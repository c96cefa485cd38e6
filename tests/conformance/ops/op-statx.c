/*
 * statx agrees with fstat, follows links or not, and looks at an open file by an
 * empty path. Linux 5.6; statx(2).
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring ring;
	struct statx got;
	struct stat want;
	int fd;

	enter_folder();
	fd = file_with("file", "12345678", 8);
	CHECK_EQ(link("file", "second"), 0);
	CHECK_EQ(symlink("file", "link"), 0);
	CHECK_EQ(fstat(fd, &want), 0);
	must_init(4, &ring, 0);
	memset(&got, 0xff, sizeof(got));
	io_uring_prep_statx(sqe_of(&ring), AT_FDCWD, "link", 0, STATX_BASIC_STATS, &got);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(got.stx_ino, want.st_ino);
	CHECK_EQ(got.stx_size, 8);
	CHECK_EQ(got.stx_nlink, 2);
	CHECK_EQ(got.stx_mode, want.st_mode);
	CHECK_EQ(got.stx_uid, want.st_uid);
	CHECK_EQ(got.stx_mtime.tv_sec, want.st_mtim.tv_sec);
	CHECK_EQ(got.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	io_uring_prep_statx(sqe_of(&ring), AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_SIZE, &got);
	CHECK_EQ(run_one(&ring), 0);
	CHECK(S_ISLNK(got.stx_mode));
	CHECK_EQ(got.stx_size, 4);
	io_uring_prep_statx(sqe_of(&ring), fd, "", AT_EMPTY_PATH, STATX_SIZE, &got);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(got.stx_size, 8);
	io_uring_prep_statx(sqe_of(&ring), fd, "", 0, STATX_SIZE, &got);
	CHECK_EQ(run_one(&ring), -ENOENT);
	io_uring_prep_statx(sqe_of(&ring), fd, "file", 0, STATX_SIZE, &got);
	CHECK_EQ(run_one(&ring), -ENOTDIR);
	RESULT("%llu", (unsigned long long) got.stx_size);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
