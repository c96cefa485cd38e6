/*
 * A request with a personality runs with the credentials of when it was registered:
 * here those of a user who may not read the file. Linux 5.6; io_uring_register(2)
 * under IORING_REGISTER_PERSONALITY.
 */
#include "op-helpers.h"

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int nobody, fd;

	if (geteuid())
		SKIP("only root can register the credentials of someone else");
	enter_folder();
	CHECK_EQ(chmod(".", 0755), 0);
	close(file_with("secret", "s", 1));
	CHECK_EQ(chmod("secret", 0600), 0);
	must_init(4, &ring, 0);
	if (seteuid(65534))
		SKIP("cannot change the user: %s", strerror(errno));
	nobody = io_uring_register_personality(&ring);
	CHECK_EQ(seteuid(0), 0);
	CHECK(nobody > 0);
	io_uring_prep_openat(sqe_of(&ring), AT_FDCWD, "secret", O_RDONLY, 0);
	fd = run_one(&ring);
	CHECK(fd >= 0);
	close(fd);
	sqe = sqe_of(&ring);
	io_uring_prep_openat(sqe, AT_FDCWD, "secret", O_RDONLY, 0);
	sqe->personality = (__u16) nobody;
	CHECK_EQ(run_one(&ring), -EACCES);
	CHECK_EQ(io_uring_unregister_personality(&ring, nobody), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_openat(sqe, AT_FDCWD, "secret", O_RDONLY, 0);
	sqe->personality = (__u16) nobody;
	CHECK_EQ(run_one(&ring), -EINVAL);
	RESULT("nobody");
	io_uring_queue_exit(&ring);
	return 0;
}
