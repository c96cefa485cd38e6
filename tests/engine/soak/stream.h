/* Pipes and sockets: what arrives is what was sent, in order and once. */
#ifndef SOAK_STREAM_H
#define SOAK_STREAM_H

#include "stream-open.h"

/* ---- sending */

static bool gone(const struct stream *s, int res)
{
	return s->state == ABANDONED && (res == -EPIPE || res == -ECONNRESET || res == -EBADF);
}

static void sent(struct op *op, int res, unsigned flags)
{
	struct stream *s = op->object;

	if (flags & IORING_CQE_F_NOTIF)
		return;
	s->sending--;
	s->late -= op->other;
	if (res > 0) {
		if ((size_t) res > op->length)
			wrong(op, "sent %d", res);
		if (s->sent != op->at)
			wrong(op, "%d bytes were sent after %llu", res, (unsigned long long) s->sent);
		s->sent += (unsigned) res;
		op->worker->bytes += (unsigned) res;
	} else if (res == 0 || (!gone(s, res) && !ended_early(op, res))) {
		wrong(op, "ended with %s", strerror(-res));
	}
}

static const size_t sizes[] = { 1, 100, 4096, 70000 };

static void send_op(struct op *op, struct stream *s, unsigned flags)
{
	struct worker *w = op->worker;
	struct io_uring_sqe *sqe = entry(op->ring);
	int wait = flags & IOSQE_IO_LINK || one_in(w, 2) ? MSG_WAITALL : 0;
	size_t half = op->length / 2;

	op->vectors[0] = (struct iovec) { op->buffer, half };
	op->vectors[1] = (struct iovec) { op->buffer + half, op->length - half };
	op->message.msg_iov = op->vectors;
	op->message.msg_iovlen = 2;
	switch (s->kind == PIPE ? below(w, 2) : below(w, 5)) {
	case 0:
		io_uring_prep_write(sqe, s->writer, op->buffer, (unsigned) op->length, 0);
		break;
	case 1:
		io_uring_prep_writev(sqe, s->writer, op->vectors, 2, 0);
		break;
	case 2:
		io_uring_prep_send(sqe, s->writer, op->buffer, op->length, MSG_NOSIGNAL | wait);
		break;
	case 3:
		io_uring_prep_sendmsg(sqe, s->writer, &op->message, MSG_NOSIGNAL | (unsigned) wait);
		break;
	case 4:
		/* The kernel notifies of one in a cancelled chain unasked. */
		if (s->kind == UNIX || op->other || flags)
			io_uring_prep_send(sqe, s->writer, op->buffer, op->length, MSG_NOSIGNAL | wait);
		else
			io_uring_prep_send_zc(sqe, s->writer, op->buffer, op->length,
					      MSG_NOSIGNAL | wait, 0);
		break;
	}
	flags |= one_in(w, 16) ? IOSQE_ASYNC : 0;
	op->other |= !!(flags & IOSQE_ASYNC);
	s->late += op->other;
	op_mark(op, sqe, flags);
	if (!(flags & IOSQE_IO_LINK))
		maybe_limit(op, sqe);
}

static void stream_send(struct worker *w, struct ring *ring, struct stream *s)
{
	bool chain = one_in(w, 4);
	struct op *op, *next;

	make_room(ring, 3);
	op = op_new(w, ring, "send", sent, s, 1 + below(w, (unsigned) sizes[below(w, 4)]));
	op_waits(op);
	op->at = s->sent;
	fill(op->buffer, op->length, s->seed, op->at);
	s->sending++;
	send_op(op, s, chain ? IOSQE_IO_LINK : 0);
	if (!chain)
		return;
	/* The second goes only if the first went in full. */
	next = op_new(w, ring, "second send", sent, s, 1 + below(w, 1000));
	op_waits(next);
	next->at = op->at + op->length;
	next->disturbed = true;
	next->other = 1;
	fill(next->buffer, next->length, s->seed, next->at);
	s->sending++;
	send_op(next, s, 0);
}

/* ---- receiving */

static void received(struct op *op, int res, unsigned flags)
{
	struct stream *s = op->object;

	if (!(flags & IORING_CQE_F_MORE)) {
		s->receiving--;
		s->late -= op->other;
	}
	if (res > 0) {
		const char *from = op->buffer;
		unsigned bid = 0;

		if (flags & IORING_CQE_F_BUFFER) {
			bid = taken(op, flags);
			from = op->ring->memory + bid * BUFFER_SIZE;
		}
		if ((size_t) res > op->length)
			wrong(op, "received %d", res);
		verify(op, from, (unsigned) res, s->seed, s->received);
		s->received += (unsigned) res;
		if (flags & IORING_CQE_F_BUFFER)
			give(op->ring, bid);
	} else if (res == 0) {
		if (s->shared || (s->state == CLOSING && (!s->shut || s->received != s->sent)) ||
		    s->state == OPEN)
			wrong(op, "the end after %llu bytes of %llu",
			      (unsigned long long) s->received, (unsigned long long) s->sent);
		if (s->state == CLOSING)
			s->state = ABANDONED;
	} else if (!gone(s, res) && !(is_multishot(op) && res == -ENOBUFS) &&
		   !ended_early(op, res)) {
		wrong(op, "ended with %s", strerror(-res));
	}
}

static void stream_receive(struct worker *w, struct ring *ring, struct stream *s)
{
	unsigned kind = s->kind == PIPE ? below(w, 4) : below(w, 8);
	bool selects = kind == 2 || kind == 3 || kind == 6;
	size_t length = selects ? BUFFER_SIZE : 1 + below(w, (unsigned) sizes[below(w, 4)]);
	struct io_uring_sqe *sqe;
	struct op *op;
	size_t half;

	make_room(ring, 2);
	op = op_new(w, ring, "receive", received, s, length);
	op_waits(op);
	op->at = s->received;
	half = op->length / 2;
	op->vectors[0] = (struct iovec) { op->buffer, half };
	op->vectors[1] = (struct iovec) { op->buffer + half, op->length - half };
	op->message.msg_iov = op->vectors;
	op->message.msg_iovlen = 2;
	s->receiving++;
	sqe = entry(ring);
	switch (kind) {
	case 0:
		io_uring_prep_read(sqe, s->reader, op->buffer, (unsigned) length, 0);
		break;
	case 1:
		io_uring_prep_readv(sqe, s->reader, op->vectors, 2, 0);
		break;
	case 2:
		op->name = "read into a provided buffer";
		op->extra = -1;
		io_uring_prep_read(sqe, s->reader, NULL, BUFFER_SIZE, 0);
		break;
	case 3:
		op->extra = -1;
		if (s->kind == PIPE) {
			op->name = "multishot read";
			io_uring_prep_read_multishot(sqe, s->reader, 0, 0, GROUP);
		} else {
			op->name = "multishot receive";
			io_uring_prep_recv_multishot(sqe, s->reader, NULL, 0, 0);
		}
		break;
	case 4:
		io_uring_prep_recv(sqe, s->reader, op->buffer, length, 0);
		break;
	case 5:
		op->name = "receive of all";
		io_uring_prep_recv(sqe, s->reader, op->buffer, length, MSG_WAITALL);
		break;
	case 6:
		op->name = "receive into a provided buffer";
		op->extra = -1;
		io_uring_prep_recv(sqe, s->reader, NULL, BUFFER_SIZE, 0);
		break;
	case 7:
		op->name = "message";
		io_uring_prep_recvmsg(sqe, s->reader, &op->message, 0);
		break;
	}
	op->other = one_in(w, 16);
	s->late += op->other;
	op_mark(op, sqe, op->other ? IOSQE_ASYNC : 0);
	if (selects) {
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = GROUP;
	}
	if (kind != 3)
		maybe_limit(op, sqe);
}

/* Takes what is there without a ring: some notifications wait for it. */
static void stream_drain(struct worker *w, struct stream *s)
{
	struct op op = { .worker = w, .name = "what is left", .at = s->received };
	char buffer[4096];
	ssize_t got;

	if (s->kind == PIPE || s->reader < 0 || s->receiving)
		return;
	while ((got = recv(s->reader, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
		verify(&op, buffer, (size_t) got, s->seed, s->received);
		s->received += (uint64_t) got;
	}
}

/* ---- the end of a stream */

static void shut_done(struct op *op, int res, unsigned flags)
{
	struct stream *s = op->object;

	(void) flags;
	s->sending--;
	if (res == 0)
		s->shut = true;
	else if (!ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
	if (res == 0 && op->extra)
		s->writer = -1;
}

/* No more is sent: the reader finds the end where it has to be. */
static void stream_shut(struct worker *w, struct ring *ring, struct stream *s)
{
	struct io_uring_sqe *sqe;
	struct op *op;
	unsigned how = s->kind == PIPE ? 1 + below(w, 2) : below(w, 3);

	s->state = CLOSING;
	if (how == 2) {
		CHECK_EQ(close(s->writer), 0);
		s->writer = -1;
		s->shut = true;
		return;
	}
	make_room(ring, 1);
	op = op_new(w, ring, how ? "close" : "shutdown", shut_done, s, 0);
	op->extra = (int) how;
	/* It may be known by the end it brings before it is known by itself. */
	s->shut = true;
	s->sending++;
	sqe = entry(ring);
	if (how)
		io_uring_prep_close(sqe, s->writer);
	else
		io_uring_prep_shutdown(sqe, s->writer, SHUT_WR);
	op_mark(op, sqe, 0);
}

/* Both ends go while requests wait for them, which have their files by then. */
static void stream_abandon(struct worker *w, struct stream *s)
{
	int i;

	for (i = 0; i < RINGS; i++)
		submit_all(&w->rings[i]);
	s->state = ABANDONED;
	if (s->reader >= 0)
		close(s->reader);
	if (s->writer >= 0)
		close(s->writer);
	s->reader = s->writer = -1;
}

/* The next thing to do with a stream, on either ring. */
static void stream_step(struct worker *w, struct ring *ring, struct stream *s)
{
	switch (s->state) {
	case CLOSED:
		stream_open(w, ring, s);
		break;
	case OPENING:
		break;
	case OPEN:
		if (!s->shared && one_in(w, 200) && s->sending == 0)
			stream_shut(w, ring, s);
		else if (!s->shared && !s->late && one_in(w, 300) && !w->rings[0].draining &&
			 !w->rings[1].draining)
			stream_abandon(w, s);
		else if (!s->sending && one_in(w, 2))
			stream_send(w, ring, s);
		else if (!s->receiving)
			stream_receive(w, ring, s);
		break;
	case CLOSING:
		/* A shutdown that was cancelled is asked for again. */
		if (!s->receiving)
			stream_receive(w, ring, s);
		else if (!s->sending && s->writer >= 0)
			stream_shut(w, ring, s);
		break;
	case ABANDONED:
		if (!s->sending && !s->receiving)
			stream_close(s);
		else
			cancel_one(w, ring);
		break;
	}
}

#endif
