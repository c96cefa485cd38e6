/*
 * Errors of calls and requests that are wrong in more than one way, or in a way of their
 * own: which one the kernel gives. io_uring_enter(2), io_uring_register(2),
 * io_uring_setup(2).
 */
#include "op-helpers.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static struct io_uring ring;

static int has_op(int op)
{
	struct io_uring_probe *probe = io_uring_get_probe();
	int has = probe && io_uring_opcode_supported(probe, op);

	io_uring_free_probe(probe);
	return has;
}

static int polls(const char *path, unsigned mask, int multishot)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);
	int fd = open(path, O_RDONLY), res;

	CHECK(fd >= 0);
	if (multishot)
		io_uring_prep_poll_multishot(sqe, fd, mask);
	else
		io_uring_prep_poll_add(sqe, fd, mask);
	res = run_one(&ring);
	close(fd);
	return res;
}

static void polls_of_files(void)
{
	CHECK_EQ(polls("file", POLLPRI, 0), -EINVAL);
	CHECK_EQ(polls("file", POLLPRI, 1), -EINVAL);
	CHECK_EQ(polls("file", 0, 0), -EINVAL);
	CHECK_EQ(polls(".", POLLPRI, 0), -EINVAL);
	CHECK_EQ(polls("/dev/null", POLLPRI, 0), -EINVAL);
	CHECK_EQ(polls("/dev/urandom", POLLPRI, 0), -EINVAL);
	CHECK_EQ(polls("file", POLLIN | POLLPRI, 0), POLLIN);
	CHECK_EQ(polls("file", POLLIN | POLLOUT, 1), POLLIN | POLLOUT);
}

static int peeks(int fd, int flags)
{
	struct io_uring_cqe *cqe;
	char room[4];
	int seen;

	io_uring_prep_recv(sqe_of(&ring), fd, room, 4, flags);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(io_uring_wait_cqe(&ring, &cqe), 0);
	CHECK(cqe->res >= 4);
	seen = cqe->flags & IORING_CQE_F_SOCK_NONEMPTY;
	io_uring_cqe_seen(&ring, cqe);
	return seen;
}

/* Only streams say that there is more. */
static void datagrams(void)
{
	struct sockaddr_in address;
	int pair[2], udp = udp_socket(&address), sender = socket(AF_INET, SOCK_DGRAM, 0), round;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	CHECK_EQ(connect(sender, (struct sockaddr *) &address, sizeof(address)), 0);
	for (round = 0; round < 4; round++) {
		CHECK_EQ(write(pair[1], "abcdefgh", 8), 8);
		CHECK_EQ(write(sender, "abcdefgh", 8), 8);
	}
	CHECK_EQ(peeks(pair[0], MSG_PEEK), 0);
	CHECK_EQ(peeks(pair[0], MSG_PEEK | MSG_TRUNC), 0);
	CHECK_EQ(peeks(pair[0], MSG_TRUNC), 0);
	CHECK_EQ(peeks(pair[0], 0), 0);
	CHECK_EQ(peeks(udp, MSG_PEEK), 0);
	CHECK_EQ(peeks(udp, MSG_PEEK | MSG_TRUNC), 0);
	CHECK_EQ(peeks(udp, MSG_TRUNC), 0);
	CHECK_EQ(peeks(udp, 0), 0);
}

static void zero_copy(int fd, int expected)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);
	unsigned flags;

	io_uring_prep_send_zc(sqe, fd, "x", 1, 0, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(take(&ring, NULL, &flags), expected);
	if (flags & IORING_CQE_F_MORE) {
		take(&ring, NULL, &flags);
		CHECK(flags & IORING_CQE_F_NOTIF);
	}
}

static void unix_sockets(void)
{
	int pair[2], kinds[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET }, at;

	if (!has_op(IORING_OP_SENDMSG_ZC))
		return;
	for (at = 0; at < 3; at++) {
		CHECK_EQ(socketpair(AF_UNIX, kinds[at], 0, pair), 0);
		zero_copy(pair[0], -EOPNOTSUPP);
		close_both(pair);
	}
	tcp_pair(pair);
	zero_copy(pair[0], 1);
	close_both(pair);
}

static void tables(int counter)
{
	struct iovec nothing = { 0 };
	__u64 tag = 5;

	CHECK_EQ(io_uring_register_buffers_tags(&ring, NULL, NULL, 4), 0);
	CHECK_EQ(io_uring_unregister_buffers(&ring), 0);
	CHECK_EQ(io_uring_register_buffers_tags(&ring, &nothing, NULL, 1), 0);
	CHECK_EQ(io_uring_unregister_buffers(&ring), 0);
	CHECK_EQ(io_uring_register_buffers_tags(&ring, NULL, &tag, 1), -EINVAL);
	CHECK_EQ(io_uring_register_files_tags(&ring, NULL, NULL, 4), 0);
	CHECK_EQ(io_uring_unregister_files(&ring), 0);
	CHECK_EQ(io_uring_register_files_tags(&ring, NULL, &tag, 1), -EINVAL);
	CHECK_EQ(io_uring_register_buffers(&ring, NULL, 4), -EFAULT);
	CHECK_EQ(io_uring_register_files(&ring, NULL, 4), -EFAULT);
	if (has_op(IORING_OP_FIXED_FD_INSTALL)) {
		int personality = io_uring_register_personality(&ring);
		struct io_uring_sqe *sqe = sqe_of(&ring);

		CHECK(personality > 0);
		CHECK_EQ(io_uring_register_files(&ring, &counter, 1), 0);
		io_uring_prep_fixed_fd_install(sqe, 0, 0);
		sqe->personality = (__u16) personality;
		CHECK_EQ(run_one(&ring), -EPERM);
		CHECK_EQ(io_uring_unregister_files(&ring), 0);
	}
}

static void strays(int counter)
{
	const unsigned wrong = 1u << 30;

	CHECK_EQ(io_uring_register(999, IORING_REGISTER_PROBE, NULL, 1), -EBADF);
	CHECK_EQ(io_uring_register(999, 9999, NULL, 0), -EINVAL);
	CHECK_EQ(io_uring_register(counter, IORING_REGISTER_PROBE, NULL, 1), -EOPNOTSUPP);
	CHECK_EQ(io_uring_register(counter, 9999, NULL, 0), -EINVAL);
	CHECK_EQ(io_uring_register(-2, IORING_REGISTER_PROBE, NULL, 1), -EBADF);
	CHECK_EQ(io_uring_enter(999, 0, 0, 0, NULL), -EBADF);
	CHECK_EQ(io_uring_enter(999, 0, 0, wrong, NULL), -EINVAL);
	CHECK_EQ(io_uring_enter(counter, 0, 0, 0, NULL), -EOPNOTSUPP);
	CHECK_EQ(io_uring_enter(counter, 0, 0, wrong, NULL), -EINVAL);
	CHECK_EQ(io_uring_enter(-1, 0, 0, 0, NULL), -EBADF);
	CHECK_EQ(io_uring_enter(3, 0, 0, IORING_ENTER_REGISTERED_RING, NULL), -EBADF);
	CHECK_EQ(io_uring_enter(99, 0, 0, IORING_ENTER_REGISTERED_RING, NULL), -EINVAL);
	CHECK_EQ(io_uring_setup(8, NULL), -EFAULT);
}

static void attachments(int counter)
{
	struct io_uring_params p = { .flags = IORING_SETUP_ATTACH_WQ };
	struct io_uring other;

	p.wq_fd = (__u32) counter;
	CHECK_EQ(io_uring_queue_init_params(4, &other, &p), -EINVAL);
	memset(&p, 0, sizeof(p));
	p.flags = IORING_SETUP_ATTACH_WQ;
	p.wq_fd = 999;
	CHECK_EQ(io_uring_queue_init_params(4, &other, &p), -ENXIO);
	memset(&p, 0, sizeof(p));
	p.flags = IORING_SETUP_ATTACH_WQ | IORING_SETUP_SQPOLL;
	p.wq_fd = (__u32) ring.ring_fd;
	CHECK_EQ(io_uring_queue_init_params(4, &other, &p), -EINVAL);
}

static void regions(void)
{
#ifdef IORING_MEM_REGION_TYPE_USER
	struct io_uring_region_desc region = { .size = 4096, .flags = IORING_MEM_REGION_TYPE_USER };
	struct io_uring_mem_region_reg reg = { .region_uptr = (uintptr_t) &region };
#else
	enum { IORING_MEM_REGION_TYPE_USER = 1 };
	struct io_uring_region_desc region = { .size = 4096, .flags = 1 };
	struct io_uring_mem_region_reg reg = { .region_uptr = (uintptr_t) &region };
#endif
	const int op = IORING_REGISTER_MEM_REGION;
	int ret = io_uring_register((unsigned) ring.ring_fd, op, &reg, 1);

	if (ret == -EINVAL) {
		printf("skip: this kernel has no regions\n");
		return;
	}
	CHECK_EQ(ret, -EFAULT);
	region.flags = 0;
	region.user_addr = 0x10000;
	CHECK_EQ(io_uring_register((unsigned) ring.ring_fd, op, &reg, 1), -EFAULT);
	region.size = 0;
	CHECK_EQ(io_uring_register((unsigned) ring.ring_fd, op, &reg, 1), -EFAULT);
	region.size = 4096;
	region.flags = 2;
	CHECK_EQ(io_uring_register((unsigned) ring.ring_fd, op, &reg, 1), -EINVAL);
	region.flags = IORING_MEM_REGION_TYPE_USER;
	region.user_addr = 0x10001;
	CHECK_EQ(io_uring_register((unsigned) ring.ring_fd, op, &reg, 1), -EINVAL);
}

int main(void)
{
	int counter = eventfd(0, 0);

	enter_folder();
	close(file_with("file", "text", 4));
	must_init(8, &ring, 0);
	polls_of_files();
	datagrams();
	unix_sockets();
	tables(counter);
	strays(counter);
	attachments(counter);
	regions();
	io_uring_queue_exit(&ring);
	return 0;
}
