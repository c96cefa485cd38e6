/*
 * What is wrong with a splice or a tee is found at once, not when there is something to
 * move: offsets of pipes, a pipe to itself, outputs that append, files that cannot be
 * spliced. splice(2), tee(2).
 */
#include "op-helpers.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

static struct io_uring ring;

static int moves(int from, __s64 from_at, int to, __s64 to_at)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_splice(sqe, from, from_at, to, to_at, 16, 0);
	return run_one(&ring);
}

static int tees(int from, int to)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_tee(sqe, from, to, 16, 0);
	return run_one(&ring);
}

int main(void)
{
	int one[2], two[2], pair[2], file, appends, reads, counter, kept;
	struct io_uring_sqe *sqe;
	char back[8];

	need_op(IORING_OP_TEE, "TEE");
	enter_folder();
	must_init(4, &ring, 0);
	CHECK_EQ(pipe(one), 0);
	CHECK_EQ(pipe(two), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	file = file_with("file", "0123456789", 10);
	appends = open("file", O_WRONLY | O_APPEND);
	reads = open("file", O_RDONLY);
	counter = eventfd(0, 0);

	CHECK_EQ(moves(one[0], 0, two[1], -1), -ESPIPE);
	CHECK_EQ(moves(one[0], -1, two[1], 0), -ESPIPE);
	CHECK_EQ(moves(one[0], 3, file, 0), -ESPIPE);
	CHECK_EQ(moves(file, 0, one[1], 3), -ESPIPE);
	CHECK_EQ(moves(one[0], 0, one[1], -1), -ESPIPE);
	CHECK_EQ(moves(one[0], -1, one[1], -1), -EINVAL);
	CHECK_EQ(moves(one[0], -1, appends, -1), -EINVAL);
	CHECK_EQ(moves(one[0], -1, appends, 0), -EINVAL);
	CHECK_EQ(moves(one[0], -1, file, -5), -EINVAL);
	CHECK_EQ(moves(file, -5, one[1], -1), -EINVAL);
	CHECK_EQ(moves(pair[0], 0, one[1], -1), -EINVAL);
	CHECK_EQ(moves(one[0], -1, pair[0], 0), -EINVAL);
	CHECK_EQ(moves(one[0], -1, counter, -1), -EINVAL);
	CHECK_EQ(moves(counter, -1, one[1], -1), -EINVAL);
	CHECK_EQ(moves(one[0], -1, reads, -1), -EBADF);
	CHECK_EQ(moves(one[1], -1, file, -1), -EBADF);
	CHECK_EQ(moves(one[0], -1, 999, -1), -EBADF);
	CHECK_EQ(tees(one[0], one[1]), -EINVAL);
	CHECK_EQ(tees(one[0], file), -EINVAL);

	/* One that waits goes on with its files, whatever becomes of the descriptors. */
	kept = dup(two[1]);
	sqe = sqe_of(&ring);
	io_uring_prep_splice(sqe, one[0], -1, two[1], -1, 5, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
	CHECK_EQ(dup2(file, two[1]), two[1]);
	CHECK_EQ(write(one[1], "hello", 5), 5);
	CHECK_EQ(take(&ring, NULL, NULL), 5);
	CHECK_EQ(read(two[0], back, 8), 5);
	CHECK(!memcmp(back, "hello", 5));
	close(kept);
	/* A broken pipe is an error, and no signal: the write is a worker's. */
	close(two[0]);
	CHECK_EQ(pipe(two), 0);
	close(two[0]);
	CHECK_EQ(write(one[1], "hello", 5), 5);
	CHECK_EQ(moves(one[0], -1, two[1], -1), -EPIPE);
	io_uring_queue_exit(&ring);
	return 0;
}
