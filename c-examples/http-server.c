/*
 * A small HTTP/1.1 server for the files below a folder: GET and HEAD,
 * keep-alive, opening, reading, sending and closing all on the ring. The kernel
 * itself keeps paths inside the folder (openat2 with RESOLVE_BENEATH).
 *
 * Usage: http-server FOLDER [PORT]        Linux 5.6. Stops on SIGINT and SIGTERM.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* O_PATH */
#endif
#include "server.h"

#include <linux/openat2.h>
#include <strings.h>

enum event { ACCEPT, RECEIVE, OPEN, READ, SEND_HEAD, SEND_BODY, CLOSE_FILE, STOP };

#define REQUEST 8192
#define CHUNK 65536

struct client {
	enum event event;
	int fd, file, keep, head_only, failed;
	size_t received;		/* bytes in request */
	size_t consumed;		/* of them, this request */
	size_t length, sent;		/* of what is being sent */
	off_t position, size;		/* in the file */
	struct open_how how;
	struct client *next, **link;
	char path[REQUEST], head[512], request[REQUEST + 1], chunk[CHUNK];
};

static struct io_uring ring;
static struct client *clients;
static int folder;
static unsigned long requests, bytes;

static struct io_uring_sqe *request_of(struct client *client, enum event event)
{
	struct io_uring_sqe *sqe = next_sqe(&ring);

	client->event = event;
	io_uring_sqe_set_data(sqe, client);
	return sqe;
}

static void receive(struct client *client)
{
	struct io_uring_sqe *sqe = request_of(client, RECEIVE);

	io_uring_prep_recv(sqe, client->fd, client->request + client->received,
			   REQUEST - client->received, 0);
}

static void send_part(struct client *client, enum event event, const char *data)
{
	struct io_uring_sqe *sqe = request_of(client, event);
	int more = event == SEND_HEAD && client->size && !client->head_only ? MSG_MORE : 0;

	io_uring_prep_send(sqe, client->fd, data + client->sent,
			   client->length - client->sent, MSG_NOSIGNAL | more);
}

static void drop(struct client *client)
{
	if (client->file >= 0)
		close(client->file);
	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	close(client->fd);
	free(client);
}

static const char *content_type(const char *path)
{
	static const char *const types[][2] = {
		{ ".html", "text/html; charset=utf-8" }, { ".css", "text/css" },
		{ ".js", "text/javascript" }, { ".json", "application/json" },
		{ ".txt", "text/plain; charset=utf-8" }, { ".png", "image/png" },
		{ ".jpg", "image/jpeg" }, { ".svg", "image/svg+xml" },
	};
	const char *end = strrchr(path, '.');
	size_t i;

	for (i = 0; end && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(end, types[i][0]))
			return types[i][1];
	return "application/octet-stream";
}

static void send_head(struct client *client, const char *status, const char *type)
{
	int length = snprintf(client->head, sizeof(client->head),
			      "HTTP/1.1 %s\r\nContent-Type: %s\r\n"
			      "Content-Length: %lld\r\nConnection: %s\r\n%s\r\n",
			      status, type, (long long) client->size,
			      client->keep ? "keep-alive" : "close",
			      strncmp(status, "405", 3) ? "" : "Allow: GET, HEAD\r\n");

	client->length = (size_t) length;
	client->sent = 0;
	send_part(client, SEND_HEAD, client->head);
}

/* An answer without a file; its body is the status. */
static void refuse(struct client *client, const char *status)
{
	client->failed = 1;
	client->position = 0;
	client->size = snprintf(client->chunk, CHUNK, "%s\n", status);
	send_head(client, status, "text/plain");
}

/* %41 becomes A; -1 for what is not a path. */
static int decode(const char *from, size_t length, char *to)
{
	size_t i, out = 0;

	for (i = 0; i < length && from[i] != '?' && from[i] != '#'; i++) {
		int value = (unsigned char) from[i];

		if (value == '%') {
			char digits[3] = { 0, 0, 0 }, *end;

			if (i + 2 >= length)
				return -1;
			memcpy(digits, from + i + 1, 2);
			value = (int) strtol(digits, &end, 16);
			if (end != digits + 2)
				return -1;
			i += 2;
		}
		if (!value)
			return -1;
		to[out++] = (char) value;
	}
	to[out] = 0;
	return 0;
}

/* Looks at a whole request in the buffer; 0 if it is not there yet. */
static int parse(struct client *client)
{
	char *end, *target, *space, *line;
	size_t length;

	client->request[client->received] = 0;
	end = strstr(client->request, "\r\n\r\n");
	if (!end)
		return 0;
	client->consumed = (size_t) (end - client->request) + 4;
	client->keep = 0;
	client->failed = client->head_only = 0;
	requests++;

	line = strstr(client->request, "\r\n");
	space = (char *) memchr(client->request, ' ', (size_t) (line - client->request));
	if (!space || !(target = space + 1) ||
	    !(space = (char *) memchr(target, ' ', (size_t) (line - target))) ||
	    strncmp(space, " HTTP/1.", 8)) {
		refuse(client, "400 Bad Request");
		return 1;
	}
	client->keep = space[8] == '1';
	*end = 0;
	for (line += 2; line < end; line = line ? line + 2 : end) {
		if (!strncasecmp(line, "Connection:", 11))
			client->keep = strstr(line, "close") ? 0 : client->keep;
		/* A request with a body is none of ours. */
		if (!strncasecmp(line, "Content-Length:", 15) && strtol(line + 15, NULL, 10))
			client->keep = 0;
		if (!strncasecmp(line, "Transfer-Encoding:", 18))
			client->keep = 0;
		line = strstr(line, "\r\n");
		if (!line)
			break;
	}
	client->head_only = !strncmp(client->request, "HEAD ", 5);
	if (!client->head_only && strncmp(client->request, "GET ", 4)) {
		client->keep = 0;
		refuse(client, "405 Method Not Allowed");
		return 1;
	}
	length = (size_t) (space - target);
	if (target[0] != '/' || decode(target + 1, length - 1, client->path)) {
		refuse(client, "400 Bad Request");
		return 1;
	}
	length = strlen(client->path);
	if (!length || client->path[length - 1] == '/')
		strcpy(client->path + length, "index.html");
	memset(&client->how, 0, sizeof(client->how));
	client->how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
	client->how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
	io_uring_prep_openat2(request_of(client, OPEN), folder, client->path, &client->how);
	return 1;
}

/* The answer is out: the next request may be in the buffer already. */
static void answered(struct client *client)
{
	if (!client->keep) {
		drop(client);
		return;
	}
	client->received -= client->consumed;
	memmove(client->request, client->request + client->consumed, client->received);
	if (!parse(client))
		receive(client);
}

static void finish_file(struct client *client)
{
	if (client->file < 0) {
		answered(client);
		return;
	}
	io_uring_prep_close(request_of(client, CLOSE_FILE), client->file);
	client->file = -1;
}

static void body(struct client *client)
{
	if (client->head_only || client->position >= client->size) {
		finish_file(client);
	} else if (client->failed) {
		client->length = (size_t) client->size;
		client->position = client->size;
		client->sent = 0;
		send_part(client, SEND_BODY, client->chunk);
	} else {
		io_uring_prep_read(request_of(client, READ), client->file, client->chunk,
				   CHUNK, (__u64) client->position);
	}
}

static void opened(struct client *client, int res)
{
	struct stat status;

	if (res < 0) {
		refuse(client, res == -ENOENT || res == -ENOTDIR || res == -ENAMETOOLONG ?
		       "404 Not Found" : "403 Forbidden");
		return;
	}
	client->file = res;
	if (fstat(res, &status) < 0 || !S_ISREG(status.st_mode)) {
		close(res);
		client->file = -1;
		refuse(client, S_ISDIR(status.st_mode) ? "404 Not Found" : "403 Forbidden");
		return;
	}
	client->position = 0;
	client->size = status.st_size;
	send_head(client, "200 OK", content_type(client->path));
}

static void handle(struct client *client, int res)
{
	switch (client->event) {
	case RECEIVE:
		if (res <= 0) {
			drop(client);
			return;
		}
		client->received += (size_t) res;
		if (parse(client))
			return;
		if (client->received == REQUEST) {
			client->consumed = client->received;
			client->keep = 0;
			refuse(client, "431 Request Header Fields Too Large");
			return;
		}
		receive(client);
		return;
	case OPEN:
		opened(client, res);
		return;
	case READ:
		/* The length is promised: a file that shrank ends the connection. */
		if (res <= 0) {
			drop(client);
			return;
		}
		if (res > client->size - client->position)
			res = (int) (client->size - client->position);
		client->position += res;
		client->length = (size_t) res;
		client->sent = 0;
		send_part(client, SEND_BODY, client->chunk);
		return;
	case SEND_HEAD:
	case SEND_BODY:
		if (res < 0) {
			drop(client);
			return;
		}
		client->sent += (size_t) res;
		bytes += (unsigned long) res;
		if (client->sent < client->length)
			send_part(client, client->event,
				  client->event == SEND_HEAD ? client->head : client->chunk);
		else
			body(client);
		return;
	case CLOSE_FILE:
		answered(client);
		return;
	default:
		return;
	}
}

int main(int argc, char **argv)
{
	static struct client accepting, stopping;
	struct signalfd_siginfo signal_info;
	int listener, stop, ret, running = 1;

	if (argc < 2 || argc > 3 || !strcmp(argv[1], "--help")) {
		fprintf(stderr, "usage: http-server FOLDER [PORT]\n");
		return 2;
	}
	folder = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		die(argv[1], errno);
	stop = stop_descriptor();
	ret = io_uring_queue_init(256, &ring, 0);
	if (ret < 0)
		die("io_uring_queue_init", -ret);
	listener = bound_socket(SOCK_STREAM, argc > 2 ? port_argument(argv[2]) : 0);

	io_uring_prep_accept(request_of(&accepting, ACCEPT), listener, NULL, NULL, SOCK_CLOEXEC);
	io_uring_prep_read(request_of(&stopping, STOP), stop, &signal_info,
			   sizeof(signal_info), 0);
	while (running) {
		struct io_uring_cqe *cqe;
		unsigned int head, seen = 0;

		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			die("io_uring_submit_and_wait", -ret);
		io_uring_for_each_cqe(&ring, head, cqe) {
			struct client *client = (struct client *) io_uring_cqe_get_data(cqe);

			seen++;
			if (client == &stopping) {
				running = 0;
			} else if (client != &accepting) {
				handle(client, cqe->res);
			} else {
				if (cqe->res >= 0 &&
				    (client = (struct client *) malloc(sizeof(*client)))) {
					client->fd = cqe->res;
					client->file = -1;
					client->received = 0;
					client->next = clients;
					client->link = &clients;
					if (clients)
						clients->link = &client->next;
					clients = client;
					receive(client);
				} else if (cqe->res >= 0) {
					close(cqe->res);
				}
				io_uring_prep_accept(request_of(&accepting, ACCEPT), listener,
						     NULL, NULL, SOCK_CLOEXEC);
			}
		}
		io_uring_cq_advance(&ring, seen);
	}
	io_uring_queue_exit(&ring);
	while (clients)
		drop(clients);
	close(listener);
	close(folder);
	close(stop);
	printf("requests=%lu bytes=%lu\n", requests, bytes);
	return 0;
}
