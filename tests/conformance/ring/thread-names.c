/*
 * Names are looked up, and files made, where the submitting thread stands: with its own
 * working directory and umask once it called unshare(CLONE_FS), also while workers that
 * others started run. unshare(2).
 */
#include "op-helpers.h"

#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>

static pthread_barrier_t barrier;

static int opens(struct io_uring *ring, const char *name, int flags, unsigned more)
{
	struct io_uring_sqe *sqe = sqe_of(ring);

	io_uring_prep_openat(sqe, AT_FDCWD, name, flags, 0666);
	mark(sqe, 1, more);
	return run_one(ring);
}

static void reads_here(struct io_uring *ring, char expected, unsigned most)
{
	unsigned flags;
	char byte;

	for (flags = 0; flags <= most; flags += IOSQE_ASYNC) {
		int fd = opens(ring, "marker", O_RDONLY, flags);

		CHECK(fd >= 0);
		CHECK_EQ(read(fd, &byte, 1), 1);
		CHECK_EQ(byte, expected);
		close(fd);
	}
}

static void *apart(void *unused)
{
	struct io_uring ring;
	struct stat status;

	(void) unused;
	must_init(8, &ring, 0);
	/* Not by a worker: the kernel's keep what they were started with. */
	reads_here(&ring, 't', 0);
	CHECK_EQ(unshare(CLONE_FS), 0);
	CHECK_EQ(chdir("one"), 0);
	umask(077);
	reads_here(&ring, '1', IOSQE_ASYNC);
	CHECK_EQ(opens(&ring, "none", O_RDONLY, IOSQE_ASYNC), -ENOENT);
	close(opens(&ring, "made", O_CREAT | O_WRONLY, 0));
	CHECK_EQ(stat("made", &status), 0);
	CHECK_EQ(status.st_mode & 0777, 0600);
	io_uring_prep_mkdir(sqe_of(&ring), "folder", 0777);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(stat("folder", &status), 0);
	CHECK_EQ(status.st_mode & 0777, 0700);
	io_uring_prep_rename(sqe_of(&ring), "made", "renamed");
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(access("renamed", F_OK), 0);
	io_uring_prep_unlink(sqe_of(&ring), "renamed", 0);
	CHECK_EQ(run_one(&ring), 0);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	/* Others are at work with their own. */
	reads_here(&ring, '1', IOSQE_ASYNC);
	io_uring_queue_exit(&ring);
	return NULL;
}

static void put(const char *name, char byte)
{
	int fd = open(name, O_CREAT | O_WRONLY, 0600);

	CHECK_EQ(write(fd, &byte, 1), 1);
	close(fd);
}

int main(void)
{
	struct io_uring ring;
	struct stat status;
	pthread_t thread;

	need_op(IORING_OP_MKDIRAT, "MKDIRAT");
	enter_folder();
	umask(022);
	CHECK_EQ(mkdir("one", 0700), 0);
	put("marker", 't');
	put("one/marker", '1');
	CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
	must_init(8, &ring, 0);
	reads_here(&ring, 't', IOSQE_ASYNC);
	CHECK_EQ(pthread_create(&thread, NULL, apart, NULL), 0);
	pthread_barrier_wait(&barrier);
	reads_here(&ring, 't', IOSQE_ASYNC);
	close(opens(&ring, "made", O_CREAT | O_WRONLY, IOSQE_ASYNC));
	CHECK_EQ(stat("made", &status), 0);
	CHECK_EQ(status.st_mode & 0777, 0644);
	pthread_barrier_wait(&barrier);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
