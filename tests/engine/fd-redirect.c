/*
 * A file is identified at submission: a descriptor that is closed and reused while an
 * operation pends does not redirect it.
 */
#include "engine.h"

int main(void)
{
	int first[2], second[2], sockets[2], others[2], keep;
	char from[2] = "", data[2] = "";
	struct io_uring ring;

	engine_init(8, &ring, 0);
	CHECK_EQ(pipe(first), 0);
	CHECK_EQ(pipe(second), 0);
	tcp_pair(sockets);
	tcp_pair(others);

	queue_read(&ring, first[0], from, 1, 1);
	CHECK_EQ(io_uring_submit(&ring), 1);
	keep = dup(first[0]);
	CHECK_EQ(dup2(second[0], first[0]), first[0]);
	CHECK_EQ(write(second[1], "2", 1), 1);
	nothing_yet(&ring);
	CHECK_EQ(write(first[1], "1", 1), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 1);
	CHECK_EQ(from[0], '1');
	close(keep);

	io_uring_prep_recv(sqe_of(&ring), sockets[0], data, 1, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(dup2(others[0], sockets[0]), sockets[0]);
	CHECK_EQ(send(others[1], "o", 1, 0), 1);
	nothing_yet(&ring);
	CHECK_EQ(send(sockets[1], "s", 1, 0), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 1);
	CHECK_EQ(data[0], 's');

	/* Closed for good: the request keeps the file alive. */
	queue_read(&ring, second[0], from, 1, 1);
	CHECK_EQ(read(first[0], data, 1), 1);
	CHECK_EQ(io_uring_submit(&ring), 1);
	close(first[0]);
	close(second[0]);
	CHECK_EQ(write(second[1], "3", 1), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 1);
	CHECK_EQ(from[0], '3');
	io_uring_queue_exit(&ring);
	return 0;
}
