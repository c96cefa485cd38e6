/*
 * exit, _exit, exec, a thread's end and io_uring_queue_exit with operations in
 * flight: none of them hangs.
 */
#include "engine.h"

#include <linux/futex.h>

static void fill(struct io_uring *ring)
{
	struct __kernel_timespec late = { .tv_sec = 1000 };
	static char bytes[4];
	static uint32_t word;
	int ends[2], sockets[2];

	CHECK_EQ(pipe(ends), 0);
	tcp_pair(sockets);
	queue_read(ring, ends[0], bytes, 1, 1);
	io_uring_prep_timeout(sqe_of(ring), &late, 0, 0);
	io_uring_prep_recv(sqe_of(ring), sockets[0], bytes + 1, 1, 0);
	io_uring_prep_poll_multishot(sqe_of(ring), ends[0], POLLIN);
	io_uring_prep_futex_wait(sqe_of(ring), &word, 0, FUTEX_BITSET_MATCH_ANY,
				 2 | FUTEX_PRIVATE_FLAG, 0);
	CHECK_EQ(io_uring_submit(ring), 5);
}

static void *waits(void *ring)
{
	struct io_uring_cqe *cqe;

	io_uring_wait_cqe(ring, &cqe);
	return NULL;
}

static void *fills(void *ring)
{
	fill(ring);
	return NULL;
}

int main(int count, char **arguments)
{
	struct io_uring ring;
	int how;

	if (count > 1)
		return 0;
	for (how = 0; how < 5; how++) {
		pid_t pid = fork();

		if (!pid) {
			pthread_t thread;

			alarm(20);
			engine_init(16, &ring, how == 1 ? IORING_SETUP_SQPOLL : 0);
			if (how == 4)
				CHECK_EQ(pthread_create(&thread, NULL, fills, &ring) ||
					 pthread_join(thread, NULL), 0);
			else
				fill(&ring);
			if (how == 2)
				CHECK_EQ(pthread_create(&thread, NULL, waits, &ring), 0);
			usleep(20000);
			switch (how) {
			case 0:
			case 2:
				exit(0);
			case 1:
				_exit(0);
			case 3:
				execl("/proc/self/exe", arguments[0], "again", NULL);
				_exit(3);
			default:
				io_uring_queue_exit(&ring);
				_exit(0);
			}
		}
		reap(pid);
	}
	return 0;
}
