/* Pipes and sockets come into being, TCP ones by requests. */
#ifndef SOAK_STREAM_OPEN_H
#define SOAK_STREAM_OPEN_H

#include "base.h"

enum stream_kind { PIPE, UNIX, TCP };
enum stream_state { CLOSED, OPENING, OPEN, CLOSING, ABANDONED };

struct stream {
	enum stream_kind kind;
	enum stream_state state;
	uint64_t seed;
	/* Where bytes come out, where they go in. */
	int reader, writer;
	/* Of the one who writes, and of the one who reads: never both. */
	uint64_t sent __attribute__((aligned(64)));
	int sending;
	bool shut;
	uint64_t received __attribute__((aligned(64)));
	int receiving;
	/* Requests that may look the descriptor up after their submission. */
	int late;
	/* Opening. */
	int listener, opening;
	struct sockaddr_in address;
	/* The halves belong to two threads, and it stays open. */
	bool shared;
};

static void stream_close(struct stream *s)
{
	if (s->reader >= 0)
		close(s->reader);
	if (s->writer >= 0)
		close(s->writer);
	if (s->listener >= 0)
		close(s->listener);
	s->reader = s->writer = s->listener = -1;
	s->state = CLOSED;
}

static void stream_opened(struct worker *w, struct stream *s)
{
	s->state = OPEN;
	s->seed = rnd(w);
	s->sent = s->received = 0;
	s->shut = false;
}

/* Some sockets take little at once. */
static void maybe_narrow(struct worker *w, const struct stream *s)
{
	int small = 4096;

	if (one_in(w, 2))
		CHECK_EQ(setsockopt(s->writer, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
}

static void opening_done(struct stream *s)
{
	if (--s->opening)
		return;
	if (s->reader < 0 || s->writer < 0)
		stream_close(s);
	else
		s->state = OPEN;
}

static void accepted(struct op *op, int res, unsigned flags)
{
	struct stream *s = op->object;

	(void) flags;
	if (res >= 0)
		s->reader = res;
	else if (!ended_early(op, res))
		wrong(op, "ended with %s", strerror(-res));
	opening_done(s);
}

static void connected(struct op *op, int res, unsigned flags)
{
	struct stream *s = op->object;

	(void) flags;
	if (res) {
		if (!ended_early(op, res))
			wrong(op, "ended with %s", strerror(-res));
		close(s->writer);
		s->writer = -1;
	}
	/* An accept that got nobody would wait for ever. */
	if (s->opening == 2 && s->writer < 0)
		shutdown(s->listener, SHUT_RDWR);
	opening_done(s);
}

static void accept_refused(struct op *op, int res, unsigned flags)
{
	if (res == -EINVAL) {
		struct stream *s = op->object;

		if (s->writer >= 0)
			wrong(op, "ended with EINVAL");
		opening_done(s);
		return;
	}
	accepted(op, res, flags);
}

static void tcp_open(struct worker *w, struct ring *ring, struct stream *s)
{
	socklen_t length = sizeof(s->address);
	struct io_uring_sqe *sqe;
	struct op *op;

	s->address = (struct sockaddr_in) { .sin_family = AF_INET };
	s->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s->writer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(s->listener >= 0 && s->writer >= 0);
	maybe_narrow(w, s);
	CHECK_EQ(bind(s->listener, (struct sockaddr *) &s->address, length), 0);
	CHECK_EQ(listen(s->listener, 1), 0);
	CHECK_EQ(getsockname(s->listener, (struct sockaddr *) &s->address, &length), 0);
	s->state = OPENING;
	s->opening = 2;
	make_room(ring, 2);
	op = op_new(w, ring, "accept", accept_refused, s, 0);
	op_waits(op);
	sqe = entry(ring);
	io_uring_prep_accept(sqe, s->listener, NULL, NULL, SOCK_CLOEXEC);
	op_mark(op, sqe, one_in(w, 8) ? IOSQE_ASYNC : 0);
	op = op_new(w, ring, "connect", connected, s, 0);
	sqe = entry(ring);
	io_uring_prep_connect(sqe, s->writer, (struct sockaddr *) &s->address, length);
	op_mark(op, sqe, 0);
}

static void stream_open(struct worker *w, struct ring *ring, struct stream *s)
{
	int ends[2];

	stream_opened(w, s);
	switch (s->kind) {
	case PIPE:
		CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
		s->reader = ends[0];
		s->writer = ends[1];
		break;
	case UNIX:
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		s->reader = ends[0];
		s->writer = ends[1];
		maybe_narrow(w, s);
		break;
	case TCP:
		tcp_open(w, ring, s);
		break;
	}
}

#endif
