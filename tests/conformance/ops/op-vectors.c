/*
 * Vectors: exactly as many parts as said, empty parts, more than the kernel allows,
 * messages of several parts. Linux 5.3; readv(2), recvmsg(2).
 */
#include "op-helpers.h"

#include <limits.h>

int main(void)
{
	static char bytes[64], kept[64];
	struct iovec parts[4] = { { bytes, 3 }, { bytes + 10, 0 }, { bytes + 20, 4 }, { kept, 9 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	struct io_uring ring;
	int fd, pair[2];

	enter_folder();
	fd = file_with("file", "0123456789abcdefghijklmnopqrstuvwxyz", 36);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	must_init(4, &ring, 0);
	io_uring_prep_readv(sqe_of(&ring), fd, parts, 3, 10);
	CHECK_EQ(run_one(&ring), 7);
	CHECK(!memcmp(bytes, "abc", 4) && !memcmp(bytes + 20, "defg", 5));
	io_uring_prep_readv2(sqe_of(&ring), fd, parts, 3, 0, 0);
	CHECK_EQ(run_one(&ring), 7);
	CHECK(!memcmp(bytes, "012", 4) && !memcmp(bytes + 20, "3456", 5));
	CHECK_EQ(kept[0], 0);
	io_uring_prep_writev(sqe_of(&ring), fd, parts, 3, 20);
	CHECK_EQ(run_one(&ring), 7);
	CHECK_EQ(pread(fd, kept, 9, 19), 9);
	CHECK(!memcmp(kept, "j0123456r", 9));
	io_uring_prep_writev2(sqe_of(&ring), fd, parts, 3, 30, 0);
	CHECK_EQ(run_one(&ring), 7);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 37);
	io_uring_prep_readv(sqe_of(&ring), fd, parts, IOV_MAX + 1, 0);
	CHECK_EQ(run_one(&ring), -EINVAL);
	/* One datagram out of three parts and into three. */
	io_uring_prep_sendmsg(sqe_of(&ring), pair[0], &message, 0);
	CHECK_EQ(run_one(&ring), 7);
	memset(bytes, 0, sizeof(bytes));
	io_uring_prep_recvmsg(sqe_of(&ring), pair[1], &message, MSG_PEEK);
	CHECK_EQ(run_one(&ring), 7);
	CHECK(!memcmp(bytes, "012", 4) && !memcmp(bytes + 20, "3456", 5));
	message.msg_iovlen = 1;
	message.msg_flags = 0;
	io_uring_prep_recvmsg(sqe_of(&ring), pair[1], &message, 0);
	CHECK_EQ(run_one(&ring), 3);
	CHECK(message.msg_flags & MSG_TRUNC);
	io_uring_prep_recvmsg(sqe_of(&ring), pair[1], &message, MSG_DONTWAIT);
	CHECK_EQ(run_one(&ring), -EAGAIN);
	io_uring_prep_sendmsg(sqe_of(&ring), pair[0], &message, MSG_OOB);
	CHECK_EQ(run_one(&ring), -EOPNOTSUPP);
	RESULT("%.9s", kept);
	close_both(pair);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
