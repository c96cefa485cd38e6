/*
 * Receives on a socket where the ones before had to wait: what is there at submission
 * is taken at submission, in order, before whatever is submitted next. Linux 5.6;
 * io_uring_prep_recv(3).
 */
#include "op-helpers.h"

static struct io_uring ring;
static int fds[2];

/* Receives that have to wait. */
static void wait_often(void)
{
	char byte;
	int i;

	for (i = 0; i < 3; i++) {
		io_uring_prep_recv(sqe_of(&ring), fds[1], &byte, 1, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(send(fds[0], "w", 1, 0), 1);
		CHECK_EQ(take(&ring, NULL, NULL), 1);
	}
}

static void put(const char *text)
{
	CHECK_EQ(send(fds[0], text, strlen(text), 0), (int) strlen(text));
}

/* Queues a receive. */
static struct io_uring_sqe *get(char *to, unsigned size, __u64 tag, int flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_recv(sqe, fds[1], to, size, flags);
	mark(sqe, tag, 0);
	return sqe;
}

int main(void)
{
	char data[4][8] = { "" };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int results[4], ends[2], group;

	must_init(8, &ring, 0);
	need_op(IORING_OP_RECV, "receives");
	tcp_pair(fds);

	/* It shows without a wait. */
	wait_often();
	put("ab");
	get(data[0], 2, 0, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), 0);
	CHECK_EQ(take(&ring, NULL, NULL), 2);
	CHECK(!memcmp(data[0], "ab", 2));

	/* The first gets the first. */
	wait_often();
	put("first2nd");
	get(data[0], 5, 0, 0);
	get(data[1], 3, 1, 0);
	run_all(&ring, 2, results);
	CHECK_EQ(results[0], 5);
	CHECK_EQ(results[1], 3);
	CHECK(!memcmp(data[0], "first", 5));
	CHECK(!memcmp(data[1], "2nd", 3));

	/* Whatever the second is. */
	wait_often();
	put("recvread");
	get(data[0], 4, 0, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, fds[1], data[1], 4, 0);
	mark(sqe, 1, 0);
	run_all(&ring, 2, results);
	CHECK_EQ(results[0], 4);
	CHECK_EQ(results[1], 4);
	CHECK(!memcmp(data[0], "recv", 4));
	CHECK(!memcmp(data[1], "read", 4));

	/* There is nothing left to cancel. */
	wait_often();
	put("c");
	get(data[0], 1, 0, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_cancel64(sqe, 0, 0);
	mark(sqe, 1, 0);
	run_all(&ring, 2, results);
	CHECK_EQ(results[0], 1);
	CHECK_EQ(results[1], -ENOENT);

	/* What needs no data, or must not wait, does not. */
	wait_often();
	get(data[0], 0, 0, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	group = io_uring_peek_cqe(&ring, &cqe);
	RESULT("a receive of nothing: %d", group);
	if (group)
		put("n");
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	if (group)
		CHECK_EQ(recv(fds[1], data[0], 1, 0), 1);
	get(data[0], 1, 0, MSG_DONTWAIT);
	CHECK_EQ(run_one(&ring), -EAGAIN);
	sqe = get(NULL, 1, 0, 0);
	mark(sqe, 0, IOSQE_BUFFER_SELECT);
	sqe->buf_group = 77;
	CHECK_EQ(run_one(&ring), -ENOBUFS);

	/* A pipe's end that shares the number is no socket. */
	wait_often();
	put("x");
	get(data[0], 1, 0, 0);
	sqe = sqe_of(&ring);
	io_uring_prep_close(sqe, fds[1]);
	mark(sqe, 1, 0);
	run_all(&ring, 2, results);
	CHECK_EQ(results[0], 1);
	CHECK_EQ(results[1], 0);
	CHECK_EQ(data[0][0], 'x');
	CHECK_EQ(recv(fds[0], data[0], 1, 0), 0);
	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(dup2(ends[0], fds[1]), fds[1]);
	get(data[0], 1, 0, 0);
	CHECK_EQ(run_one(&ring), -ENOTSOCK);
	close_both(ends);
	close_both(fds);
	io_uring_queue_exit(&ring);
	return 0;
}
