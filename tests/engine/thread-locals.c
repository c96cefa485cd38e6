/*
 * Threads of the engine start also in a program whose thread-local variables are larger
 * than the stack they want for themselves.
 */
#include "engine.h"

#define SIZE (1 << 20)

static __thread volatile char large[SIZE];

int main(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int ends[2], at, file;
	char bytes[4];

	for (at = 0; at < SIZE; at += 4096)
		large[at] = 1;
	enter_folder();
	file = file_with("file", "1234", 4);
	CHECK_EQ(pipe(ends), 0);
	engine_init(4, &ring, 0);

	/* The pool. */
	sqe = sqe_of(&ring);
	io_uring_prep_read(sqe, file, bytes, 4, 0);
	sqe->flags |= IOSQE_ASYNC;
	CHECK_EQ(run_one(&ring), 4);

	/* The driver. */
	queue_read(&ring, ends[0], bytes, 1, 1);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(write(ends[1], "x", 1), 1);
	CHECK(readable(ring.ring_fd, 2000));
	CHECK_EQ(take(&ring, NULL, NULL), 1);
	io_uring_queue_exit(&ring);

	engine_init(4, &ring, IORING_SETUP_SQPOLL);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
