/*
 * Multishot recvmsg: header, name, control data and payload through the helpers.
 * Linux 6.0; io_uring_prep_recvmsg_multishot(3), io_uring_recvmsg_out(3).
 */
#include "one.h"

int main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET }, sender;
	struct msghdr shape = { .msg_namelen = sizeof(struct sockaddr_in), .msg_controllen = 64 };
	socklen_t length = sizeof(address);
	struct io_uring_buf_ring *br;
	struct io_uring_recvmsg_out *out;
	static char memory[4][512];
	struct io_uring_sqe *sqe;
	struct cmsghdr *header;
	struct io_uring ring;
	int to, from, ret, i, res, on = 1;
	unsigned flags;

	need_op(IORING_OP_SEND_ZC, "multishot recvmsg (probed by SEND_ZC)");
	to = socket(AF_INET, SOCK_DGRAM, 0);
	from = socket(AF_INET, SOCK_DGRAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(to, (struct sockaddr *) &address, length), 0);
	CHECK_EQ(getsockname(to, (struct sockaddr *) &address, &length), 0);
	CHECK_EQ(connect(from, (struct sockaddr *) &address, length), 0);
	CHECK_EQ(getsockname(from, (struct sockaddr *) &sender, &length), 0);
	CHECK_EQ(setsockopt(to, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)), 0);
	must_init(8, &ring, 0);
	br = io_uring_setup_buf_ring(&ring, 4, 1, 0, &ret);
	CHECK(br != NULL);
	for (i = 0; i < 4; i++)
		io_uring_buf_ring_add(br, memory[i], 512, (unsigned short) i, io_uring_buf_ring_mask(4), i);
	io_uring_buf_ring_advance(br, 4);
	sqe = sqe_of(&ring);
	io_uring_prep_recvmsg_multishot(sqe, to, &shape, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
	io_uring_sqe_set_buf_group(sqe, 1);
	CHECK_EQ(io_uring_submit(&ring), 1);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(send(from, "datagram", (size_t) (8 - i), 0), 8 - i);
		res = take(&ring, NULL, &flags);
		CHECK(res > 0 && flags & IORING_CQE_F_MORE);
		out = io_uring_recvmsg_validate(memory[flags >> 16], res, &shape);
		CHECK(out != NULL);
		CHECK_EQ(out->namelen, sizeof(sender));
		CHECK(!memcmp(io_uring_recvmsg_name(out), &sender, 8));
		CHECK_EQ(io_uring_recvmsg_payload_length(out, res, &shape), 8 - i);
		CHECK(!memcmp(io_uring_recvmsg_payload(out, &shape), "datagram", (size_t) (8 - i)));
		header = io_uring_recvmsg_cmsg_firsthdr(out, &shape);
		CHECK(header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SO_TIMESTAMP);
		CHECK(!io_uring_recvmsg_cmsg_nexthdr(out, &shape, header));
	}
	CHECK(!io_uring_recvmsg_validate(memory[0], 15 + 16 + 64, &shape));
	close(to);
	close(from);
	CHECK_EQ(io_uring_free_buf_ring(&ring, br, 4, 1), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
