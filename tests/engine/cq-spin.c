/* A thread that only looks at the CQ tail in memory sees completions of all kinds. */
#include "engine.h"

static void until(struct io_uring *ring, unsigned count)
{
	long end = now_ms() + 5000;
	unsigned got = 0;

	while ((got += take_inline(ring)) < count) {
		CHECK(now_ms() < end);
		sched_yield();
	}
	CHECK_EQ(got, count);
}

int main(void)
{
	struct __kernel_timespec soon = { .tv_nsec = 3000000 };
	struct io_uring ring;
	int ends[2], sockets[2], file, round;
	char bytes[8];

	engine_init(16, &ring, 0);
	enter_folder();
	file = file_with("file", "12345678", 8);
	CHECK_EQ(pipe(ends), 0);
	tcp_pair(sockets);
	for (round = 0; round < 20; round++) {
		queue_read(&ring, ends[0], bytes, 1, 1);
		io_uring_prep_timeout(sqe_of(&ring), &soon, 0, 0);
		io_uring_prep_recv(sqe_of(&ring), sockets[0], bytes + 1, 1, 0);
		io_uring_prep_fsync(sqe_of(&ring), file, 0);
		queue_read(&ring, file, bytes + 2, 4, 2);
		CHECK_EQ(io_uring_submit(&ring), 5);
		if (round % 2)
			usleep(50000);
		CHECK_EQ(write(ends[1], "x", 1), 1);
		CHECK_EQ(send(sockets[1], "y", 1, 0), 1);
		until(&ring, 5);
	}
	close_both(ends);
	close_both(sockets);
	io_uring_queue_exit(&ring);
	return 0;
}
