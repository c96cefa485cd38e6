/* What the programs about single operations share beyond one.h. */
#ifndef CONFORMANCE_OP_HELPERS_H
#define CONFORMANCE_OP_HELPERS_H

#include "one.h"

#include <signal.h>
#include <sys/mman.h>

/* A request that never completes ends the program, also when it is run by hand. */
__attribute__((constructor)) static void bound_in_time(void)
{
	alarm(50);
}

/* Names a request and adds flags; after the prep call, which may reset them. */
static inline void mark(struct io_uring_sqe *sqe, __u64 tag, unsigned flags)
{
	io_uring_sqe_set_data64(sqe, tag);
	sqe->flags |= (__u8) flags;
}

/* Takes `count` completions; results[tag] is the result of the request `tag`. */
static inline void collect(struct io_uring *ring, int count, int *results)
{
	while (count--) {
		__u64 tag;
		int res = take(ring, &tag, NULL);

		results[tag] = res;
	}
}

/* Submits `count` queued requests and takes as many completions. */
static inline void run_all(struct io_uring *ring, int count, int *results)
{
	CHECK_EQ(io_uring_submit(ring), count);
	collect(ring, count, results);
}

/* Fails if something has completed, after time enough to do so. */
static inline void nothing_yet(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	usleep(10000);
	CHECK_EQ(io_uring_peek_cqe(ring, &cqe), -EAGAIN);
}

/* A UDP socket at an address of its own, which is filled in. */
static inline int udp_socket(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(fd >= 0);
	CHECK_EQ(bind(fd, (struct sockaddr *) address, length), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *) address, &length), 0);
	return fd;
}

static inline void close_both(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

/* A ring of equal buffers, by the functions that every library with rings has. */
struct pool {
	struct io_uring_buf_ring *br;
	char *memory;
	unsigned count, size;
	int group;
};

static inline void pool_give(struct pool *pool, unsigned bid)
{
	io_uring_buf_ring_add(pool->br, pool->memory + bid * pool->size, pool->size,
			      (unsigned short) bid, io_uring_buf_ring_mask(pool->count), 0);
	io_uring_buf_ring_advance(pool->br, 1);
}

static inline void pool_make(struct io_uring *ring, struct pool *pool, unsigned count,
			     unsigned size, int group)
{
	struct io_uring_buf_reg reg = { .ring_entries = count, .bgid = (__u16) group };
	void *memory;
	unsigned i;

	CHECK_EQ(posix_memalign(&memory, 4096, count * sizeof(struct io_uring_buf)), 0);
	pool->br = (struct io_uring_buf_ring *) memory;
	pool->memory = (char *) calloc(count, size);
	pool->count = count;
	pool->size = size;
	pool->group = group;
	CHECK(pool->memory != NULL);
	reg.ring_addr = (uintptr_t) memory;
	io_uring_buf_ring_init(pool->br);
	i = (unsigned) -io_uring_register_buf_ring(ring, &reg, 0);
	if (i) {
		free(pool->br);
		free(pool->memory);
		SKIP("this kernel has no buffer rings: %s", strerror((int) i));
	}
	for (i = 0; i < count; i++)
		pool_give(pool, i);
}

/* The buffer that a completion names. */
static inline unsigned pool_bid(unsigned flags)
{
	CHECK(flags & IORING_CQE_F_BUFFER);
	return flags >> IORING_CQE_BUFFER_SHIFT;
}

static inline char *pool_at(const struct pool *pool, unsigned flags)
{
	unsigned bid = pool_bid(flags);

	CHECK(bid < pool->count);
	return pool->memory + bid * pool->size;
}

static inline void pool_drop(struct io_uring *ring, struct pool *pool)
{
	CHECK_EQ(io_uring_unregister_buf_ring(ring, pool->group), 0);
	free(pool->br);
	free(pool->memory);
}

#endif
