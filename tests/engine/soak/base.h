/* What all parts of the soak share: random numbers, patterns, requests in flight. */
#ifndef SOAK_BASE_H
#define SOAK_BASE_H

#include "../engine.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/eventfd.h>

#define RINGS 2
#define IN_FLIGHT 48
#define BUFFERS 16
#define BUFFER_SIZE 512
#define GROUP 7

struct worker;
struct op;

/* What a completion is given to. */
typedef void (*handler)(struct op *op, int res, unsigned flags);

/* A request in flight, and all the memory it points to. */
struct op {
	/* Its user_data: never used again, since a late cancel would hit another. */
	uint64_t id;
	struct worker *worker;
	struct ring *ring;
	const char *name;
	handler done;
	void *object;
	size_t length;
	uint64_t at;
	char *buffer;
	struct iovec vectors[3];
	struct msghdr message;
	struct __kernel_timespec time;
	long long started;
	/* Somebody may have ended it early. */
	bool disturbed;
	bool waits;
	/* A zero-copy send: which of its two completions came. */
	bool answered, notified;
	int other;
	int extra;
};

struct ring {
	struct io_uring uring;
	struct op *ops[IN_FLIGHT + 8];
	int count;
	/* A drain may hold requests that were submitted back. */
	bool draining;
	/* Requests among them that something else has to end. */
	int waiting;
	struct io_uring_buf_ring *provided;
	char *memory;
	bool given[BUFFERS];
	uint64_t messages_sent, messages_got;
};

/* One thread with its rings and all that it works on. */
struct worker {
	pthread_t thread;
	int number;
	uint64_t random;
	struct ring rings[RINGS];
	struct objects *objects;
	uint64_t ids;
	uint64_t rings_made, operations, completions, cancelled, bytes, overflows;
};

static uint64_t soak_seed;
static atomic_bool soak_over;
static bool on_engine;

static uint64_t rnd(struct worker *w)
{
	uint64_t x = w->random += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static unsigned below(struct worker *w, unsigned limit)
{
	return (unsigned) (rnd(w) % limit);
}

static bool one_in(struct worker *w, unsigned n)
{
	return below(w, n) == 0;
}

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* Ends everything: what is wrong, with the seed to begin a search from. */
__attribute__((format(printf, 2, 3), noreturn)) static void wrong(const struct op *op,
								   const char *format, ...)
{
	va_list list;

	flockfile(stderr);
	fprintf(stderr, "soak, seed %llu", (unsigned long long) soak_seed);
	if (op)
		fprintf(stderr, ", worker %d, %s of %zu at %llu%s", op->worker->number, op->name,
			op->length, (unsigned long long) op->at,
			op->disturbed ? " (disturbed)" : "");
	fprintf(stderr, ": ");
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fprintf(stderr, "\n");
	fflush(stderr);
	/* For a debugger. */
	if (getenv("SOAK_STOP"))
		raise(SIGSTOP);
	_exit(1);
}

/* The byte that belongs at a place of a stream. */
static inline char pattern(uint64_t seed, uint64_t at)
{
	return (char) (((at + seed) * 0x9e3779b97f4a7c15) >> 56);
}

static void fill(char *to, size_t length, uint64_t seed, uint64_t at)
{
	size_t i;

	for (i = 0; i < length; i++)
		to[i] = pattern(seed, at + i);
}

static void verify(const struct op *op, const char *got, size_t length, uint64_t seed, uint64_t at)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (got[i] != pattern(seed, at + i))
			wrong(op, "byte %zu of %zu is %02x, not %02x", i, length, got[i] & 0xff,
			      pattern(seed, at + i) & 0xff);
}

/* ---- requests */

static void submit(struct ring *ring)
{
	int ret = io_uring_submit(&ring->uring);

	if (ret < 0 && ret != -EBUSY && ret != -EAGAIN && ret != -EINTR)
		wrong(NULL, "submit: %s", strerror(-ret));
}

/* Until everything queued was taken. */
static void submit_all(struct ring *ring)
{
	while (io_uring_sq_ready(&ring->uring))
		submit(ring);
}

static struct io_uring_sqe *entry(struct ring *ring)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring->uring)))
		submit(ring);
	return sqe;
}

/* Room for a chain that must be submitted together. */
static void make_room(struct ring *ring, unsigned entries)
{
	while (io_uring_sq_space_left(&ring->uring) < entries)
		submit(ring);
}

/* A request to be prepared, with a buffer of that length. */
static struct op *op_new(struct worker *w, struct ring *ring, const char *name, handler done,
			 void *object, size_t length)
{
	struct op *op = calloc(1, sizeof(*op));

	CHECK(op != NULL);
	*op = (struct op) { .id = ++w->ids, .worker = w, .ring = ring, .name = name, .done = done,
			    .object = object, .length = length, .started = now_ns() };
	if (length) {
		op->buffer = malloc(length);
		CHECK(op->buffer != NULL);
	}
	CHECK(ring->count < (int) (sizeof(ring->ops) / sizeof(ring->ops[0])));
	ring->ops[ring->count++] = op;
	w->operations++;
	return op;
}

/* It waits until something happens. */
static void op_waits(struct op *op)
{
	op->waits = true;
	op->ring->waiting++;
}

/* After the prep call: whose request this is. */
static void op_mark(struct op *op, struct io_uring_sqe *sqe, unsigned flags)
{
	io_uring_sqe_set_data64(sqe, op->id);
	sqe->flags |= (__u8) flags;
}

static struct op *op_find(struct ring *ring, uint64_t id)
{
	int i;

	for (i = 0; i < ring->count; i++)
		if (ring->ops[i]->id == id)
			return ring->ops[i];
	wrong(NULL, "a completion of request %llu, which is not in flight",
	      (unsigned long long) id);
}

static void op_end(struct op *op)
{
	struct ring *ring = op->ring;
	int i;

	ring->waiting -= op->waits;
	for (i = 0; ring->ops[i] != op; i++)
		;
	ring->ops[i] = ring->ops[--ring->count];
	free(op->buffer);
	free(op);
}

/* Whether it ended because it was cancelled; fails if nobody did that. */
static bool ended_early(struct op *op, int res)
{
	if (res != -ECANCELED && res != -EINTR)
		return false;
	if (!op->disturbed)
		wrong(op, "ended with %s", strerror(-res));
	op->worker->cancelled++;
	return true;
}

static bool is_multishot(const struct op *op)
{
	return op->extra < 0;
}

/* ---- time limits and cancels */

static void limit_done(struct op *op, int res, unsigned flags)
{
	(void) flags;
	if (res != -ETIME && res != -ECANCELED && res != -ENOENT && res != -EALREADY && res != 0)
		wrong(op, "ended with %s", strerror(-res));
}

/* Sometimes a request gets a time limit; there is room for it in the queue. */
static void maybe_limit(struct op *op, struct io_uring_sqe *sqe)
{
	struct worker *w = op->worker;
	struct io_uring_sqe *limit;
	struct op *timer;

	if (!one_in(w, 8) || op->ring->count > IN_FLIGHT)
		return;
	timer = op_new(w, op->ring, "link timeout", limit_done, NULL, 0);
	timer->time.tv_nsec = (long long) below(w, 2000000);
	op->disturbed = true;
	sqe->flags |= IOSQE_IO_LINK;
	limit = entry(op->ring);
	io_uring_prep_link_timeout(limit, &timer->time, 0);
	op_mark(timer, limit, 0);
}

static void cancel_done(struct op *op, int res, unsigned flags)
{
	(void) flags;
	if (res < 0 && res != -ENOENT && res != -EALREADY && !ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
	/* Futexes count themselves. */
	if (res > 1 && !op->extra)
		wrong(op, "cancelled %d requests", res);
}

static void cancel_one(struct worker *w, struct ring *ring)
{
	struct op *victim, *op;
	struct io_uring_sqe *sqe;

	if (!ring->count || ring->count > IN_FLIGHT)
		return;
	victim = ring->ops[below(w, (unsigned) ring->count)];
	if (victim->done == cancel_done)
		return;
	victim->disturbed = true;
	op = op_new(w, ring, "cancel", cancel_done, NULL, 0);
	sqe = entry(ring);
	io_uring_prep_cancel64(sqe, victim->id, 0);
	op_mark(op, sqe, 0);
}

/* Everything that is in flight is asked to end. */
static void cancel_all(struct worker *w, struct ring *ring)
{
	struct io_uring_sqe *sqe;
	int i, others = 0;
	struct op *op;

	for (i = 0; i < ring->count; i++) {
		ring->ops[i]->disturbed = true;
		others += ring->ops[i]->done != cancel_done;
	}
	/* One cancel after the other would never come to an end. */
	if (!others)
		return;
	op = op_new(w, ring, "cancel of all", cancel_done, NULL, 0);
	op->extra = 1;
	/* The next one may hit it. */
	op->disturbed = true;
	sqe = entry(ring);
	io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
	op_mark(op, sqe, 0);
}

/* ---- provided buffers */

static void give(struct ring *ring, unsigned bid)
{
	ring->given[bid] = true;
	io_uring_buf_ring_add(ring->provided, ring->memory + bid * BUFFER_SIZE, BUFFER_SIZE,
			      (unsigned short) bid, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(ring->provided, 1);
}

/* The buffer of a completion; the caller gives it back. */
static unsigned taken(struct op *op, unsigned flags)
{
	unsigned bid = flags >> IORING_CQE_BUFFER_SHIFT;

	if (bid >= BUFFERS || !op->ring->given[bid])
		wrong(op, "buffer %u, which is not in the ring", bid);
	op->ring->given[bid] = false;
	return bid;
}

#endif
