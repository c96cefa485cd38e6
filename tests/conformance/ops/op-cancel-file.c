/*
 * Cancellation by descriptor means the open file: through a duplicate, between ordinary
 * and registered descriptors, and not by a number that names another file by now.
 * Linux 5.19; io_uring_prep_cancel_fd(3).
 */
#include "op-helpers.h"

#include <poll.h>
#include <sys/socket.h>

static struct io_uring ring;
static char room[8];

static int cancel(int fd, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);
	int results[4] = { 0 };

	io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL | flags);
	mark(sqe, 2, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	collect(&ring, 1, results);
	if (results[2] == 0 && results[1] == 0)
		return 0;
	collect(&ring, 1, results);
	CHECK_EQ(results[1], -ECANCELED);
	return results[2];
}

static void waits_on(int fd, unsigned flags, int receives)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	if (receives == 2)
		io_uring_prep_poll_add(sqe, fd, POLLIN);
	else if (receives)
		io_uring_prep_recv(sqe, fd, room, 8, 0);
	else
		io_uring_prep_read(sqe, fd, room, 8, 0);
	mark(sqe, 1, flags);
	CHECK_EQ(io_uring_submit(&ring), 1);
	nothing_yet(&ring);
}

int main(void)
{
	struct io_uring_sync_cancel_reg reg = { .flags = IORING_ASYNC_CANCEL_FD, .timeout = { 1, 0 } };
	int pair[2], other[2], copy, kind, ret;

	must_init(8, &ring, 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
	io_uring_prep_cancel_fd(sqe_of(&ring), other[0], IORING_ASYNC_CANCEL_ALL);
	ret = run_one(&ring);
	if (ret == -EINVAL)
		SKIP("this kernel cannot cancel by descriptor");
	for (kind = 0; kind < 3; kind++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		copy = dup(pair[0]);
		CHECK_EQ(io_uring_register_files(&ring, (int[]) { copy, other[0] }, 2), 0);
		/* Through a duplicate, and not through the other end or another file. */
		waits_on(pair[0], 0, kind);
		CHECK_EQ(cancel(pair[1], 0), 0);
		CHECK_EQ(cancel(other[0], 0), 0);
		CHECK_EQ(cancel(copy, 0), 1);
		/* A registered file by a descriptor, and the other way round. */
		waits_on(0, IOSQE_FIXED_FILE, kind);
		CHECK_EQ(cancel(1, IORING_ASYNC_CANCEL_FD_FIXED), 0);
		CHECK_EQ(cancel(pair[0], 0), 1);
		waits_on(pair[0], 0, kind);
		CHECK_EQ(cancel(1, IORING_ASYNC_CANCEL_FD_FIXED), 0);
		CHECK_EQ(cancel(0, IORING_ASYNC_CANCEL_FD_FIXED), 1);
		/* The number was used again. */
		waits_on(pair[0], 0, kind);
		CHECK_EQ(dup2(other[0], pair[0]), pair[0]);
		CHECK_EQ(cancel(pair[0], 0), 0);
		CHECK_EQ(cancel(copy, 0), 1);
		/* The same by a register call. */
		waits_on(copy, 0, kind);
		reg.fd = pair[0];
		CHECK_EQ(io_uring_register_sync_cancel(&ring, &reg), -ENOENT);
		CHECK_EQ(dup2(copy, pair[0]), pair[0]);
		CHECK_EQ(io_uring_register_sync_cancel(&ring, &reg), 0);
		CHECK_EQ(take(&ring, NULL, NULL), -ECANCELED);
		CHECK_EQ(io_uring_unregister_files(&ring), 0);
		close(copy);
		close_both(pair);
	}
	io_uring_queue_exit(&ring);
	return 0;
}
