/* Sends to a closed peer give -EPIPE and no SIGPIPE; writes give both, as the kernel's. */
#include "engine.h"

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
	(void) number;
	signals++;
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct msghdr message = { 0 };
	struct io_uring ring;
	int pair[2], round;

	CHECK_EQ(sigaction(SIGPIPE, &action, NULL), 0);
	engine_init(8, &ring, 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	for (round = 0; round < 2; round++) {
		struct io_uring_sqe *sqe = sqe_of(&ring);

		io_uring_prep_send(sqe, pair[0], "x", 1, 0);
		sqe->flags |= round ? IOSQE_ASYNC : 0;
		CHECK_EQ(run_one(&ring), -EPIPE);
		sqe = sqe_of(&ring);
		io_uring_prep_sendmsg(sqe, pair[0], &message, 0);
		sqe->flags |= round ? IOSQE_ASYNC : 0;
		CHECK_EQ(run_one(&ring), -EPIPE);
	}
	CHECK_EQ(signals, 0);
	io_uring_queue_exit(&ring);
	return 0;
}
