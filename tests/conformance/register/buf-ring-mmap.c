/* Buffer rings that the kernel allocates, mapped by the program at their offsets.
 * io_uring_register(2), IOU_PBUF_RING_MMAP. */
#include "one.h"

#include <sys/epoll.h>
#include <sys/mman.h>

static int provide(struct io_uring *ring, unsigned entries, unsigned group)
{
	struct io_uring_buf_reg reg = { .ring_entries = entries, .bgid = group,
					.flags = IOU_PBUF_RING_MMAP };

	return io_uring_register_buf_ring(ring, &reg, 0);
}

static struct io_uring_buf_ring *map(struct io_uring *ring, unsigned entries, unsigned group)
{
	void *at = mmap(NULL, entries * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, ring->ring_fd,
			IORING_OFF_PBUF_RING | (off_t) group << IORING_OFF_PBUF_SHIFT);

	CHECK(at != MAP_FAILED);
	return at;
}

static void receive(struct io_uring *ring, struct io_uring_buf_ring *br, unsigned entries,
		    unsigned group, int bid)
{
	char data[16] = "", buffer[16];
	struct io_uring_sqe *sqe;
	unsigned flags;
	int pipes[2];

	CHECK_EQ(pipe(pipes), 0);
	io_uring_buf_ring_add(br, buffer, sizeof(buffer), bid, io_uring_buf_ring_mask(entries), 0);
	io_uring_buf_ring_advance(br, 1);
	sqe = sqe_of(ring);
	io_uring_prep_read(sqe, pipes[0], NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = group;
	CHECK_EQ(io_uring_submit(ring), 1);
	snprintf(data, sizeof(data), "group %u", group);
	CHECK_EQ(write(pipes[1], data, sizeof(data)), (long long) sizeof(data));
	CHECK_EQ(take(ring, NULL, &flags), sizeof(data));
	CHECK(flags & IORING_CQE_F_BUFFER);
	CHECK_EQ(flags >> IORING_CQE_BUFFER_SHIFT, bid);
	CHECK_EQ(memcmp(buffer, data, sizeof(data)), 0);
	close(pipes[0]);
	close(pipes[1]);
}

static int wait_for(int ep, int timeout)
{
	struct epoll_event event;
	int ret;

	/* Work for the kernel's ring may interrupt it. */
	do
		ret = epoll_wait(ep, &event, 1, timeout);
	while (ret < 0 && errno == EINTR);
	return ret;
}

int main(void)
{
	struct io_uring_buf_ring *one, *two, *wide, *last;
	struct epoll_event event = { .events = EPOLLIN };
	struct io_uring ring;
	int ep, ret;
	unsigned i;

	need_io_uring();
	CHECK_EQ(io_uring_queue_init(8, &ring, 0), 0);
	ep = epoll_create1(EPOLL_CLOEXEC);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, ring.ring_fd, &event), 0);

	ret = provide(&ring, 8, 1);
	if (ret == -EINVAL)
		SKIP("the kernel allocates no buffer rings");
	CHECK_EQ(ret, 0);
	/* Two, then mapped. */
	CHECK_EQ(provide(&ring, 8, 2), 0);
	CHECK_EQ(provide(&ring, 8, 2), -EEXIST);
	one = map(&ring, 8, 1);
	two = map(&ring, 8, 2);
	io_uring_buf_ring_init(one);
	io_uring_buf_ring_init(two);
	for (i = 0; i < 20; i++) {
		receive(&ring, one, 8, 1, i);
		receive(&ring, two, 8, 2, 100 + i);
	}
	/* An entry in the program's epoll has outlived that, and fires. */
	for (i = 0; i < 200 && wait_for(ep, 0); i++)
		usleep(10000);
	CHECK_EQ(wait_for(ep, 0), 0);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(wait_for(ep, 5000), 1);
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_DEL, ring.ring_fd, NULL), 0);

	/* Rings larger than the step between two groups' offsets, and the last group. */
	CHECK_EQ(provide(&ring, 32768, 3), 0);
	wide = map(&ring, 32768, 3);
	CHECK_EQ(provide(&ring, 16, 4), 0);
	two = map(&ring, 16, 4);
	CHECK_EQ(provide(&ring, 32768, 2047), 0);
	last = map(&ring, 32768, 2047);
	receive(&ring, wide, 32768, 3, 1);
	receive(&ring, two, 16, 4, 2);
	receive(&ring, last, 32768, 2047, 3);
	receive(&ring, one, 8, 1, 4);

	/* A number that is used again begins with zeroes. */
	CHECK_EQ(io_uring_unregister_buf_ring(&ring, 1), 0);
	CHECK_EQ(munmap(one, 8 * sizeof(struct io_uring_buf)), 0);
	CHECK_EQ(provide(&ring, 8, 1), 0);
	one = map(&ring, 8, 1);
	CHECK_EQ(one->tail, 0);
	receive(&ring, one, 8, 1, 5);

	/* By the index of the ring. */
	CHECK_EQ(io_uring_register_ring_fd(&ring), 1);
	CHECK_EQ(provide(&ring, 8, 7), 0);
	two = map(&ring, 8, 7);
	receive(&ring, two, 8, 7, 6);
	receive(&ring, one, 8, 1, 7);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, ring.ring_fd, &event), 0);
	RESULT("mapped");
	io_uring_queue_exit(&ring);
	return 0;
}
