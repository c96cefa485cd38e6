/*
 * getsockname and getpeername as a command. Newer than Linux 6.18; getsockname(2),
 * getpeername(2).
 */
#include "one.h"

int main(void)
{
	struct sockaddr_in address, want;
	socklen_t length = sizeof(address), want_length = sizeof(want);
	struct io_uring ring;
	int fds[2], ret, peer;

	tcp_pair(fds);
	must_init(4, &ring, 0);
	for (peer = 0; peer < 2; peer++) {
		memset(&address, 0, sizeof(address));
		io_uring_prep_cmd_getsockname(sqe_of(&ring), fds[0], (struct sockaddr *) &address,
					      &length, peer);
		ret = run_one(&ring);
		skip_if_old(ret, "getsockname command");
		CHECK_EQ(ret, 0);
		CHECK_EQ(peer ? getpeername(fds[0], (struct sockaddr *) &want, &want_length) :
			 getsockname(fds[0], (struct sockaddr *) &want, &want_length), 0);
		CHECK(!memcmp(&address, &want, sizeof(want)));
	}
	close(fds[0]);
	close(fds[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
