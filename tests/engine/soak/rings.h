/* Rings of all kinds: made, reaped, settled and destroyed. */
#ifndef SOAK_RINGS_H
#define SOAK_RINGS_H

#include "file.h"
#include "small.h"
#include "stream.h"

#define FILES 3
#define STREAMS 6
#define TIMERS 2
/* After so long a request that was cancelled counts as lost. */
#define PATIENCE 20000000000ll

/* What a worker works on. */
struct objects {
	struct file files[FILES];
	struct names names;
	struct stream streams[STREAMS];
	/* Whose other half the next and the last worker have. */
	struct stream *to, *from;
	struct timer timers[TIMERS];
	struct bell bell;
	struct lock lock;
	struct chain chain;
};

/* SQPOLL is last: Linux 6.18 may be left with a thread that spins for ever. */
static const unsigned kinds[] = {
	0,
	0,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_SQPOLL,
};

static unsigned some_kind(struct worker *w)
{
	return kinds[below(w, sizeof(kinds) / sizeof(kinds[0]) - !on_engine)];
}

static void ring_make(struct worker *w, struct ring *ring)
{
	struct io_uring_params params = { 0 };
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS, .bgid = GROUP };
	void *memory;
	unsigned entries = 8u << below(w, 3), i;
	int ret;

	memset(ring, 0, sizeof(*ring));
	params.flags = some_kind(w);
	params.sq_thread_idle = 1 + below(w, 20);
	if (one_in(w, 3)) {
		params.flags |= IORING_SETUP_CQSIZE;
		params.cq_entries = entries;
	}
	ret = io_uring_queue_init_params(entries, &ring->uring, &params);
	if (ret)
		wrong(NULL, "a ring with flags %#x: %s", params.flags, strerror(-ret));
	CHECK_EQ(posix_memalign(&memory, 4096, BUFFERS * sizeof(struct io_uring_buf)), 0);
	ring->provided = memory;
	ring->memory = malloc(BUFFERS * BUFFER_SIZE);
	CHECK(ring->memory != NULL);
	reg.ring_addr = (uintptr_t) memory;
	io_uring_buf_ring_init(ring->provided);
	CHECK_EQ(io_uring_register_buf_ring(&ring->uring, &reg, 0), 0);
	for (i = 0; i < BUFFERS; i++)
		give(ring, i);
	w->rings_made++;
}

/* Takes what has completed; how many. */
static unsigned reap_ring(struct worker *w, struct ring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned count = 0;

	while (!io_uring_peek_cqe(&ring->uring, &cqe)) {
		uint64_t data = cqe->user_data;
		unsigned flags = cqe->flags;
		int res = cqe->res;

		io_uring_cqe_seen(&ring->uring, cqe);
		count++;
		w->completions++;
		if (data == MESSAGE) {
			ring->messages_got++;
			continue;
		}
		struct op *op = op_find(ring, data);

		op->done(op, res, flags);
		/* The notification of a send that was cancelled may come first. */
		if (flags & IORING_CQE_F_NOTIF)
			op->notified = true;
		else
			op->answered = true;
		if (op->answered && (!(flags & IORING_CQE_F_MORE) || op->notified))
			op_end(op);
	}
	w->overflows += io_uring_cq_has_overflow(&ring->uring);
	return count;
}

static void wait_a_bit(struct ring *ring, long long ns)
{
	struct __kernel_timespec limit = { .tv_nsec = ns };
	struct io_uring_cqe *cqe;
	int ret = io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &limit, NULL);

	if (ret < 0 && ret != -ETIME && ret != -EINTR && ret != -EBUSY && ret != -EAGAIN)
		wrong(NULL, "wait: %s", strerror(-ret));
}

/* Ends all that is in flight on a worker's rings. */
static void settle(struct worker *w)
{
	long long limit = now_ns() + PATIENCE;
	int i, at, left;

	do {
		left = 0;
		for (i = 0; i < RINGS; i++) {
			struct ring *ring = &w->rings[i];

			if (ring->count && ring->count < IN_FLIGHT + 8)
				cancel_all(w, ring);
			wait_a_bit(ring, 2000000);
			reap_ring(w, ring);
			left += ring->count;
		}
		for (i = 0; i < STREAMS; i++)
			stream_drain(w, &w->objects->streams[i]);
		if (left && now_ns() > limit) {
			for (i = 0; i < RINGS; i++)
				fprintf(stderr, "ring %d: %u queued, %u completed, flags %#x\n", i,
					io_uring_sq_ready(&w->rings[i].uring),
					io_uring_cq_ready(&w->rings[i].uring),
					*w->rings[i].uring.sq.kflags);
			for (i = 0; i < RINGS; i++)
				for (at = 0; at < w->rings[i].count; at++)
					fprintf(stderr, "in flight on ring %d (%#x): %s of %zu at %llu\n",
						i, w->rings[i].uring.flags, w->rings[i].ops[at]->name,
						w->rings[i].ops[at]->length,
						(unsigned long long) w->rings[i].ops[at]->at);
			wrong(NULL, "%d requests never ended", left);
		}
	} while (left);
	for (i = 0; i < RINGS; i++) {
		struct ring *ring = &w->rings[i];

		/* A message may be there a moment after its sender knows it. */
		while (ring->messages_got < ring->messages_sent && now_ns() < limit) {
			wait_a_bit(ring, 1000000);
			reap_ring(w, ring);
		}
		if (ring->messages_got != ring->messages_sent)
			wrong(NULL, "%llu messages of %llu", (unsigned long long) ring->messages_got,
			      (unsigned long long) ring->messages_sent);
	}
}

static void ring_destroy(struct ring *ring)
{
	unsigned i;

	for (i = 0; i < BUFFERS; i++)
		if (!ring->given[i])
			wrong(NULL, "provided buffer %u was lost", i);
	CHECK_EQ(io_uring_unregister_buf_ring(&ring->uring, GROUP), 0);
	io_uring_queue_exit(&ring->uring);
	free(ring->provided);
	free(ring->memory);
}

#endif
