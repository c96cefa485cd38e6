/*
 * No thread can be started: what needs one completes with an error or is done
 * otherwise, nothing hangs and nothing is lost.
 */
#include "engine.h"

#include <linux/futex.h>

static void *idles(void *unused)
{
	pause();
	return unused;
}

/*
 * Goes on as another user, in a child; the parent waits, since only its user can remove
 * the folder.
 */
static void leave_root(void)
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (child > 0) {
		CHECK_EQ(waitpid(child, &status, 0), child);
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	one_folder[0] = 0;
	if (setresuid(65534, 65534, 65534))
		SKIP("the user cannot be changed, and root has no limit of threads");
}

int main(void)
{
	struct rlimit none = { 0, 0 };
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	static uint32_t word;
	int file, ends[2], at;
	char bytes[64];

	enter_folder();
	CHECK_EQ(chmod(".", 0777), 0);
	file = file_with("file", "12345678", 8);
	/* The engine's library may lie where another user finds nothing. */
	engine_init(1, &ring, 0);
	io_uring_queue_exit(&ring);
	if (getuid() == 0)
		leave_root();
	CHECK_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
	if (!pthread_create(&(pthread_t){ 0 }, NULL, idles, NULL))
		SKIP("threads can be started all the same");
	CHECK_EQ(pipe(ends), 0);
	engine_init(32, &ring, 0);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	for (at = 0; at < 8; at++) {
		sqe = sqe_of(&ring);
		io_uring_prep_fsync(sqe, file, 0);
		sqe = sqe_of(&ring);
		io_uring_prep_read(sqe, file, bytes, 8, 0);
		sqe->flags |= IOSQE_ASYNC;
	}
	CHECK_EQ(io_uring_submit(&ring), 16);
	for (at = 0; at < 16; at++) {
		int res = take(&ring, NULL, NULL);

		CHECK(res == 0 || res == 8 || res == -EAGAIN);
	}
	io_uring_prep_futex_wait(sqe_of(&ring), &word, 0, FUTEX_BITSET_MATCH_ANY,
				 2 | FUTEX_PRIVATE_FLAG, 0);
	CHECK_EQ(run_one(&ring), -EAGAIN);
	/* Without a driver, too, a waiting program makes progress. */
	queue_read(&ring, ends[0], bytes, 1, 1);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(write(ends[1], "x", 1), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 1);
	io_uring_queue_exit(&ring);
	CHECK_EQ(io_uring_queue_init(4, &ring, IORING_SETUP_SQPOLL), -EAGAIN);
	return 0;
}
