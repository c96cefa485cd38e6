/*
 * A TCP echo server that asks once: one accept for all connections, one receive
 * for each connection, buffers from a ring that all share. Data wait in a queue
 * of the connection until they are sent, and the buffer goes back then.
 *
 * Usage: echo-server-multishot [PORT]        Linux 6.0 (provided-buffer rings 5.19)
 */
#include "server.h"

#define BUFFERS 1024		/* a power of two */
#define BUFFER 4096
#define GROUP 7

enum event { ACCEPT = 1, RECEIVE, SEND, STOP };

struct chunk {
	unsigned short id, next;	/* next + 1, 0: last */
	unsigned int length, sent;
};

struct connection {
	int fd;
	int receiving, sending, closing;
	unsigned short first, last;	/* chunk ids + 1, 0: none */
	struct connection *next, **link;
	struct connection *waiting;	/* for buffers */
	int is_waiting;
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *memory;
static struct chunk chunks[BUFFERS];
static struct connection *connections, *starved;
static unsigned long served, bytes;
static int returned;		/* buffers came back since the last look */

/* Connections are aligned to 16 bytes: the event fits below the pointer. */
static void tag(struct io_uring_sqe *sqe, struct connection *connection,
		enum event event)
{
	io_uring_sqe_set_data64(sqe, (__u64) (uintptr_t) connection | (__u64) event);
}

static void recycle(unsigned short id)
{
	io_uring_buf_ring_add(buffers, memory + (size_t) id * BUFFER, BUFFER, id,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(buffers, 1);
	returned = 1;
}

static void receive(struct connection *connection)
{
	struct io_uring_sqe *sqe = next_sqe(&ring);

	io_uring_prep_recv_multishot(sqe, connection->fd, NULL, 0, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
	io_uring_sqe_set_buf_group(sqe, GROUP);
	tag(sqe, connection, RECEIVE);
	connection->receiving = 1;
}

static void send_first(struct connection *connection)
{
	struct chunk *chunk = &chunks[connection->first - 1];
	struct io_uring_sqe *sqe = next_sqe(&ring);

	io_uring_prep_send(sqe, connection->fd,
			   memory + (size_t) chunk->id * BUFFER + chunk->sent,
			   chunk->length - chunk->sent, MSG_NOSIGNAL);
	tag(sqe, connection, SEND);
	connection->sending = 1;
}

static void drop_first(struct connection *connection)
{
	struct chunk *chunk = &chunks[connection->first - 1];

	connection->first = chunk->next;
	if (!connection->first)
		connection->last = 0;
	recycle(chunk->id);
}

/* Buffers came back: receives that ran out of them start again. */
static void feed_starved(void)
{
	struct connection *connection = starved;

	if (!returned)
		return;
	returned = 0;
	starved = NULL;
	while (connection) {
		struct connection *next = connection->waiting;

		connection->is_waiting = 0;
		if (!connection->closing)
			receive(connection);
		connection = next;
	}
}

static void stop_waiting(struct connection *connection)
{
	struct connection **link = &starved;

	if (!connection->is_waiting)
		return;
	while (*link != connection)
		link = &(*link)->waiting;
	*link = connection->waiting;
	connection->is_waiting = 0;
}

/* Lets go of a connection when the kernel has no request of it any more. */
static void release(struct connection *connection)
{
	if (connection->receiving || connection->sending || !connection->closing)
		return;
	while (connection->first)
		drop_first(connection);
	stop_waiting(connection);
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	close(connection->fd);
	free(connection);
}

/* The client is gone, or has said all it will: what is queued is still sent. */
static void finish(struct connection *connection, int broken)
{
	connection->closing = 1;
	if (broken) {
		while (connection->first && !connection->sending)
			drop_first(connection);
		/* Ends a receive that would wait for ever. */
		if (connection->receiving)
			shutdown(connection->fd, SHUT_RDWR);
	}
}

static void open_connection(int fd)
{
	struct connection *connection;

	connection = (struct connection *) aligned_alloc(16,
			(sizeof(*connection) + 15) & ~(size_t) 15);
	if (!connection) {
		close(fd);
		return;
	}
	memset(connection, 0, sizeof(*connection));
	connection->fd = fd;
	connection->next = connections;
	connection->link = &connections;
	if (connections)
		connections->link = &connection->next;
	connections = connection;
	served++;
	receive(connection);
}

static void received(struct connection *connection, const struct io_uring_cqe *cqe)
{
	if (!(cqe->flags & IORING_CQE_F_MORE))
		connection->receiving = 0;
	if (cqe->res > 0) {
		unsigned short id = (unsigned short)
			(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		struct chunk *chunk = &chunks[id];

		chunk->id = id;
		chunk->next = 0;
		chunk->length = (unsigned int) cqe->res;
		chunk->sent = 0;
		if (connection->last)
			chunks[connection->last - 1].next = (unsigned short) (id + 1);
		else
			connection->first = (unsigned short) (id + 1);
		connection->last = (unsigned short) (id + 1);
		if (!connection->sending)
			send_first(connection);
	} else if (cqe->res == -ENOBUFS) {
		/* All buffers wait to be sent; go on when some are back. */
		connection->waiting = starved;
		connection->is_waiting = 1;
		starved = connection;
		return;
	} else {
		finish(connection, cqe->res < 0);
	}
	if (!connection->receiving && !connection->closing)
		receive(connection);
	if (!connection->first)
		release(connection);
}

static void sent(struct connection *connection, int res)
{
	struct chunk *chunk = &chunks[connection->first - 1];

	connection->sending = 0;
	if (res < 0) {
		finish(connection, 1);
		release(connection);
		return;
	}
	bytes += (unsigned long) res;
	chunk->sent += (unsigned int) res;
	if (chunk->sent == chunk->length)
		drop_first(connection);
	if (connection->first)
		send_first(connection);
	else
		release(connection);
}

static void accept_all(int listener)
{
	struct io_uring_sqe *sqe = next_sqe(&ring);

	io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
	tag(sqe, NULL, ACCEPT);
}

int main(int argc, char **argv)
{
	struct signalfd_siginfo signal_info;
	struct io_uring_sqe *sqe;
	int listener, stop, ret, i, running = 1;

	if (argc > 2 || (argc == 2 && !strcmp(argv[1], "--help"))) {
		fprintf(stderr, "usage: echo-server-multishot [PORT]\n");
		return 2;
	}
	stop = stop_descriptor();
	ret = io_uring_queue_init(256, &ring, 0);
	if (ret < 0)
		die("io_uring_queue_init", -ret);
	buffers = io_uring_setup_buf_ring(&ring, BUFFERS, GROUP, 0, &ret);
	if (!buffers)
		die("io_uring_setup_buf_ring", -ret);
	memory = (char *) malloc((size_t) BUFFERS * BUFFER);
	if (!memory)
		die("malloc", ENOMEM);
	for (i = 0; i < BUFFERS; i++)
		recycle((unsigned short) i);
	listener = bound_socket(SOCK_STREAM, argc > 1 ? port_argument(argv[1]) : 0);

	accept_all(listener);
	sqe = next_sqe(&ring);
	io_uring_prep_read(sqe, stop, &signal_info, sizeof(signal_info), 0);
	tag(sqe, NULL, STOP);
	while (running) {
		struct io_uring_cqe *cqe;
		unsigned int head, seen = 0;

		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			die("io_uring_submit_and_wait", -ret);
		io_uring_for_each_cqe(&ring, head, cqe) {
			__u64 data = io_uring_cqe_get_data64(cqe);
			struct connection *connection =
				(struct connection *) (uintptr_t) (data & ~15ULL);

			seen++;
			switch ((enum event) (data & 15)) {
			case ACCEPT:
				if (cqe->res >= 0)
					open_connection(cqe->res);
				else if (cqe->res != -ECONNABORTED &&
					 cqe->res != -EMFILE && cqe->res != -ENFILE)
					die("accept", -cqe->res);
				if (!(cqe->flags & IORING_CQE_F_MORE))
					accept_all(listener);
				break;
			case RECEIVE:
				received(connection, cqe);
				break;
			case SEND:
				sent(connection, cqe->res);
				break;
			case STOP:
				running = 0;
				break;
			}
		}
		io_uring_cq_advance(&ring, seen);
		feed_starved();
	}
	/* The ring goes first: the kernel must be through with the buffers. */
	io_uring_free_buf_ring(&ring, buffers, BUFFERS, GROUP);
	io_uring_queue_exit(&ring);
	while (connections) {
		struct connection *next = connections->next;

		close(connections->fd);
		free(connections);
		connections = next;
	}
	free(memory);
	close(listener);
	close(stop);
	printf("connections=%lu bytes=%lu\n", served, bytes);
	return 0;
}
