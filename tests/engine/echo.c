/* A server with 1,000 connections echoes every byte to whom it belongs. */
#include "engine.h"

#define CONNECTIONS 1000
#define ROUNDS 5

static char buffers[CONNECTIONS][64];
static int clients[CONNECTIONS];

static void *client(void *argument)
{
	const struct sockaddr_in *address = argument;
	int at, round;

	for (at = 0; at < CONNECTIONS; at++)
		clients[at] = tcp_connect(address);
	for (round = 0; round < ROUNDS; round++) {
		for (at = 0; at < CONNECTIONS; at++) {
			int words[2] = { at, round };

			CHECK_EQ(send(clients[at], words, sizeof(words), 0), (int) sizeof(words));
		}
		for (at = 0; at < CONNECTIONS; at++) {
			int words[2];

			CHECK_EQ(recv(clients[at], words, sizeof(words), MSG_WAITALL), (int) sizeof(words));
			CHECK_EQ(words[0], at);
			CHECK_EQ(words[1], round);
		}
	}
	for (at = 0; at < CONNECTIONS; at++)
		close(clients[at]);
	return NULL;
}

int main(void)
{
	struct rlimit limit;
	struct sockaddr_in address;
	int listener, closed = 0, fds[CONNECTIONS], open = 0;
	struct io_uring ring;
	pthread_t thread;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	/* A pending request holds its file by a descriptor of its own. */
	if (limit.rlim_max < 5 * CONNECTIONS)
		SKIP("only %ld descriptors are allowed", (long) limit.rlim_max);
	engine_init(2048, &ring, 0);
	listener = tcp_listener(&address);
	CHECK_EQ(listen(listener, 1024), 0);
	CHECK_EQ(pthread_create(&thread, NULL, client, &address), 0);
	io_uring_prep_multishot_accept(sqe_of(&ring), listener, NULL, NULL, 0);
	io_uring_sqe_set_data64(&ring.sq.sqes[0], 1U << 30);
	while (closed < CONNECTIONS) {
		struct io_uring_cqe *cqe;
		unsigned head, count = 0;

		CHECK(io_uring_submit_and_wait(&ring, 1) >= 0);
		io_uring_for_each_cqe(&ring, head, cqe) {
			__u64 tag = cqe->user_data;
			int at = tag & 0xffff;

			count++;
			if (tag == 1U << 30) {
				CHECK(cqe->res >= 0 && cqe->flags & IORING_CQE_F_MORE);
				at = open++;
				fds[at] = cqe->res;
			} else if (tag & 1 << 16) {
				CHECK(cqe->res > 0);
			} else if (cqe->res == 0) {
				close(fds[at]);
				closed++;
				continue;
			} else {
				CHECK(cqe->res > 0);
				io_uring_prep_send(sqe_of(&ring), fds[at], buffers[at], cqe->res,
						   MSG_WAITALL);
				ring.sq.sqes[(ring.sq.sqe_tail - 1) & ring.sq.ring_mask].user_data =
					at | 1 << 16;
				continue;
			}
			io_uring_prep_recv(sqe_of(&ring), fds[at], buffers[at], sizeof(buffers[at]), 0);
			ring.sq.sqes[(ring.sq.sqe_tail - 1) & ring.sq.ring_mask].user_data = at;
		}
		io_uring_cq_advance(&ring, count);
	}
	CHECK_EQ(pthread_join(thread, NULL), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
