/*
 * A request keeps its file open while it pends and not a moment longer: who closes a
 * descriptor after completions ends the connection, the pipe, the lock, the listener.
 * Descriptors that waited often, were closed and reused name the new file. Linux 5.6;
 * io_uring_prep_recv(3), close(2).
 */
#include "op-helpers.h"

#include <sys/file.h>

static struct io_uring ring;

/* A receive that has to wait, again and again: what is kept for the next is there. */
static void wait_often(int fd, int peer, int times)
{
	char byte = 0;
	int i;

	for (i = 0; i < times; i++) {
		io_uring_prep_recv(sqe_of(&ring), fd, &byte, 1, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(send(peer, i % 2 ? "1" : "0", 1, 0), 1);
		CHECK_EQ(take(&ring, NULL, NULL), 1);
		CHECK_EQ(byte, i % 2 ? '1' : '0');
	}
}

static void is_open(int peer)
{
	char byte;

	CHECK_EQ(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
	CHECK_EQ(errno, EAGAIN);
}

static void has_ended(int peer)
{
	char byte;

	CHECK_EQ(recv(peer, &byte, 1, MSG_DONTWAIT), 0);
}

/* Between requests nothing holds the connection. */
static void closed_between(void)
{
	int fds[2], i;

	for (i = 0; i < 40; i++) {
		tcp_pair(fds);
		wait_often(fds[1], fds[0], i % 4);
		is_open(fds[0]);
		close(fds[1]);
		has_ended(fds[0]);
		close(fds[0]);
	}
}

/* A pending one does, until it completes or is cancelled. */
static void closed_while_pending(void)
{
	char byte = 0, last;
	int fds[2], i;

	for (i = 0; i < 8; i++) {
		struct io_uring_sqe *sqe;
		int results[3] = { 0 };

		tcp_pair(fds);
		wait_often(fds[1], fds[0], i);
		sqe = sqe_of(&ring);
		io_uring_prep_recv(sqe, fds[1], &byte, 1, 0);
		mark(sqe, 1, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		close(fds[1]);
		nothing_yet(&ring);
		is_open(fds[0]);
		if (i % 2) {
			CHECK_EQ(send(fds[0], "x", 1, 0), 1);
			collect(&ring, 1, results);
			CHECK_EQ(results[1], 1);
			CHECK_EQ(byte, 'x');
		} else {
			sqe = sqe_of(&ring);
			io_uring_prep_cancel64(sqe, 1, 0);
			mark(sqe, 2, 0);
			CHECK_EQ(io_uring_submit(&ring), 1);
			collect(&ring, 2, results);
			CHECK_EQ(results[1], -ECANCELED);
			CHECK_EQ(results[2], 0);
		}
		CHECK_EQ(recv(fds[0], &last, 1, 0), 0);
		close(fds[0]);
	}
}

/* Puts a file where another was that receives had waited on. */
static void reuse(int number, int fd)
{
	close(number);
	CHECK_EQ(fcntl(fd, F_DUPFD, number), number);
	close(fd);
}

static void reused_by_others(void)
{
	int fds[2], others[2], ends[2], number, i;
	char byte = 0;

	for (i = 0; i < 6; i++) {
		tcp_pair(fds);
		wait_often(fds[1], fds[0], i);
		number = fds[1];
		tcp_pair(others);
		if (i % 2) {
			reuse(number, others[1]);
		} else {
			CHECK_EQ(dup2(others[1], number), number);
			close(others[1]);
		}
		has_ended(fds[0]);
		wait_often(number, others[0], 3);
		/* Something is there already. */
		CHECK_EQ(send(others[0], "r", 1, 0), 1);
		io_uring_prep_recv(sqe_of(&ring), number, &byte, 1, 0);
		CHECK_EQ(run_one(&ring), 1);
		CHECK_EQ(byte, 'r');

		reuse(number, socket(AF_INET, SOCK_STREAM, 0));
		has_ended(others[0]);
		io_uring_prep_recv(sqe_of(&ring), number, &byte, 1, 0);
		CHECK_EQ(run_one(&ring), -ENOTCONN);
		close(others[0]);

		CHECK_EQ(pipe(ends), 0);
		reuse(number, ends[0]);
		io_uring_prep_recv(sqe_of(&ring), number, &byte, 1, 0);
		CHECK_EQ(run_one(&ring), -ENOTSOCK);
		io_uring_prep_read(sqe_of(&ring), number, &byte, 1, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(write(ends[1], "p", 1), 1);
		CHECK_EQ(take(&ring, NULL, NULL), 1);
		CHECK_EQ(byte, 'p');
		close(ends[1]);

		reuse(number, socket(AF_INET, SOCK_STREAM, 0));
		CHECK_EQ(listen(number, 1), 0);
		io_uring_prep_recv(sqe_of(&ring), number, &byte, 1, 0);
		CHECK_EQ(run_one(&ring), -ENOTCONN);

		reuse(number, open("/dev/zero", O_RDONLY));
		io_uring_prep_recv(sqe_of(&ring), number, &byte, 1, 0);
		CHECK_EQ(run_one(&ring), -ENOTSOCK);
		close(number);
		io_uring_prep_recv(sqe_of(&ring), number, &byte, 1, 0);
		CHECK_EQ(run_one(&ring), -EBADF);
		close(fds[0]);
	}
}

/* The same open file under another number, and alive after the first is closed. */
static void two_numbers(void)
{
	int fds[2], number;

	tcp_pair(fds);
	wait_often(fds[1], fds[0], 3);
	number = dup(fds[1]);
	wait_often(number, fds[0], 3);
	close(fds[1]);
	wait_often(number, fds[0], 3);
	CHECK_EQ(dup2(number, fds[1]), fds[1]);
	close(number);
	wait_often(fds[1], fds[0], 3);
	is_open(fds[0]);
	close(fds[1]);
	has_ended(fds[0]);
	close(fds[0]);
}

/* A descriptor on its way through a Unix socket. */
static void passed_on(void)
{
	char data[1] = "", control[CMSG_SPACE(sizeof(int))];
	struct iovec vector = { data, 1 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fds[2], carrier[2], number;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, carrier), 0);
	tcp_pair(fds);
	wait_often(fds[1], fds[0], 3);
	memset(control, 0, sizeof(control));
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fds[1], sizeof(int));
	CHECK_EQ(sendmsg(carrier[0], &message, 0), 1);
	close(fds[1]);
	is_open(fds[0]);
	CHECK_EQ(recvmsg(carrier[1], &message, 0), 1);
	memcpy(&number, CMSG_DATA(header), sizeof(int));
	wait_often(number, fds[0], 3);
	close(number);
	has_ended(fds[0]);
	close(fds[0]);
	close_both(carrier);
}

static void shut_down(void)
{
	int fds[2], i;
	char byte;

	for (i = 0; i < 4; i++) {
		tcp_pair(fds);
		wait_often(fds[1], fds[0], i);
		io_uring_prep_recv(sqe_of(&ring), fds[1], &byte, 1, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(shutdown(i % 2 ? fds[1] : fds[0], i % 2 ? SHUT_RD : SHUT_WR), 0);
		CHECK_EQ(take(&ring, NULL, NULL), 0);
		io_uring_prep_recv(sqe_of(&ring), fds[1], &byte, 1, 0);
		CHECK_EQ(run_one(&ring), 0);
		close_both(fds);
	}
}

/* The port of a listener that accepts have waited on is free when it is closed. */
static void listener_closed(void)
{
	struct sockaddr_in address;
	int listener = tcp_listener(&address), on = 1, i;

	for (i = 0; i < 6; i++) {
		int client, server;

		io_uring_prep_accept(sqe_of(&ring), listener, NULL, NULL, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		client = tcp_connect(&address);
		server = take(&ring, NULL, NULL);
		CHECK(server >= 0);
		/* The client's side is the one that has to linger. */
		close(client);
		close(server);
		close(listener);
		listener = socket(AF_INET, SOCK_STREAM, 0);
		CHECK_EQ(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
		CHECK_EQ(bind(listener, (struct sockaddr *) &address, sizeof(address)), 0);
		CHECK_EQ(listen(listener, 4), 0);
	}
	close(listener);
}

/* Ends of pipes, and a lock that belongs to an open file. */
static void pipes(void)
{
	static char many[1 << 20];
	int ends[2], other, i;
	ssize_t count;
	char byte;

	enter_folder();
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	for (i = 0; i < 4; i++) {
		CHECK_EQ(pipe(ends), 0);
		CHECK_EQ(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
		while (write(ends[1], many, 65536) > 0)
			;
		CHECK_EQ(fcntl(ends[1], F_SETFL, 0), 0);
		io_uring_prep_write(sqe_of(&ring), ends[1], "w", 1, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK(read(ends[0], many, sizeof(many)) > 0);
		CHECK_EQ(take(&ring, NULL, NULL), 1);
		close(ends[1]);
		while ((count = read(ends[0], many, sizeof(many))) > 0)
			;
		CHECK_EQ(count, 0);
		close(ends[0]);

		ends[0] = open("fifo", O_RDWR);
		CHECK(ends[0] >= 0);
		CHECK_EQ(flock(ends[0], LOCK_EX), 0);
		io_uring_prep_read(sqe_of(&ring), ends[0], &byte, 1, 0);
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(write(ends[0], "f", 1), 1);
		CHECK_EQ(take(&ring, NULL, NULL), 1);
		close(ends[0]);
		other = open("fifo", O_RDWR);
		CHECK_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
		close(other);
	}
}

/* Registered files: gone with the table and the descriptor. */
static void registered(void)
{
	int fds[2], i;

	tcp_pair(fds);
	CHECK_EQ(io_uring_register_files(&ring, &fds[1], 1), 0);
	for (i = 0; i < 6; i++) {
		struct io_uring_sqe *sqe = sqe_of(&ring);
		char byte = 0;

		io_uring_prep_recv(sqe, 0, &byte, 1, 0);
		mark(sqe, 0, IOSQE_FIXED_FILE);
		CHECK_EQ(io_uring_submit(&ring), 1);
		CHECK_EQ(send(fds[0], "f", 1, 0), 1);
		CHECK_EQ(take(&ring, NULL, NULL), 1);
		CHECK_EQ(byte, 'f');
	}
	wait_often(fds[1], fds[0], 3);
	close(fds[1]);
	is_open(fds[0]);
	CHECK_EQ(io_uring_unregister_files(&ring), 0);
	CHECK_EQ(recv(fds[0], &i, 1, 0), 0);
	close(fds[0]);
}

/* Many at a time. */
static void all_at_once(void)
{
	enum { PAIRS = 20 };
	static char bytes[PAIRS];
	int fds[PAIRS][2], results[PAIRS], round, i;

	for (i = 0; i < PAIRS; i++)
		tcp_pair(fds[i]);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < PAIRS; i++) {
			struct io_uring_sqe *sqe = sqe_of(&ring);

			io_uring_prep_recv(sqe, fds[i][1], &bytes[i], 1, 0);
			mark(sqe, (__u64) i, 0);
		}
		CHECK_EQ(io_uring_submit(&ring), PAIRS);
		/* In the last round every third waits longer than the others. */
		for (i = 0; i < PAIRS; i++)
			if (round < 4 || i % 3)
				CHECK_EQ(send(fds[i][0], &"abcdefghijklmnopqrst"[i], 1, 0), 1);
		collect(&ring, round < 4 ? PAIRS : PAIRS - (PAIRS + 2) / 3, results);
		for (i = 0; i < PAIRS; i++)
			if (round < 4 || i % 3)
				CHECK(results[i] == 1 && bytes[i] == 'a' + i);
	}
	for (i = 0; i < PAIRS; i++) {
		close(fds[i][1]);
		if (i % 3) {
			has_ended(fds[i][0]);
		} else {
			is_open(fds[i][0]);
			CHECK_EQ(send(fds[i][0], "z", 1, 0), 1);
			collect(&ring, 1, results);
			CHECK(results[i] == 1 && bytes[i] == 'z');
			CHECK_EQ(recv(fds[i][0], &bytes[i], 1, 0), 0);
		}
		close(fds[i][0]);
	}
}

/* Descriptors this process has open. */
static int open_fds(void)
{
	int count = 0, fd;

	for (fd = 0; fd < 4096; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

int main(void)
{
	int before;

	must_init(32, &ring, 0);
	before = open_fds();
	need_op(IORING_OP_RECV, "receives");
	closed_between();
	closed_while_pending();
	reused_by_others();
	two_numbers();
	passed_on();
	shut_down();
	listener_closed();
	pipes();
	registered();
	all_at_once();
	/* The userspace engine may have started its thread, which has two. */
	CHECK(open_fds() <= before + 2);
	io_uring_queue_exit(&ring);
	return 0;
}
