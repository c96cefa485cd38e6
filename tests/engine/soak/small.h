/* Timeouts, polls, futexes, chains of nops, messages between rings. */
#ifndef SOAK_SMALL_H
#define SOAK_SMALL_H

#include "base.h"

#include <linux/futex.h>
#include <sys/syscall.h>

/* ---- timeouts: never early, as often as asked for */

struct timer {
	int in_flight;
	struct op *op;
	int left;
};

static void timed_out(struct op *op, int res, unsigned flags)
{
	struct timer *t = op->object;
	long long passed = now_ns() - op->started;

	if (flags & IORING_CQE_F_MORE) {
		/* An update may count anew. */
		if (res != -ETIME || (--t->left < 1 && !op->disturbed))
			wrong(op, "ended with %s, %d times left", strerror(-res), t->left);
		return;
	}
	t->in_flight--;
	t->op = NULL;
	if (res == -ETIME) {
		/* A full queue ends it before its last time; an update may shorten it. */
		long long least = op->time.tv_nsec * (op->extra - t->left + 1);

		if (passed < least && !op->disturbed)
			wrong(op, "%lld ns too early", least - passed);
	} else if (!ended_early(op, res)) {
		wrong(op, "ended with %s", strerror(-res));
	}
}

static void updated(struct op *op, int res, unsigned flags)
{
	struct timer *t = op->object;

	(void) flags;
	t->in_flight--;
	if (res && res != -ENOENT && res != -EALREADY && !ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
}

static void timer_step(struct worker *w, struct ring *ring, struct timer *t)
{
	struct io_uring_sqe *sqe;
	struct op *op;

	if (!t->in_flight) {
		op = op_new(w, ring, "timeout", timed_out, t, 0);
		op_waits(op);
		op->time.tv_nsec = (long long) below(w, 3000000);
		/* Linux 6.18 may forget one that is to come again and is cancelled. */
		t->left = op->extra = on_engine && one_in(w, 4) ? 1 + (int) below(w, 3) : 1;
		t->op = op;
		t->in_flight++;
		sqe = entry(ring);
		io_uring_prep_timeout(sqe, &op->time, t->left > 1 ? (unsigned) t->left : 0,
				      t->left > 1 ? IORING_TIMEOUT_MULTISHOT : 0);
		op_mark(op, sqe, 0);
	} else if (t->op && t->in_flight == 1 && t->op->ring == ring && one_in(w, 3)) {
		struct op *victim = t->op;

		victim->disturbed = true;
		t->in_flight++;
		op = op_new(w, ring, "change of a timeout", updated, t, 0);
		op->time.tv_nsec = (long long) below(w, 1000000);
		sqe = entry(ring);
		if (one_in(w, 2))
			io_uring_prep_timeout_remove(sqe, victim->id, 0);
		else
			io_uring_prep_timeout_update(sqe, &op->time, victim->id, 0);
		op_mark(op, sqe, 0);
	}
}

/* ---- polls on an eventfd: a write is seen */

struct bell {
	int fd;
	int in_flight;
	uint64_t rung;
};

static void polled(struct op *op, int res, unsigned flags)
{
	struct bell *b = op->object;

	if (!(flags & IORING_CQE_F_MORE))
		b->in_flight--;
	if (res < 0 && !ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
	if (res >= 0 && !(res & POLLIN))
		wrong(op, "events %#x", res);
	if (res >= 0 && !b->rung && !op->extra)
		wrong(op, "nobody wrote");
}

static void bell_step(struct worker *w, struct ring *ring, struct bell *b)
{
	struct io_uring_sqe *sqe;
	struct op *op;
	uint64_t one = 1, got;

	if (!b->in_flight) {
		if (b->rung) {
			CHECK_EQ(read(b->fd, &got, sizeof(got)), sizeof(got));
			CHECK_EQ(got, b->rung);
			b->rung = 0;
		}
		op = op_new(w, ring, "poll", polled, b, 0);
		op_waits(op);
		op->extra = one_in(w, 3);
		b->in_flight++;
		sqe = entry(ring);
		if (op->extra)
			io_uring_prep_poll_multishot(sqe, b->fd, POLLIN);
		else
			io_uring_prep_poll_add(sqe, b->fd, POLLIN);
		op_mark(op, sqe, 0);
	} else if (one_in(w, 2)) {
		b->rung++;
		CHECK_EQ(write(b->fd, &one, sizeof(one)), sizeof(one));
	} else {
		cancel_one(w, ring);
	}
}

/* ---- futexes */

/* FUTEX2_SIZE_U32 | FUTEX2_PRIVATE, which older headers lack. */
#define PRIVATE_WORD (2 | FUTEX_PRIVATE_FLAG)

struct lock {
	uint32_t *word;
	bool able;
	int waiting;
};

static void woken(struct op *op, int res, unsigned flags)
{
	struct lock *l = op->object;

	(void) flags;
	l->waiting--;
	if (res && res != -EAGAIN && !ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
	if (!res && __atomic_load_n(l->word, __ATOMIC_ACQUIRE) == (uint32_t) op->at)
		wrong(op, "woken though nobody changed the word");
}

static void wake_done(struct op *op, int res, unsigned flags)
{
	struct lock *l = op->object;

	(void) flags;
	l->waiting--;
	if (res < 0 && !ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
}

static void lock_step(struct worker *w, struct ring *ring, struct lock *l)
{
	struct io_uring_sqe *sqe;
	struct op *op;

	if (!l->able)
		return;
	if (!l->waiting) {
		op = op_new(w, ring, "futex wait", woken, l, 0);
		op_waits(op);
		op->at = *l->word;
		l->waiting++;
		sqe = entry(ring);
		io_uring_prep_futex_wait(sqe, l->word, op->at, FUTEX_BITSET_MATCH_ANY,
					 PRIVATE_WORD, 0);
		op_mark(op, sqe, 0);
		return;
	}
	__atomic_add_fetch(l->word, 1, __ATOMIC_RELEASE);
	if (one_in(w, 2)) {
		op = op_new(w, ring, "futex wake", wake_done, l, 0);
		/* It must not hit the next wait. */
		l->waiting++;
		sqe = entry(ring);
		io_uring_prep_futex_wake(sqe, l->word, 1, FUTEX_BITSET_MATCH_ANY,
					 PRIVATE_WORD, 0);
		op_mark(op, sqe, 0);
	} else {
		syscall(SYS_futex, l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
}

/* ---- chains: in order */

struct chain {
	int left;
	uint64_t next;
};

static void link_done(struct op *op, int res, unsigned flags)
{
	struct chain *c = op->object;

	(void) flags;
	if (res && !ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
	if (op->at != c->next)
		wrong(op, "before number %llu", (unsigned long long) c->next);
	c->next++;
	if (--c->left == 0)
		op->ring->draining = false;
}

static void chain_step(struct worker *w, struct ring *ring, struct chain *c)
{
	int count = 1 + (int) below(w, 4), i;
	struct io_uring_sqe *sqe;
	struct op *op;
	/* A drain holds everything up until all before it are done. Linux 6.18 loses
	   count where requests with several completions are cancelled. */
	bool drains = on_engine && ring->waiting == 0 && one_in(w, 4);

	if (c->left)
		return;
	ring->draining |= drains;
	c->left = count;
	c->next = 0;
	make_room(ring, (unsigned) count);
	for (i = 0; i < count; i++) {
		op = op_new(w, ring, "nop", link_done, c, 0);
		op->at = (unsigned) i;
		/* Whoever cancels one ends those behind it. */
		op->disturbed = true;
		sqe = entry(ring);
		io_uring_prep_nop(sqe);
		op_mark(op, sqe, (i < count - 1 ? IOSQE_IO_HARDLINK : 0) |
				 (drains && !i ? IOSQE_IO_DRAIN : 0));
	}
}

/* ---- messages: none is lost, none comes twice */

#define MESSAGE (1ull << 63)

static struct ring mailbox;
static atomic_ullong mail_count, mail_sum;

static void message_done(struct op *op, int res, unsigned flags)
{
	(void) flags;
	if (res == 0) {
		if (op->object) {
			((struct ring *) op->object)->messages_sent++;
		} else {
			mail_count++;
			mail_sum += op->length;
		}
	} else if (!ended_early(op, res)) {
		wrong(op, "ended with %s", strerror(-res));
	}
}

static void message(struct worker *w, struct ring *ring)
{
	bool far = one_in(w, 2);
	struct ring *to = far ? &mailbox : &w->rings[below(w, RINGS)];
	unsigned number = below(w, 1000000);
	struct io_uring_sqe *sqe;
	struct op *op;

	op = op_new(w, ring, "message", message_done, far ? NULL : to, 0);
	op->length = number;
	sqe = entry(ring);
	io_uring_prep_msg_ring(sqe, to->uring.ring_fd, number, MESSAGE, 0);
	op_mark(op, sqe, 0);
}

#endif
