/*
 * A forked child that closed what it knows keeps nothing open: the peers of a socket and
 * of a pipe see their end when the parent has closed them too, whatever requests had
 * waited for them.
 */
#include "op-helpers.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct io_uring ring;

static void ends(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	CHECK_EQ(poll(&poller, 1, 5000), 1);
}

int main(void)
{
	int pair[2], pipes[2], registered[2], stop[2], results[8];
	char room[8], byte;
	pid_t child;

	must_init(8, &ring, 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, registered), 0);
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(pipe(stop), 0);
	CHECK_EQ(io_uring_register_files(&ring, &registered[0], 1), 0);
	io_uring_prep_recv(sqe_of(&ring), pair[0], room, 8, 0);
	mark(&ring.sq.sqes[0], 1, 0);
	io_uring_prep_poll_add(sqe_of(&ring), pipes[1], POLLERR);
	mark(&ring.sq.sqes[1], 2, 0);
	CHECK_EQ(io_uring_submit(&ring), 2);
	usleep(50000);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		close_both(pair);
		close_both(registered);
		close_both(pipes);
		close(stop[1]);
		_exit(read(stop[0], &byte, 1) != 0);
	}
	io_uring_prep_cancel64(sqe_of(&ring), 1, 0);
	mark(&ring.sq.sqes[2], 3, 0);
	io_uring_prep_cancel64(sqe_of(&ring), 2, 0);
	mark(&ring.sq.sqes[3], 4, 0);
	CHECK_EQ(io_uring_submit(&ring), 2);
	collect(&ring, 4, results);
	CHECK_EQ(io_uring_unregister_files(&ring), 0);
	usleep(20000);
	close(pair[0]);
	close(pipes[1]);
	close(registered[0]);
	ends(pair[1]);
	ends(pipes[0]);
	ends(registered[1]);
	/* The parent's ring goes on. */
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	close(stop[1]);
	CHECK_EQ(waitpid(child, results, 0), child);
	CHECK_EQ(results[0], 0);
	io_uring_queue_exit(&ring);
	return 0;
}
