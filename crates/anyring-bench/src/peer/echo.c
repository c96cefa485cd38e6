/*
 * The echo server: whatever arrives is sent back in order; the end of the
 * stream closes the connection. Plain: one SQE a step. Multishot: accept and
 * receive armed once, received into provided buffers.
 */
#include "peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE 4096
#define BUFFERS 256
#define GROUP 0
#define MOST 65536 /* descriptors */

enum { ACCEPT, RECV, SEND, STOP, CLOSE };

/* Bytes from[sent..filled] that wait to be sent; in a buffer of the group or its own. */
struct piece {
	unsigned short buffer;
	unsigned sent, filled;
	struct piece *next;
};

struct connection {
	char *own;
	unsigned sent, filled;
	struct piece *first, *last; /* the first is in flight */
	int over, receiving;
};

struct echo {
	struct io_uring ring;
	int listener, stop, multishot;
	struct connection *connections[MOST];
	struct io_uring_buf_ring *group;
	char *memory;
	int starved[MOST];
	unsigned starving;
	struct piece pieces[BUFFERS]; /* one for each buffer */
	unsigned open, closing;
	unsigned long long calls;
};

static struct io_uring_sqe *next(struct echo *echo)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&echo->ring);

	if (!sqe) {
		echo->calls++;
		io_uring_submit(&echo->ring);
		sqe = io_uring_get_sqe(&echo->ring);
	}
	return sqe;
}

static void tag(struct io_uring_sqe *sqe, int fd, unsigned buffer, unsigned kind)
{
	io_uring_sqe_set_data64(sqe, (unsigned long long) buffer << 40 | (unsigned long long) (unsigned) fd << 8 | kind);
}

static void give(struct echo *echo, unsigned short buffer)
{
	io_uring_buf_ring_add(echo->group, echo->memory + (size_t) buffer * SIZE, SIZE, buffer,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(echo->group, 1);
}

static void accept_more(struct echo *echo)
{
	struct io_uring_sqe *sqe = next(echo);

	if (echo->multishot)
		io_uring_prep_multishot_accept(sqe, echo->listener, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_accept(sqe, echo->listener, NULL, NULL, SOCK_CLOEXEC);
	tag(sqe, 0, 0, ACCEPT);
}

static void receive(struct echo *echo, int fd)
{
	struct io_uring_sqe *sqe = next(echo);

	if (echo->multishot) {
		echo->connections[fd]->receiving = 1;
		io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = GROUP;
	} else {
		io_uring_prep_recv(sqe, fd, echo->connections[fd]->own, SIZE, 0);
	}
	tag(sqe, fd, 0, RECV);
}

static void send_bytes(struct echo *echo, int fd, const char *bytes, unsigned count, unsigned buffer)
{
	struct io_uring_sqe *sqe = next(echo);

	io_uring_prep_send(sqe, fd, bytes, count, MSG_NOSIGNAL | (echo->multishot ? MSG_WAITALL : 0));
	tag(sqe, fd, buffer, SEND);
}

static void send_first(struct echo *echo, int fd)
{
	struct piece *piece = echo->connections[fd]->first;

	send_bytes(echo, fd, echo->memory + (size_t) piece->buffer * SIZE + piece->sent,
		   piece->filled - piece->sent, piece->buffer);
}

static void forget(struct echo *echo, int fd)
{
	struct io_uring_sqe *sqe = next(echo);

	free(echo->connections[fd]->own);
	free(echo->connections[fd]);
	echo->connections[fd] = NULL;
	echo->open--;
	echo->closing++;
	io_uring_prep_close(sqe, fd);
	tag(sqe, 0, 0, CLOSE);
}

static void close_if_done(struct echo *echo, int fd)
{
	const struct connection *connection = echo->connections[fd];

	if (connection->over && !connection->receiving && !connection->first)
		forget(echo, fd);
}

static int accepted(struct echo *echo, int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (fd >= MOST || !connection)
		return -EMFILE;
	if (!echo->multishot) {
		connection->own = malloc(SIZE);
		if (!connection->own)
			return -ENOMEM;
	}
	echo->connections[fd] = connection;
	echo->open++;
	receive(echo, fd);
	return 0;
}

static void plain_step(struct echo *echo, int fd, unsigned kind, int result)
{
	struct connection *connection = echo->connections[fd];

	if (result <= 0) {
		forget(echo, fd);
		return;
	}
	if (kind == RECV) {
		connection->filled = (unsigned) result;
		connection->sent = 0;
	} else {
		connection->sent += (unsigned) result;
		if (connection->sent == connection->filled) {
			receive(echo, fd);
			return;
		}
	}
	send_bytes(echo, fd, connection->own + connection->sent, connection->filled - connection->sent, 0);
}

static void received(struct echo *echo, int fd, int result, unsigned flags)
{
	struct connection *connection = echo->connections[fd];

	connection->receiving = (flags & IORING_CQE_F_MORE) != 0;
	if (result > 0 && flags & IORING_CQE_F_BUFFER) {
		unsigned short buffer = (unsigned short) (flags >> IORING_CQE_BUFFER_SHIFT);
		struct piece *piece = &echo->pieces[buffer];

		*piece = (struct piece) { .buffer = buffer, .filled = (unsigned) result };
		if (connection->first) {
			connection->last->next = piece;
			connection->last = piece;
		} else {
			connection->first = connection->last = piece;
			send_first(echo, fd);
		}
		if (!connection->receiving)
			receive(echo, fd);
	} else if (result == -ENOBUFS) {
		echo->starved[echo->starving++] = fd;
		connection->receiving = 1; /* it is going to be */
	} else {
		connection->over = 1;
	}
	close_if_done(echo, fd);
}

static void sent(struct echo *echo, int fd, int result)
{
	struct connection *connection = echo->connections[fd];
	struct piece *piece = connection->first;

	if (result >= 0) {
		piece->sent += (unsigned) result;
	} else {
		piece->sent = piece->filled;
		connection->over = 1;
	}
	if (piece->sent == piece->filled) {
		connection->first = piece->next;
		give(echo, piece->buffer);
	}
	if (connection->first)
		send_first(echo, fd);
	close_if_done(echo, fd);
}

/* The flags of the best ring the kernel has: for multishot the tasks deferred. */
static int ring_init(struct echo *echo, unsigned entries)
{
	struct io_uring_params params;
	int ret = -EINVAL;

#if defined(IORING_SETUP_DEFER_TASKRUN) && defined(IORING_SETUP_SINGLE_ISSUER)
	if (echo->multishot) {
		memset(&params, 0, sizeof(params));
		params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
		params.cq_entries = 8192;
		ret = io_uring_queue_init_params(entries, &echo->ring, &params);
	}
#endif
	if (ret == -EINVAL) {
		memset(&params, 0, sizeof(params));
		params.flags = IORING_SETUP_CQSIZE;
		params.cq_entries = 8192;
		ret = io_uring_queue_init_params(entries, &echo->ring, &params);
	}
	return ret;
}

static int group_init(struct echo *echo)
{
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS, .bgid = GROUP };
	unsigned short buffer;
	int ret;

	if (posix_memalign((void **) &echo->group, 4096, BUFFERS * sizeof(struct io_uring_buf)) ||
	    posix_memalign((void **) &echo->memory, 4096, (size_t) BUFFERS * SIZE))
		return -ENOMEM;
	memset(echo->group, 0, BUFFERS * sizeof(struct io_uring_buf));
	reg.ring_addr = (unsigned long long) (size_t) echo->group;
	ret = io_uring_register_buf_ring(&echo->ring, &reg, 0);
	if (ret)
		return ret;
	io_uring_buf_ring_init(echo->group);
	for (buffer = 0; buffer < BUFFERS; buffer++)
		give(echo, buffer);
	return 0;
}

/* Serves until `stop` is readable; keeps *calls up to date. */
int peer_echo_run(struct echo *echo, unsigned long long *calls)
{
	struct io_uring_sqe *sqe = next(echo);
	int stopping = 0;

	io_uring_prep_poll_add(sqe, echo->stop, POLLIN);
	tag(sqe, 0, 0, STOP);
	accept_more(echo);
	while (!stopping || echo->open + echo->closing) {
		struct io_uring_cqe *cqe;
		unsigned head, found = 0, i, starving;
		int ret = 0;

		__atomic_store_n(calls, echo->calls, __ATOMIC_RELAXED);
		echo->calls++;
		ret = io_uring_submit_and_wait(&echo->ring, 1);
		if (ret < 0 && ret != -EINTR)
			return ret;
		io_uring_for_each_cqe(&echo->ring, head, cqe) {
			unsigned long long data = io_uring_cqe_get_data64(cqe);
			unsigned kind = data & 0xff;
			int fd = (int) (unsigned) (data >> 8);

			found++;
			ret = 0;
			if (kind == STOP) {
				/* The client is gone: what is open ends by itself. */
				stopping = 1;
			} else if (kind == CLOSE) {
				echo->closing--;
			} else if (kind == ACCEPT) {
				if (cqe->res == -EINVAL)
					return cqe->res;
				if (!echo->multishot || !(cqe->flags & IORING_CQE_F_MORE))
					accept_more(echo);
				if (cqe->res >= 0)
					ret = accepted(echo, cqe->res);
			} else if (!echo->multishot) {
				plain_step(echo, fd, kind, cqe->res);
			} else if (kind == RECV) {
				received(echo, fd, cqe->res, cqe->flags);
			} else if (kind == SEND) {
				sent(echo, fd, cqe->res);
			}
			if (ret < 0)
				return ret;
		}
		io_uring_cq_advance(&echo->ring, found);
		starving = echo->starving;
		echo->starving = 0;
		for (i = 0; i < starving; i++)
			receive(echo, echo->starved[i]);
	}
	__atomic_store_n(calls, echo->calls, __ATOMIC_RELAXED);
	return 0;
}

/* Takes it down. What connections that are still open receive into stays in memory. */
void peer_echo_close(struct echo *echo)
{
	int fd;

	io_uring_queue_exit(&echo->ring);
	for (fd = 0; fd < MOST; fd++) {
		if (echo->connections[fd]) {
			close(fd);
			free(echo->connections[fd]);
		}
	}
	if (!echo->open) {
		free(echo->memory);
		free(echo->group);
	}
	free(echo);
}

struct echo *peer_echo_open(int listener, int stop, int multishot, unsigned entries, int *error)
{
	struct echo *echo = calloc(1, sizeof(*echo));

	*error = -ENOMEM;
	if (!echo)
		return NULL;
	echo->listener = listener;
	echo->stop = stop;
	echo->multishot = multishot;
	*error = ring_init(echo, entries);
	if (*error < 0) {
		free(echo);
		return NULL;
	}
	if (multishot) {
		*error = group_init(echo);
		if (*error < 0) {
			peer_echo_close(echo);
			return NULL;
		}
	}
	return echo;
}
