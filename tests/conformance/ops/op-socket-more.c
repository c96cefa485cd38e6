/*
 * What a socket operation says of what is left. A receive on a stream says whether
 * more waits (IORING_CQE_F_SOCK_NONEMPTY); of TCP the end of the stream is more, of a
 * Unix socket it is not; datagrams are not told of. An accept on TCP says whether more
 * connections wait, on a Unix socket never. A bundle of a multishot receive takes its
 * length a turn. A multishot receive with a limit ends with it. A bundle sends all that
 * a stream's peer makes room for, and completes once. Linux 6.10, the limit 6.17;
 * observed on 6.18.
 */
#include "trace.h"

#include <pthread.h>
#include <sys/socket.h>

enum { MORE = IORING_CQE_F_SOCK_NONEMPTY };

static struct io_uring ring;
static struct pool pool;
static char space[1 << 17];

static void receive(int fd, unsigned size, int flags, int want, unsigned want_flags)
{
	unsigned got;

	io_uring_prep_recv(sqe_of(&ring), fd, space, size, flags);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, &got), want);
	CHECK_EQ(got, want_flags);
}

static void pair(int tcp, int fds[2])
{
	if (tcp)
		tcp_pair(fds);
	else
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

static void streams(int tcp)
{
	struct iovec part = { space, 4 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	unsigned end = tcp ? MORE : 0, got;
	int fds[2];

	pair(tcp, fds);
	CHECK_EQ(write(fds[0], space, 14), 14);
	usleep(20000);
	receive(fds[1], 4, MSG_PEEK, 4, MORE);
	receive(fds[1], 4, 0, 4, MORE);
	io_uring_prep_recvmsg(sqe_of(&ring), fds[1], &message, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, &got), 4);
	CHECK_EQ(got, MORE);
	receive(fds[1], 6, 0, 6, 0);
	CHECK_EQ(write(fds[0], space, 10), 10);
	CHECK_EQ(shutdown(fds[0], SHUT_WR), 0);
	usleep(20000);
	receive(fds[1], 4, 0, 4, MORE);
	receive(fds[1], 20, 0, 6, end);
	receive(fds[1], 6, 0, 0, end);
	close_both(fds);
}

static void datagrams(void)
{
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	CHECK_EQ(write(fds[0], space, 4), 4);
	CHECK_EQ(write(fds[0], space, 4), 4);
	receive(fds[1], 4, 0, 4, 0);
	close_both(fds);
}

static void accepts(void)
{
	struct sockaddr_in address;
	int listener = tcp_listener(&address), one = tcp_connect(&address), two = tcp_connect(&address);
	unsigned got;
	int i, fd;

	usleep(20000);
	for (i = 0; i < 2; i++) {
		io_uring_prep_accept(sqe_of(&ring), listener, NULL, NULL, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		fd = take(&ring, NULL, &got);
		CHECK(fd >= 0);
		CHECK_EQ(got, i ? 0 : MORE);
		close(fd);
	}
	close(one);
	close(two);
	close(listener);
}

static void multishot(int tcp, unsigned length, unsigned limit, unsigned ioprio, const char *text)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);
	int fds[2];

	pool_make(&ring, &pool, 8, 16, 1);
	pair(tcp, fds);
	CHECK_EQ(write(fds[0], space, 100), 100);
	usleep(20000);
	io_uring_prep_recv_multishot(sqe, fds[1], NULL, length, 0);
	sqe->ioprio |= (__u16) ioprio;
	sqe->file_index = limit;
	io_uring_sqe_set_buf_group(sqe, 1);
	mark(sqe, 1, IOSQE_BUFFER_SELECT);
	SUBMIT(&ring, 1, text);
	io_uring_prep_cancel64(sqe_of(&ring), 1, IORING_ASYNC_CANCEL_ALL);
	CHECK_EQ(io_uring_submit(&ring), 1);
	usleep(10000);
	io_uring_get_events(&ring);
	io_uring_cq_advance(&ring, io_uring_cq_ready(&ring));
	close_both(fds);
	pool_drop(&ring, &pool);
}

static void *drain(void *fd)
{
	long count = 0, ret;

	usleep(30000);
	while (count < 240000) {
		ret = read(*(int *) fd, space, sizeof(space));
		CHECK(ret > 0);
		count += ret;
	}
	return NULL;
}

static void send_all(void)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);
	int fds[2], small = 4096;
	unsigned short head;
	pthread_t reader;

	pool_make(&ring, &pool, 8, 30000, 1);
	pair(0, fds);
	CHECK_EQ(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	CHECK_EQ(pthread_create(&reader, NULL, drain, &fds[1]), 0);
	io_uring_prep_send_bundle(sqe, fds[0], 0, 0);
	io_uring_sqe_set_buf_group(sqe, 1);
	mark(sqe, 1, IOSQE_BUFFER_SELECT);
	SUBMIT(&ring, 1, "1:240000/1");
	CHECK_EQ(pthread_join(reader, NULL), 0);
	CHECK_EQ(io_uring_buf_ring_head(&ring, 1, &head), 0);
	CHECK_EQ(head, 8);
	/* Its peer goes: what was sent is told, and the chain ends. */
	for (small = 0; small < 8; small++)
		pool_give(&pool, (unsigned) small);
	sqe = sqe_of(&ring);
	io_uring_prep_send_bundle(sqe, fds[0], 0, MSG_NOSIGNAL);
	io_uring_sqe_set_buf_group(sqe, 1);
	mark(sqe, 1, IOSQE_BUFFER_SELECT | IOSQE_IO_LINK);
	sqe = sqe_of(&ring);
	io_uring_prep_nop(sqe);
	mark(sqe, 2, 0);
	SUBMIT(&ring, 2, "");
	close(fds[1]);
	CHECK(take(&ring, NULL, NULL) > 0);
	EXPECT(&ring, "2:-125");
	close(fds[0]);
	pool_drop(&ring, &pool);
}

static int has_limits(void)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	/* Refused before the descriptor is looked at. */
	io_uring_prep_recv_multishot(sqe, -1, NULL, 0, 0);
	sqe->file_index = 40;
	mark(sqe, 1, IOSQE_BUFFER_SELECT);
	return run_one(&ring) != -EINVAL;
}

int main(void)
{
	int tcp, limits;

	must_init(32, &ring, 0);
	if (!(ring.features & IORING_FEAT_RECVSEND_BUNDLE))
		SKIP("this kernel has no bundles");
	limits = has_limits();
	if (!limits)
		printf("note: this kernel has no limits of multishot receives\n");
	datagrams();
	accepts();
	for (tcp = 1; tcp >= 0; tcp--) {
		streams(tcp);
		multishot(tcp, 20, 0, IORING_RECVSEND_BUNDLE, "1:16/7 1:16/10007 1:16/20007 "
			  "1:16/30007 1:16/40007 1:16/50007 1:4/60003");
		if (limits)
			multishot(tcp, 0, 40, 0, "1:16/7 1:16/10007 1:16/20005");
	}
	send_all();
	RESULT("more");
	io_uring_queue_exit(&ring);
	return 0;
}
