/*
 * Every way to open creates with the mode it was given, into a descriptor or a
 * slot. Linux 5.15; openat(2), openat2(2), io_uring_prep_openat(3).
 */
#include "op-helpers.h"

static void expect_mode(const char *name, unsigned mode)
{
	struct stat status;

	CHECK_EQ(stat(name, &status), 0);
	CHECK_EQ(status.st_mode & 07777, mode);
}

int main(void)
{
	struct open_how how = { .flags = O_RDWR | O_CREAT | O_EXCL, .mode = 0612,
				.resolve = RESOLVE_NO_SYMLINKS };
	struct io_uring ring;
	int ret;

	enter_folder();
	umask(0);
	must_init(4, &ring, 0);
	ret = io_uring_register_files_sparse(&ring, 4);
	skip_if_old(ret, "sparse file tables");
	CHECK_EQ(ret, 0);
	io_uring_prep_openat_direct(sqe_of(&ring), AT_FDCWD, "a", O_RDWR | O_CREAT, 0640, 1);
	CHECK_EQ(run_one(&ring), 0);
	expect_mode("a", 0640);
	io_uring_prep_openat2_direct(sqe_of(&ring), AT_FDCWD, "b", &how, 2);
	CHECK_EQ(run_one(&ring), 0);
	expect_mode("b", 0612);
	io_uring_prep_openat2_direct(sqe_of(&ring), AT_FDCWD, "b", &how, 3);
	CHECK_EQ(run_one(&ring), -EEXIST);
	io_uring_prep_mkdir(sqe_of(&ring), "sub", 0712);
	ret = run_one(&ring);
	if (ret != -EINVAL) {
		CHECK_EQ(ret, 0);
		expect_mode("sub", 0712);
	}
	RESULT("modes");
	io_uring_queue_exit(&ring);
	return 0;
}
