/*
 * Many reads and writes of a file at the same time need no descriptor each.
 */
#include "engine.h"

#define MANY 500

int main(void)
{
	static char pages[MANY][64];
	struct rlimit tight = { 64, 64 };
	struct io_uring ring;
	int file, at, wrong = 0;

	enter_folder();
	file = file_with("file", "", 0);
	CHECK_EQ(ftruncate(file, MANY * 64), 0);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
	engine_init(1024, &ring, 0);
	for (at = 0; at < MANY; at++) {
		struct io_uring_sqe *sqe = sqe_of(&ring);

		if (at % 2)
			io_uring_prep_read(sqe, file, pages[at], 64, at * 64);
		else
			io_uring_prep_write(sqe, file, pages[at], 64, at * 64);
		sqe->flags |= IOSQE_ASYNC;
	}
	CHECK_EQ(io_uring_submit(&ring), MANY);
	for (at = 0; at < MANY; at++)
		wrong += take(&ring, NULL, NULL) != 64;
	CHECK_EQ(wrong, 0);
	io_uring_queue_exit(&ring);
	return 0;
}
