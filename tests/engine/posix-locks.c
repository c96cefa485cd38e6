/*
 * POSIX locks of the process, which end when it closes any descriptor of the file,
 * outlive what the engine does with that file; and the engine does not hold on to the
 * file for long once they are gone.
 */
#include "engine.h"

static void lock(int fd)
{
	struct flock whole = { .l_type = F_WRLCK };

	CHECK_EQ(fcntl(fd, F_SETLK, &whole), 0);
}

/* Whether somebody else finds the file locked. */
static int is_locked(void)
{
	pid_t child = fork();
	int status;

	if (!child) {
		struct flock whole = { .l_type = F_WRLCK };
		int fd = open("file", O_RDWR);

		_exit(fd < 0 || fcntl(fd, F_GETLK, &whole) || whole.l_type != F_UNLCK);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status);
}

static void check_locked(const char *after)
{
	if (!is_locked()) {
		fprintf(stderr, "the lock is gone after %s\n", after);
		exit(1);
	}
}

static void operations(struct io_uring *ring, int fd, char *page)
{
	struct io_uring_sqe *sqe;
	int ends[2], at;

	CHECK_EQ(pipe(ends), 0);
	for (at = 0; at < 3; at++) {
		sqe = sqe_of(ring);
		io_uring_prep_read(sqe, fd, page, 4096, at ? (__u64)-1 : 0);
		sqe->flags |= IOSQE_ASYNC;
		CHECK(run_one(ring) >= 0);
		check_locked("a read");
	}
	sqe = sqe_of(ring);
	io_uring_prep_write(sqe, fd, page, 4096, 0);
	sqe->flags |= IOSQE_ASYNC;
	CHECK_EQ(run_one(ring), 4096);
	check_locked("a write");
	io_uring_prep_fsync(sqe_of(ring), fd, 0);
	CHECK_EQ(run_one(ring), 0);
	check_locked("fsync");
	io_uring_prep_fallocate(sqe_of(ring), fd, 0, 0, 8192);
	run_one(ring);
	check_locked("fallocate");
	io_uring_prep_poll_add(sqe_of(ring), fd, POLLIN);
	CHECK_EQ(run_one(ring), POLLIN);
	check_locked("a poll");
	io_uring_prep_splice(sqe_of(ring), fd, 0, ends[1], -1, 100, 0);
	CHECK(run_one(ring) != 0);
	check_locked("splice");
	CHECK_EQ(io_uring_register_files(ring, &fd, 1), 0);
	CHECK_EQ(io_uring_unregister_files(ring), 0);
	check_locked("registration");
	CHECK_EQ(io_uring_register_files_sparse(ring, 2), 0);
	io_uring_prep_openat_direct(sqe_of(ring), AT_FDCWD, "file", O_RDWR, 0, 0);
	CHECK_EQ(run_one(ring), 0);
	check_locked("a direct open");
	io_uring_prep_close_direct(sqe_of(ring), 0);
	CHECK_EQ(run_one(ring), 0);
	check_locked("a direct close");
	CHECK_EQ(io_uring_unregister_files(ring), 0);
	close_both(ends);
}

int main(void)
{
	static char page[4096] __attribute__((aligned(4096)));
	struct io_uring ring;
	long start;
	int fd, before;

	enter_folder();
	fd = file_with("file", "12345678", 8);
	CHECK_EQ(ftruncate(fd, 8192), 0);
	before = open_fds();
	engine_init(8, &ring, 0);
	lock(fd);
	CHECK(is_locked());
	operations(&ring, fd, page);

	/* Unlocked, nothing of it stays open. */
	CHECK_EQ(close(fd), 0);
	CHECK(!is_locked());
	io_uring_queue_exit(&ring);
	for (start = now_ms(); open_fds() != before - 1; usleep(10000))
		CHECK(now_ms() - start < 5000);
	return 0;
}
