/*
 * connect waits for the answer, also on a socket that would not block, and tells a
 * refusal, a connection that is there already, a path without a listener.
 * Linux 5.5; connect(2).
 */
#include "op-helpers.h"

#include <sys/un.h>

int main(void)
{
	struct sockaddr_in address, dead;
	struct sockaddr_un path = { .sun_family = AF_UNIX, .sun_path = "absent" };
	struct io_uring ring;
	socklen_t length = sizeof(dead);
	char back;
	int listener, client, server, closed, local;

	enter_folder();
	listener = tcp_listener(&address);
	must_init(4, &ring, 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	io_uring_prep_connect(sqe_of(&ring), client, (struct sockaddr *) &address, sizeof(address));
	CHECK_EQ(run_one(&ring), 0);
	server = accept(listener, NULL, NULL);
	CHECK_EQ(send(client, "c", 1, 0), 1);
	CHECK_EQ(recv(server, &back, 1, 0), 1);
	io_uring_prep_connect(sqe_of(&ring), client, (struct sockaddr *) &address, sizeof(address));
	CHECK_EQ(run_one(&ring), -EISCONN);
	close(client);
	close(server);
	/* Bound but not listening: the port stays ours and refuses. */
	closed = socket(AF_INET, SOCK_STREAM, 0);
	memset(&dead, 0, sizeof(dead));
	dead.sin_family = AF_INET;
	dead.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(closed, (struct sockaddr *) &dead, sizeof(dead)), 0);
	CHECK_EQ(getsockname(closed, (struct sockaddr *) &dead, &length), 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	io_uring_prep_connect(sqe_of(&ring), client, (struct sockaddr *) &dead, sizeof(dead));
	CHECK_EQ(run_one(&ring), -ECONNREFUSED);
	close(client);
	close(closed);
	local = socket(AF_UNIX, SOCK_STREAM, 0);
	io_uring_prep_connect(sqe_of(&ring), local, (struct sockaddr *) &path, sizeof(path));
	CHECK_EQ(run_one(&ring), -ENOENT);
	io_uring_prep_connect(sqe_of(&ring), local, (struct sockaddr *) &address, sizeof(address));
	CHECK_EQ(run_one(&ring), -EINVAL);
	RESULT("%c", back);
	close(local);
	close(listener);
	io_uring_queue_exit(&ring);
	return 0;
}
