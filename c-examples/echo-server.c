/*
 * A TCP echo server: accept, receive and send on one ring, one buffer for each
 * connection. A connection has one request at a time, so its buffer is either
 * being filled or being sent.
 *
 * Usage: echo-server [PORT]        Linux 5.6. Stops on SIGINT and SIGTERM.
 */
#include "server.h"

enum event { ACCEPT, RECEIVE, SEND, STOP };

#define BUFFER 16384

struct connection {
	enum event event;
	int fd;
	size_t length, sent;
	struct connection *next, **link;
	char buffer[BUFFER];
};

static struct connection *connections;
static unsigned long served, bytes;

static void receive(struct io_uring *ring, struct connection *connection)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	connection->event = RECEIVE;
	io_uring_prep_recv(sqe, connection->fd, connection->buffer, BUFFER, 0);
	io_uring_sqe_set_data(sqe, connection);
}

/* Sends what is left: a send may take less than it was given. */
static void send_rest(struct io_uring *ring, struct connection *connection)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	connection->event = SEND;
	io_uring_prep_send(sqe, connection->fd,
			   connection->buffer + connection->sent,
			   connection->length - connection->sent, MSG_NOSIGNAL);
	io_uring_sqe_set_data(sqe, connection);
}

static void open_connection(struct io_uring *ring, int fd)
{
	struct connection *connection =
		(struct connection *) malloc(sizeof(*connection));

	if (!connection) {
		close(fd);
		return;
	}
	connection->fd = fd;
	connection->next = connections;
	connection->link = &connections;
	if (connections)
		connections->link = &connection->next;
	connections = connection;
	served++;
	receive(ring, connection);
}

static void close_connection(struct connection *connection)
{
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	close(connection->fd);
	free(connection);
}

static void handle(struct io_uring *ring, struct connection *connection, int res)
{
	/* End of stream, reset, broken pipe: the connection is over. */
	if (res <= 0) {
		close_connection(connection);
		return;
	}
	if (connection->event == RECEIVE) {
		connection->length = (size_t) res;
		connection->sent = 0;
		send_rest(ring, connection);
		return;
	}
	connection->sent += (size_t) res;
	bytes += (unsigned long) res;
	if (connection->sent < connection->length)
		send_rest(ring, connection);
	else
		receive(ring, connection);
}

int main(int argc, char **argv)
{
	static struct connection accepting, stopping;
	struct signalfd_siginfo signal_info;
	struct io_uring ring;
	int listener, stop, ret, running = 1;

	if (argc > 2 || (argc == 2 && !strcmp(argv[1], "--help"))) {
		fprintf(stderr, "usage: echo-server [PORT]\n");
		return 2;
	}
	stop = stop_descriptor();
	ret = io_uring_queue_init(256, &ring, 0);
	if (ret < 0)
		die("io_uring_queue_init", -ret);
	listener = bound_socket(SOCK_STREAM, argc > 1 ? port_argument(argv[1]) : 0);

	accepting.event = ACCEPT;
	stopping.event = STOP;
	{
		struct io_uring_sqe *sqe = next_sqe(&ring);

		io_uring_prep_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
		io_uring_sqe_set_data(sqe, &accepting);
		sqe = next_sqe(&ring);
		io_uring_prep_read(sqe, stop, &signal_info, sizeof(signal_info), 0);
		io_uring_sqe_set_data(sqe, &stopping);
	}
	while (running) {
		struct io_uring_cqe *cqe;
		unsigned int head, seen = 0;

		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			die("io_uring_submit_and_wait", -ret);
		io_uring_for_each_cqe(&ring, head, cqe) {
			struct connection *connection =
				(struct connection *) io_uring_cqe_get_data(cqe);

			seen++;
			if (connection->event == STOP) {
				running = 0;
			} else if (connection->event == ACCEPT) {
				struct io_uring_sqe *sqe;

				if (cqe->res >= 0)
					open_connection(&ring, cqe->res);
				else if (cqe->res != -ECONNABORTED &&
					 cqe->res != -EMFILE && cqe->res != -ENFILE)
					die("accept", -cqe->res);
				sqe = next_sqe(&ring);
				io_uring_prep_accept(sqe, listener, NULL, NULL,
						     SOCK_CLOEXEC);
				io_uring_sqe_set_data(sqe, &accepting);
			} else {
				handle(&ring, connection, cqe->res);
			}
		}
		io_uring_cq_advance(&ring, seen);
	}
	/* The ring goes first: the kernel must be through with the buffers. */
	io_uring_queue_exit(&ring);
	while (connections)
		close_connection(connections);
	close(listener);
	close(stop);
	printf("connections=%lu bytes=%lu\n", served, bytes);
	return 0;
}
