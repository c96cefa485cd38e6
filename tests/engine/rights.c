/*
 * Names are looked up with the rights of the thread that submitted, as in the kernel's
 * io_uring, also if that thread alone gave its rights up after threads of the engine
 * had started.
 */
#include "engine.h"

#include <sys/fsuid.h>
#include <sys/syscall.h>

#define NOBODY 65534

static int open_secret(struct io_uring *ring, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(ring);
	int res;

	io_uring_prep_openat(sqe, AT_FDCWD, "secret", O_RDONLY, 0);
	sqe->flags |= flags;
	res = run_one(ring);
	if (res >= 0)
		close(res);
	return res;
}

/* A thread of the pool exists, with the rights of before. */
static void start_pool(struct io_uring *ring)
{
	CHECK(open_secret(ring, IOSQE_ASYNC) >= 0);
}

static void check_refused(struct io_uring *ring)
{
	CHECK_EQ(open_secret(ring, 0), -EACCES);
	CHECK_EQ(open_secret(ring, IOSQE_ASYNC), -EACCES);
	CHECK_EQ(open("secret", O_RDONLY), -1);
}

static void by_fsuid(void)
{
	struct io_uring ring;

	engine_init(8, &ring, 0);
	start_pool(&ring);
	setfsuid(NOBODY);
	check_refused(&ring);
	setfsuid(0);
	CHECK(open_secret(&ring, 0) >= 0);
	io_uring_queue_exit(&ring);
}

static void by_thread(void)
{
	struct io_uring ring;

	engine_init(8, &ring, 0);
	start_pool(&ring);
	if (syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY))
		SKIP("this root may not become another user");
	check_refused(&ring);
	io_uring_queue_exit(&ring);
}

/* A chain that goes on later, in whatever thread: as its submitter or not at all. */
static void in_chain(void)
{
	struct __kernel_timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int at, res[2];

	engine_init(8, &ring, 0);
	start_pool(&ring);
	setfsuid(NOBODY);
	sqe = sqe_of(&ring);
	io_uring_prep_timeout(sqe, &pause, 0, IORING_TIMEOUT_ETIME_SUCCESS);
	sqe->flags |= IOSQE_IO_LINK;
	sqe->user_data = 0;
	sqe = sqe_of(&ring);
	io_uring_prep_openat(sqe, AT_FDCWD, "secret", O_RDONLY, 0);
	sqe->user_data = 1;
	CHECK_EQ(io_uring_submit(&ring), 2);
	/* Time for the driver to take it on. */
	usleep(100 * 1000);
	for (at = 0; at < 2; at++) {
		struct io_uring_cqe *cqe;

		CHECK_EQ(io_uring_wait_cqe(&ring, &cqe), 0);
		res[cqe->user_data] = cqe->res;
		io_uring_cqe_seen(&ring, cqe);
	}
	CHECK_EQ(res[0], -ETIME);
	CHECK(res[1] == -EACCES || res[1] == -EPERM);
	io_uring_queue_exit(&ring);
}

static void in_child(void (*test)(void))
{
	pid_t child = fork();

	if (!child) {
		test();
		_exit(0);
	}
	reap(child);
}

int main(void)
{
	if (geteuid() != 0)
		SKIP("only root can change its user");
	enter_folder();
	CHECK_EQ(chmod(".", 0711), 0);
	close(file_with("secret", "x", 1));
	CHECK_EQ(chmod("secret", 0600), 0);
	in_child(by_fsuid);
	in_child(by_thread);
	in_child(in_chain);
	return 0;
}
