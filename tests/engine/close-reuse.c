/*
 * The ring fd closed without io_uring_queue_exit, its number then another file's:
 * calls fail as on a file that is no ring and never touch that file.
 */
#include "engine.h"

int main(void)
{
	struct io_uring ring, other;
	struct stat before, after;
	int ends[2], number, file, null;
	char bytes[4];

	CHECK_EQ(pipe(ends), 0);
	enter_folder();
	engine_init(4, &ring, 0);
	queue_read(&ring, ends[0], bytes, 1, 1);
	CHECK_EQ(io_uring_submit(&ring), 1);
	number = ring.ring_fd;
	CHECK_EQ(close(number), 0);
	/* The ring's own SQE stays in its memory, which is mapped still. */
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit(&ring), -EBADF);

	file = open("victim", O_RDWR | O_CREAT, 0600);
	if (file != number) {
		CHECK_EQ(dup2(file, number), number);
		close(file);
	}
	CHECK_EQ(pwrite(number, "safe", 4, 0), 4);
	CHECK_EQ(fstat(number, &before), 0);
	CHECK_EQ(io_uring_submit(&ring), -EOPNOTSUPP);
	CHECK_EQ(io_uring_enter(number, 0, 1, IORING_ENTER_GETEVENTS, NULL), -EOPNOTSUPP);
	null = number;
	CHECK_EQ(io_uring_register_files(&ring, &null, 1), -EOPNOTSUPP);
	CHECK_EQ(fstat(number, &after), 0);
	CHECK_EQ(before.st_size, after.st_size);
	CHECK_EQ(pread(number, bytes, 4, 0), 4);
	CHECK(!memcmp(bytes, "safe", 4));

	/* New rings are not hurt by the old one. */
	engine_init(4, &other, 0);
	io_uring_prep_nop(sqe_of(&other));
	CHECK_EQ(run_one(&other), 0);
	io_uring_queue_exit(&other);

	/* A ring takes the number of one that was closed so. */
	engine_init(4, &ring, 0);
	close(ring.ring_fd);
	engine_init(4, &other, 0);
	CHECK_EQ(other.ring_fd, ring.ring_fd);
	io_uring_prep_nop(sqe_of(&other));
	CHECK_EQ(run_one(&other), 0);
	io_uring_queue_exit(&other);
	return 0;
}
