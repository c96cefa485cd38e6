/* The helpers for multishot recvmsg on made-up buffers, wild lengths included. */
#include "one.h"

int main(void)
{
	static union { char bytes[512]; struct io_uring_recvmsg_out out; } u;
	struct msghdr shape = { .msg_namelen = 8, .msg_controllen = 64 };
	struct io_uring_recvmsg_out *out = &u.out;
	struct cmsghdr *header;
	char *control = u.bytes + 16 + 8;

	CHECK(io_uring_recvmsg_validate(&u, -1, &shape) == NULL);
	CHECK(io_uring_recvmsg_validate(&u, 87, &shape) == NULL);
	CHECK(io_uring_recvmsg_validate(&u, 88, &shape) == out);
	shape.msg_controllen = (size_t) -1;
	CHECK(io_uring_recvmsg_validate(&u, 512, &shape) == NULL);
	CHECK_EQ(io_uring_recvmsg_payload_length(out, 512, &shape), 0);
	shape.msg_controllen = 64;
	CHECK((char *) io_uring_recvmsg_name(out) == u.bytes + 16);
	CHECK((char *) io_uring_recvmsg_payload(out, &shape) == u.bytes + 88);
	CHECK_EQ(io_uring_recvmsg_payload_length(out, 100, &shape), 12);
	CHECK_EQ(io_uring_recvmsg_payload_length(out, 80, &shape), 0);
	CHECK_EQ(io_uring_recvmsg_payload_length(out, -5, &shape), 0);
	out->controllen = 15;
	CHECK(io_uring_recvmsg_cmsg_firsthdr(out, &shape) == NULL);
	out->controllen = 64;
	header = io_uring_recvmsg_cmsg_firsthdr(out, &shape);
	CHECK((char *) header == control);
	header->cmsg_len = 20;
	((struct cmsghdr *) (void *) (control + 24))->cmsg_len = 24;
	header = io_uring_recvmsg_cmsg_nexthdr(out, &shape, header);
	CHECK((char *) header == control + 24);
	((struct cmsghdr *) (void *) (control + 48))->cmsg_len = 16;
	header = io_uring_recvmsg_cmsg_nexthdr(out, &shape, header);
	CHECK((char *) header == control + 48);
	CHECK(io_uring_recvmsg_cmsg_nexthdr(out, &shape, header) == NULL);
	header = (struct cmsghdr *) (void *) control;
	header->cmsg_len = 15;
	CHECK(io_uring_recvmsg_cmsg_nexthdr(out, &shape, header) == NULL);
	header->cmsg_len = (size_t) -1;
	CHECK(io_uring_recvmsg_cmsg_nexthdr(out, &shape, header) == NULL);
	header->cmsg_len = 49;
	CHECK(io_uring_recvmsg_cmsg_nexthdr(out, &shape, header) == NULL);
	RESULT("helpers");
	return 0;
}
