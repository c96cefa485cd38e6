/*
 * A FIFO is opened at once for reading, and found to have no reader (ENXIO) when it is
 * opened for writing; what is opened so blocks afterwards unless that was not asked for.
 * Forty such opens hold up nothing. fifo(7), io_uring_prep_openat(3).
 */
#include "op-helpers.h"

#include <sys/stat.h>
#include <sys/syscall.h>

static struct io_uring ring;

static int opens(const char *name, int flags)
{
	io_uring_prep_openat(sqe_of(&ring), AT_FDCWD, name, flags, 0600);
	return run_one(&ring);
}

static int opens_how(const char *name, __u64 flags, __u64 resolve)
{
	struct open_how how = { .flags = flags, .resolve = resolve };

	io_uring_prep_openat2(sqe_of(&ring), AT_FDCWD, name, &how);
	return run_one(&ring);
}

/* Policies that know nothing of openat2(2) deny it to the engine as well. */
static int has_openat2(void)
{
	struct open_how how = { .flags = O_RDONLY };
	int fd = (int) syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how));

	close(fd);
	return fd >= 0;
}

int main(void)
{
	int fd, writer, at, results[64];
	struct stat status;

	need_op(IORING_OP_OPENAT2, "OPENAT2");
	enter_folder();
	must_init(64, &ring, 0);
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	close(file_with("file", "text", 4));
	/* The name is in the cache from here on. */
	CHECK_EQ(stat("fifo", &status), 0);
	fd = opens("fifo", O_RDONLY | O_CLOEXEC);
	if (fd == -EINTR)
		SKIP("this kernel opens in a worker only");
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_RDONLY);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	writer = opens("fifo", O_WRONLY | O_APPEND);
	CHECK(writer >= 0);
	CHECK_EQ(fcntl(writer, F_GETFL) & (O_NONBLOCK | O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
	close(fd);
	close(writer);
	CHECK_EQ(opens("fifo", O_WRONLY), -ENXIO);
	CHECK_EQ(opens("fifo", O_WRONLY | O_NONBLOCK), -ENXIO);
	if (has_openat2())
		CHECK_EQ(opens_how("fifo", O_WRONLY, 0), -ENXIO);
	fd = opens("fifo", O_RDONLY | O_NONBLOCK);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	close(fd);
	if (has_openat2()) {
		fd = opens_how("fifo", O_RDONLY, 0);
		CHECK(fd >= 0);
		CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
		close(fd);
		CHECK_EQ(opens_how("file", 1ull << 40, 0), -EINVAL);
	}
	fd = opens("fifo", O_PATH);
	CHECK(fd >= 0);
	close(fd);
	fd = opens("file", O_RDWR);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_RDWR);
	close(fd);
	CHECK_EQ(opens("none", O_RDONLY), -ENOENT);
	CHECK_EQ(opens("file/none", O_RDONLY), -ENOTDIR);
	CHECK_EQ(opens("file", O_RDONLY | O_DIRECTORY), -ENOTDIR);
	for (at = 0; at < 40; at++) {
		io_uring_prep_openat(sqe_of(&ring), AT_FDCWD, "fifo", O_RDONLY, 0);
		mark(ring.sq.sqes + ((ring.sq.sqe_tail - 1) & 63), at, 0);
	}
	io_uring_prep_openat(sqe_of(&ring), AT_FDCWD, "file", O_RDONLY | O_CREAT, 0600);
	mark(ring.sq.sqes + ((ring.sq.sqe_tail - 1) & 63), 40, 0);
	run_all(&ring, 41, results);
	for (at = 0; at <= 40; at++) {
		CHECK(results[at] >= 0);
		close(results[at]);
	}
	io_uring_queue_exit(&ring);
	return 0;
}
