/* A ring that the bare io_uring_setup gives, mapped by the program itself: with
 * mmap(2) at the documented offsets, submitted to by the exported io_uring_enter.
 * io_uring_setup(2), io_uring_enter(2), io_uring_register(2). */
#include "one.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#ifndef IORING_OFF_SQ_RING
#error "liburing.h has no offsets"
#endif

struct bare {
	struct io_uring_params p;
	int fd;
	char *rings;
	size_t rings_size, sqes_size;
	struct io_uring_sqe *sqes;
};

static unsigned *word(struct bare *b, unsigned offset)
{
	return (unsigned *) (b->rings + offset);
}

static int setup(struct bare *b, unsigned entries, unsigned flags)
{
	size_t sq, cq;

	memset(b, 0, sizeof(*b));
	b->p.flags = flags;
	b->fd = io_uring_setup(entries, &b->p);
	if (b->fd < 0)
		return b->fd;
	CHECK(b->p.features & IORING_FEAT_SINGLE_MMAP);
	sq = b->p.sq_off.array + b->p.sq_entries * sizeof(unsigned);
	cq = b->p.cq_off.cqes + b->p.cq_entries * sizeof(struct io_uring_cqe);
	b->rings_size = sq > cq ? sq : cq;
	b->sqes_size = b->p.sq_entries * sizeof(struct io_uring_sqe);
	return 0;
}

static void map(struct bare *b)
{
	b->rings = mmap(NULL, b->rings_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			b->fd, IORING_OFF_SQ_RING);
	CHECK(b->rings != MAP_FAILED);
	b->sqes = mmap(NULL, b->sqes_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		       b->fd, IORING_OFF_SQES);
	CHECK(b->sqes != MAP_FAILED);
	CHECK_EQ(*word(b, b->p.sq_off.ring_entries), b->p.sq_entries);
	CHECK_EQ(*word(b, b->p.cq_off.ring_mask), b->p.cq_entries - 1);
}

static void unmap(struct bare *b)
{
	CHECK_EQ(munmap(b->rings, b->rings_size), 0);
	CHECK_EQ(munmap(b->sqes, b->sqes_size), 0);
}

static struct io_uring_sqe *next(struct bare *b)
{
	unsigned tail = *word(b, b->p.sq_off.tail);
	unsigned at = tail & *word(b, b->p.sq_off.ring_mask);

	word(b, b->p.sq_off.array)[at] = at;
	__atomic_store_n(word(b, b->p.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	memset(&b->sqes[at], 0, sizeof(b->sqes[at]));
	return &b->sqes[at];
}

static int taken(struct bare *b, __u64 *data)
{
	unsigned head = *word(b, b->p.cq_off.head);
	struct io_uring_cqe *cqe;
	int res;

	CHECK(head != __atomic_load_n(word(b, b->p.cq_off.tail), __ATOMIC_ACQUIRE));
	cqe = (struct io_uring_cqe *) (b->rings + b->p.cq_off.cqes);
	cqe += head & *word(b, b->p.cq_off.ring_mask);
	*data = cqe->user_data;
	res = cqe->res;
	__atomic_store_n(word(b, b->p.cq_off.head), head + 1, __ATOMIC_RELEASE);
	return res;
}

static void nops(struct bare *b, int fd, unsigned rounds)
{
	__u64 data;
	unsigned i;

	for (i = 0; i < rounds; i++) {
		io_uring_prep_nop(next(b));
		b->sqes[(*word(b, b->p.sq_off.tail) - 1) & (b->p.sq_entries - 1)].user_data = i + 1;
		CHECK_EQ(io_uring_enter(fd, 1, 1, IORING_ENTER_GETEVENTS, NULL), 1);
		CHECK_EQ(taken(b, &data), 0);
		CHECK_EQ(data, i + 1);
	}
}

static int readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents & POLLIN ? 1 : 0;
}

static void probed(void)
{
	/* What there is may be asked for before anything is mapped. */
	struct io_uring_probe *probe = calloc(1, sizeof(*probe) + 64 * sizeof(struct io_uring_probe_op));
	struct bare b;

	CHECK_EQ(setup(&b, 4, 0), 0);
	CHECK_EQ(io_uring_register(b.fd, IORING_REGISTER_PROBE, probe, 64), 0);
	CHECK(probe->ops_len > 0);
	map(&b);
	nops(&b, b.fd, 3);
	CHECK_EQ(close(b.fd), 0);
	unmap(&b);
	free(probe);
}

static void polled(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 7 };
	int ep = epoll_create1(EPOLL_CLOEXEC), pipes[2];
	struct bare b;
	char byte;
	__u64 data;

	CHECK_EQ(setup(&b, 4, 0), 0);
	map(&b);
	CHECK_EQ(pipe(pipes), 0);
	io_uring_prep_read(next(&b), pipes[0], &byte, 1, 0);
	CHECK_EQ(io_uring_enter(b.fd, 1, 0, 0, NULL), 1);
	/* Now it can be waited for. */
	CHECK_EQ(readable(b.fd), 0);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, b.fd, &event), 0);
	CHECK_EQ(epoll_wait(ep, &event, 1, 0), 0);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(epoll_wait(ep, &event, 1, 5000), 1);
	CHECK_EQ(event.data.u64, 7);
	CHECK_EQ(io_uring_enter(b.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL), 0);
	CHECK_EQ(taken(&b, &data), 1);
	CHECK_EQ(byte, 'x');
	CHECK_EQ(close(b.fd), 0);
	unmap(&b);
	close(ep);
	close(pipes[0]);
	close(pipes[1]);
}

static void duplicated(void)
{
	struct bare b;
	int second;

	CHECK_EQ(setup(&b, 4, 0), 0);
	second = dup(b.fd);
	CHECK(second >= 0);
	map(&b);
	nops(&b, second, 2);
	nops(&b, b.fd, 2);
	nops(&b, second, 2);
	CHECK_EQ(close(second), 0);
	nops(&b, b.fd, 2);
	CHECK_EQ(close(b.fd), 0);
	unmap(&b);
}

static void registered(void)
{
	struct io_uring_rsrc_update update = { .offset = -1U };
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct bare b;
	__u64 data;

	CHECK_EQ(setup(&b, 4, 0), 0);
	map(&b);
	update.data = b.fd;
	CHECK_EQ(io_uring_register(b.fd, IORING_REGISTER_RING_FDS, &update, 1), 1);
	io_uring_prep_nop(next(&b));
	CHECK_EQ(io_uring_enter(update.offset, 1, 1,
				IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING, NULL), 1);
	CHECK_EQ(taken(&b, &data), 0);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, b.fd, &event), 0);
	close(ep);
	update.data = 0;
	CHECK_EQ(io_uring_register(b.fd, IORING_UNREGISTER_RING_FDS, &update, 1), 1);
	CHECK_EQ(close(b.fd), 0);
	unmap(&b);
}

static void replaced(void)
{
	struct bare b;
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char byte = 1;

	/* Another file has the number before the library sees the ring again. */
	CHECK_EQ(setup(&b, 4, 0), 0);
	map(&b);
	CHECK_EQ(dup2(zero, b.fd), b.fd);
	io_uring_prep_nop(next(&b));
	CHECK(io_uring_enter(b.fd, 1, 0, 0, NULL) < 0);
	CHECK_EQ(read(b.fd, &byte, 1), 1);
	CHECK_EQ(byte, 0);
	CHECK_EQ(close(b.fd), 0);
	unmap(&b);
	close(zero);
}

static void unread(void)
{
	struct bare b;
	char byte = 0;

	CHECK_EQ(setup(&b, 4, 0), 0);
	CHECK_EQ(read(b.fd, &byte, 1), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(write(b.fd, &byte, 1), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK(ftruncate(b.fd, 0) < 0);
	map(&b);
	nops(&b, b.fd, 2);
	CHECK_EQ(read(b.fd, &byte, 1), -1);
	CHECK_EQ(close(b.fd), 0);
	/* What was mapped stays. */
	CHECK_EQ(*word(&b, b.p.sq_off.ring_entries), b.p.sq_entries);
	unmap(&b);
}

static void limited(void)
{
	struct rlimit old, small;
	struct bare b;

	CHECK_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 4096;
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
	CHECK_EQ(setup(&b, 4, 0), 0);
	CHECK_EQ(getrlimit(RLIMIT_FSIZE, &small), 0);
	CHECK_EQ(small.rlim_cur, 4096);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
	map(&b);
	nops(&b, b.fd, 2);
	CHECK_EQ(close(b.fd), 0);
	unmap(&b);
}

static void forked(void)
{
	struct bare b;
	int status;
	pid_t child;

	CHECK_EQ(setup(&b, 4, 0), 0);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		/* The memory is the same in both. */
		map(&b);
		*word(&b, b.p.cq_off.flags) = IORING_CQ_EVENTFD_DISABLED;
		close(b.fd);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	map(&b);
	CHECK_EQ(*word(&b, b.p.cq_off.flags), IORING_CQ_EVENTFD_DISABLED);
	nops(&b, b.fd, 20);
	CHECK_EQ(close(b.fd), 0);
	unmap(&b);
}

static void polling_thread(void)
{
	struct bare b;
	unsigned i;
	__u64 data;

	CHECK_EQ(setup(&b, 8, IORING_SETUP_SQPOLL), 0);
	map(&b);
	for (i = 0; i < 20; i++) {
		io_uring_prep_nop(next(&b));
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		CHECK(io_uring_enter(b.fd, 1, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP,
				     NULL) >= 0);
		CHECK_EQ(taken(&b, &data), 0);
	}
	CHECK_EQ(close(b.fd), 0);
	unmap(&b);
}

int main(void)
{
	struct bare b;
	int result = setup(&b, 4, 0), i;

	if (result < 0)
		SKIP("io_uring is not available: %s", strerror(-result));
	map(&b);
	nops(&b, b.fd, 100);
	CHECK_EQ(close(b.fd), 0);
	unmap(&b);
	probed();
	polled();
	duplicated();
	registered();
	replaced();
	unread();
	limited();
	forked();
	polling_thread();
	for (i = 0; i < 50; i++) {
		CHECK_EQ(setup(&b, 64, 0), 0);
		map(&b);
		nops(&b, b.fd, 70);
		CHECK_EQ(close(b.fd), 0);
		unmap(&b);
	}
	RESULT("mapped");
	return 0;
}
