/*
 * Registered files in place of descriptors: the slot counts, not the number; an
 * empty one and one behind the table are EBADF; the file lives on in its slot
 * when the descriptor is closed. Linux 5.5; io_uring_register(2) under
 * IORING_REGISTER_FILES.
 */
#include "op-helpers.h"

#include <poll.h>

static struct io_uring ring;

static int read_slot(int slot, char *buffer)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_read(sqe, slot, buffer, 8, 0);
	mark(sqe, 0, IOSQE_FIXED_FILE);
	return run_one(&ring);
}

int main(void)
{
	struct io_uring_sqe *sqe;
	int table[4] = { -1, -1, -1, -1 }, none = -1, pipes[2];
	char back[8];

	enter_folder();
	CHECK_EQ(pipe(pipes), 0);
	table[0] = file_with("one", "1", 1);
	table[2] = file_with("two", "22", 2);
	table[3] = pipes[1];
	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_register_files(&ring, table, 4), 0);
	close(table[0]);
	close(table[2]);
	close(pipes[1]);
	CHECK_EQ(read_slot(0, back), 1);
	CHECK_EQ(read_slot(2, back), 2);
	CHECK_EQ(read_slot(1, back), -EBADF);
	CHECK_EQ(read_slot(4, back), -EBADF);
	CHECK_EQ(read_slot(3, back), -EBADF);
	/* The write end is open as long as it is in the table. */
	sqe = sqe_of(&ring);
	io_uring_prep_write(sqe, 3, "pipe", 4, 0);
	mark(sqe, 0, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), 4);
	CHECK_EQ(read(pipes[0], back, 8), 4);
	sqe = sqe_of(&ring);
	io_uring_prep_poll_add(sqe, 3, POLLOUT);
	mark(sqe, 0, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), POLLOUT);
	sqe = sqe_of(&ring);
	io_uring_prep_fsync(sqe, 2, 0);
	mark(sqe, 0, IOSQE_FIXED_FILE);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(io_uring_register_files_update(&ring, 3, &none, 1), 1);
	CHECK_EQ(read(pipes[0], back, 8), 0);
	CHECK_EQ(read_slot(3, back), -EBADF);
	CHECK_EQ(io_uring_unregister_files(&ring), 0);
	CHECK_EQ(read_slot(0, back), -EBADF);
	RESULT("slots");
	close(pipes[0]);
	io_uring_queue_exit(&ring);
	return 0;
}
