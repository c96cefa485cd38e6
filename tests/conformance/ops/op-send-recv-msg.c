/*
 * sendmsg and recvmsg carry data, addresses and descriptors. Linux 5.3; sendmsg(2),
 * recvmsg(2), unix(7).
 */
#include "one.h"

#include <sys/un.h>

int main(void)
{
	union { char space[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control, received;
	char data[] = "message", back[16] = { 0 };
	struct iovec out = { data, 7 }, in = { back, 16 };
	struct msghdr message = { .msg_iov = &out, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct msghdr answer = { .msg_iov = &in, .msg_iovlen = 1, .msg_control = &received,
				 .msg_controllen = sizeof(received) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	struct io_uring ring;
	int pair[2], pipes[2], passed;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CHECK_EQ(pipe(pipes), 0);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &pipes[1], sizeof(int));
	must_init(4, &ring, 0);
	io_uring_prep_sendmsg(sqe_of(&ring), pair[0], &message, 0);
	CHECK_EQ(run_one(&ring), 7);
	io_uring_prep_recvmsg(sqe_of(&ring), pair[1], &answer, 0);
	CHECK_EQ(run_one(&ring), 7);
	CHECK(!memcmp(back, "message", 7));
	header = CMSG_FIRSTHDR(&answer);
	CHECK(header && header->cmsg_type == SCM_RIGHTS);
	memcpy(&passed, CMSG_DATA(header), sizeof(int));
	CHECK_EQ(write(passed, "x", 1), 1);
	CHECK_EQ(read(pipes[0], back, 1), 1);
	RESULT("%s", back + 1);
	close(passed);
	close(pipes[0]);
	close(pipes[1]);
	close(pair[0]);
	close(pair[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
