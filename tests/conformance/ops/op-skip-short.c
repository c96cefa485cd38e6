/*
 * IOSQE_CQE_SKIP_SUCCESS hides what went well in full: a transfer that moved less
 * than it was asked for posts its count, and ends its chain. Linux 5.17.
 */
#include "op-helpers.h"

#include <fcntl.h>
#include <sys/socket.h>

static struct io_uring ring;
static char buffer[1 << 20];
static struct iovec vector;
static struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1 };

enum kind { READ, READV, SEND, SENDMSG, RECV, RECVMSG, SPLICE };

static struct io_uring_sqe *queue(enum kind kind, int fd, int other, unsigned length, int flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	vector = (struct iovec) { buffer, length };
	switch (kind) {
	case READ:
		io_uring_prep_read(sqe, fd, buffer, length, 0);
		break;
	case READV:
		io_uring_prep_readv(sqe, fd, &vector, 1, 0);
		break;
	case SEND:
		io_uring_prep_send(sqe, fd, buffer, length, flags);
		break;
	case SENDMSG:
		io_uring_prep_sendmsg(sqe, fd, &header, (unsigned) flags);
		break;
	case RECV:
		io_uring_prep_recv(sqe, fd, buffer, length, flags);
		break;
	case RECVMSG:
		io_uring_prep_recvmsg(sqe, fd, &header, (unsigned) flags);
		break;
	case SPLICE:
		io_uring_prep_splice(sqe, fd, -1, other, -1, length, 0);
		break;
	}
	return sqe;
}

/* Skipping its success, the request says how much it moved if it fell short. */
static int short_result(const char *what, enum kind kind, int fd, int other, unsigned length,
			int flags)
{
	int results[3] = { -1, -1, -1 };

	mark(queue(kind, fd, other, length, flags), 1, IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK);
	io_uring_prep_nop(sqe_of(&ring));
	mark(&ring.sq.sqes[(ring.sq.sqe_tail - 1) & ring.sq.ring_mask], 2, 0);
	CHECK_EQ(io_uring_submit(&ring), 2);
	/* Which is all: what follows a request with skips is cancelled in silence. */
	collect(&ring, 1, results);
	nothing_yet(&ring);
	RESULT("%s: %s, next %d", what, results[1] < 0 ? "nothing" : "a count", results[2]);
	CHECK(results[1] >= 0);
	CHECK((unsigned) results[1] < length);
	CHECK_EQ(results[2], -1);
	return results[1];
}

/* In full it says nothing, and the next one runs. */
static void full(enum kind kind, int fd, int other, unsigned length, int flags)
{
	int results[3] = { -1, -1, -1 };

	mark(queue(kind, fd, other, length, flags), 1, IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK);
	io_uring_prep_nop(sqe_of(&ring));
	mark(&ring.sq.sqes[(ring.sq.sqe_tail - 1) & ring.sq.ring_mask], 2, 0);
	CHECK_EQ(io_uring_submit(&ring), 2);
	collect(&ring, 1, results);
	CHECK_EQ(results[1], -1);
	CHECK_EQ(results[2], 0);
	nothing_yet(&ring);
}

static void empty(int fd)
{
	while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
		;
}

int main(void)
{
	int fd, pipes[2], others[2], pair[2];
	enum kind kind;

	must_init(8, &ring, 0);
	if (!(ring.features & IORING_FEAT_CQE_SKIP))
		SKIP("this kernel cannot skip completions");
	enter_folder();
	fd = open("file", O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "0123456789", 10), 10);
	CHECK_EQ(pipe(pipes), 0);
	CHECK_EQ(pipe(others), 0);

	CHECK_EQ(short_result("read", READ, fd, -1, 20, 0), 10);
	CHECK_EQ(short_result("readv", READV, fd, -1, 20, 0), 10);
	full(READ, fd, -1, 10, 0);
	full(READV, fd, -1, 10, 0);
	CHECK_EQ(write(pipes[1], "0123456789", 10), 10);
	CHECK_EQ(short_result("splice", SPLICE, pipes[0], others[1], 20, 0), 10);
	CHECK_EQ(write(pipes[1], "0123456789", 10), 10);
	full(SPLICE, pipes[0], others[1], 10, 0);

	for (kind = SEND; kind <= SENDMSG; kind++) {
		const char *what = kind == SEND ? "send" : "sendmsg";

		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		CHECK(short_result(what, kind, pair[0], -1, sizeof(buffer),
				   MSG_WAITALL | MSG_DONTWAIT) > 0);
		empty(pair[1]);
		full(kind, pair[0], -1, 1000, MSG_WAITALL | MSG_DONTWAIT);
		close_both(pair);
	}
	for (kind = RECV; kind <= RECVMSG; kind++) {
		const char *what = kind == RECV ? "recv" : "recvmsg";

		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		CHECK_EQ(write(pair[1], "0123456789", 10), 10);
		full(kind, pair[0], -1, 10, MSG_WAITALL);
		/* Without MSG_WAITALL less than the room is no failure. */
		CHECK_EQ(write(pair[1], "0123456789", 10), 10);
		full(kind, pair[0], -1, 20, 0);
		CHECK_EQ(write(pair[1], "0123456789", 10), 10);
		CHECK_EQ(short_result(what, kind, pair[0], -1, 20, MSG_WAITALL | MSG_DONTWAIT), 10);
		CHECK_EQ(write(pair[1], "0123456789", 10), 10);
		CHECK_EQ(shutdown(pair[1], SHUT_WR), 0);
		CHECK_EQ(short_result(what, kind, pair[0], -1, 20, MSG_WAITALL), 10);
		close_both(pair);
	}
	close_both(pipes);
	close_both(others);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
