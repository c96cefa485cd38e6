/*
 * 10,000 rings, some with requests in flight, some closed without queue_exit, leave
 * no descriptor, no thread and no memory.
 */
#include "engine.h"

static long resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long size, pages;

	CHECK(file != NULL);
	CHECK_EQ(fscanf(file, "%ld %ld", &size, &pages), 2);
	fclose(file);
	return pages;
}

int main(void)
{
	struct __kernel_timespec late = { .tv_sec = 1000 };
	int ends[2], fds = 0, at;
	struct io_uring ring;
	long memory = 0;
	char byte;

	CHECK_EQ(pipe(ends), 0);
	for (at = 0; at < 10000; at++) {
		if (at == 1000) {
			memory = resident();
			fds = open_fds();
		}
		engine_init(4, &ring, at % 11 ? 0 : IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
		io_uring_prep_nop(sqe_of(&ring));
		if (at % 2)
			queue_read(&ring, ends[0], &byte, 1, 1);
		if (at % 3 == 0)
			io_uring_prep_timeout(sqe_of(&ring), &late, 0, 0);
		CHECK(io_uring_submit(&ring) > 0);
		io_uring_queue_exit(&ring);
	}
	/* The driver lets go of the last ones in a moment. */
	for (at = 0; at < 100 && open_fds() > fds + 8; at++)
		usleep(20000);
	CHECK(open_fds() <= fds + 8);
	CHECK(threads_now() <= 4);
	CHECK(resident() - memory < 2048);
	return 0;
}
