/*
 * A random program: requests of most operations on objects of many kinds, alone, in chains,
 * drained, with time limits and by workers, and what acts beside them: signals whose handlers
 * use rings, threads that end, forked children, working directories, umasks and users that
 * change, descriptors that are closed or become others.
 *
 *     program SEED [--keep 1,5,9] [--quiet MILLISECONDS] [--expect 3,0,2] [--print]
 *
 * The program is made from the seed alone. It has turns; in each, chains of requests are
 * submitted, each on objects of its own, then others act, then what is left is ended. `--keep`
 * leaves out all parts but these, by number, for finding the smallest program that fails.
 * Between the parts completions are collected until none came for `--quiet` milliseconds;
 * `--expect` gives how many to wait for each time, longer if need be. `--print` says what the
 * program does instead of doing it.
 *
 * What is seen goes to standard output: a line for each chain and part with its completions in
 * their order, and lines for what files, sockets and processes are like. Lines begin with a
 * key up to " | ". run.py compares them between the kernel and the engine. The program runs in
 * an empty working directory, whose content it changes.
 */
#define _GNU_SOURCE
#include <liburing.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef IORING_SETUP_CQE_MIXED
#define IORING_SETUP_CQE_MIXED (1U << 18)
#endif

/* Of linux/futex.h, which is older on some machines. */
#ifndef FUTEX2_SIZE_U32
#define FUTEX2_SIZE_U32 2
#endif
#ifndef FUTEX2_PRIVATE
#define FUTEX2_PRIVATE FUTEX_PRIVATE_FLAG
#endif

#define LEN(array) ((int) (sizeof(array) / sizeof((array)[0])))

enum { TURNS = 5, CHAINS = 3, LINKS = 4, ACTS = 4, REQUESTS = CHAINS * LINKS };
/* Slots of registered files: those of the objects, then those that the kernel gives out. */
enum { SLOTS = 32, GIVEN = 16 };
enum { BUFFERS = 8, BUFFER = 64, INC_BUFFERS = 2, INC_BUFFER = 512, AREA = 4096 };

static unsigned long long state;

static unsigned random_number(void)
{
	unsigned long long z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (unsigned) ((z ^ z >> 31) >> 16);
}

static int below(int limit)
{
	return (int) (random_number() % (unsigned) limit);
}

static int one_in(int count)
{
	return below(count) == 0;
}

/* ---- what a program consists of */

#define KINDS(X) \
	X(FILE_) X(MEMFD) X(PIPE) X(FULL_PIPE) X(FIFO) X(UNIX) X(TCP) X(DATAGRAM) X(SEQPACKET) X(UDP) \
	X(UNIX_LISTENER) X(TCP_LISTENER) X(UNIX_CLIENT) X(TCP_CLIENT) X(EVENTFD) X(TIMERFD) X(EPOLL) \
	X(INOTIFY) X(CHILD) X(FUTEX) X(NAMES) X(OTHER_RING) X(NOTHING)

#define OPS(X) \
	X(NOP) X(READ) X(READV) X(READ_FIXED) X(READ_SELECT) X(READ_MULTI) X(WRITE) X(WRITEV) \
	X(WRITE_FIXED) X(FSYNC) X(TRUNCATE) X(FALLOCATE) X(SPLICE) X(POLL) X(POLL_MULTI) X(RECV) \
	X(RECV_ALL) X(RECVMSG) X(RECV_SELECT) X(RECV_MULTI) X(RECVMSG_MULTI) X(RECV_BUNDLE) \
	X(RECV_BUNDLE_MULTI) X(SEND) X(SENDMSG) X(SEND_ZC) X(SENDMSG_ZC) X(SEND_BUNDLE) X(SEND_LONG) \
	X(SHUTDOWN) X(ACCEPT) X(ACCEPT_MULTI) X(ACCEPT_DIRECT) X(ACCEPT_MULTI_DIRECT) X(CONNECT) \
	X(TIMEOUT) X(TIMEOUT_SHORT) X(TIMEOUT_COUNT) X(TIMEOUT_MULTI) X(EPOLL_WAIT) X(WAITID) \
	X(WAIT_WORD) X(WAIT_WORDS) X(WAKE_WORD) X(OPEN) X(OPEN_DIRECT) X(MKDIR) X(UNLINK) X(RENAME) \
	X(SYMLINK) X(LINK) X(STATX) X(MSG) X(MSG_FLAGS) X(MSG_FD) X(CLOSE) X(CLOSE_DIRECT) X(INSTALL) \
	X(UPDATE) X(SOCKET) X(SOCKET_DIRECT) X(PROVIDE) X(REMOVE) X(CANCEL_DATA) X(CANCEL_FD) \
	X(CANCEL_ANY) X(CANCEL_OP) X(POLL_REMOVE) X(TIMEOUT_REMOVE) X(TIMEOUT_UPDATE) X(COMMAND)

#define ACTIONS(X) \
	X(FEED) X(FEED_MORE) X(HANG_UP) X(CLOSE_FD) X(REPLACE_FD) X(REPLACE_SLOT) X(CLEAR_SLOT) \
	X(FORK_HOLDS) X(FORK_CLOSES) X(FORK_FEEDS) X(FORK_RING) X(FORK_ENDS) X(THREAD_RING) \
	X(THREAD_SUBMITS) X(THREAD_CLOSES) X(THREAD_FOLDER) X(THREAD_USER) X(CHDIR) X(UMASK) X(UNSHARE) \
	X(USER_RAW) X(USER_LIBC) X(SIGNAL) X(SIGNAL_RING) X(SIGNAL_READ) X(SIGNAL_WAIT) \
	X(SIGNAL_WAIT_RING) X(SIGNAL_WAIT_SAME) X(SYNC_CANCEL) X(SYNC_CANCEL_FD) X(OVERFLOW) X(MESSAGE) \
	X(MESSAGE_FD) X(RESIZE) X(EVENTFD_) X(TAGS) X(FREE_GROUP) X(PAUSE) X(WAIT_MIN)

#define ENDS(X) X(END_FEED) X(END_HANG_UP) X(END_CANCEL) X(END_CLOSE) X(END_RING)

#define NAME(name) name,
#define TEXT(name) #name,
enum kind { KINDS(NAME) KIND_COUNT };
enum op { OPS(NAME) OP_COUNT };
enum action { ACTIONS(NAME) ACTION_COUNT };
enum end { ENDS(NAME) END_COUNT };
static const char *const kind_names[] = { KINDS(TEXT) };
static const char *const op_names[] = { OPS(TEXT) };
static const char *const action_names[] = { ACTIONS(TEXT) };
static const char *const end_names[] = { ENDS(TEXT) };

static const enum op of_files[] = { READ, READV, READ_FIXED, READ_SELECT, WRITE, WRITEV, WRITE_FIXED, FSYNC, TRUNCATE, FALLOCATE };
static const enum op of_reading[] = { READ, READ, READV, READ_FIXED, READ_SELECT, READ_MULTI, POLL, POLL_MULTI, SPLICE };
static const enum op of_writing[] = { WRITE, WRITEV, WRITE_FIXED, POLL };
static const enum op of_streams[] = {
	READ, READV, READ_FIXED, READ_SELECT, READ_MULTI, WRITE, POLL, POLL_MULTI, RECV, RECV, RECV_ALL, RECVMSG,
	RECV_SELECT, RECV_MULTI, RECV_MULTI, RECVMSG_MULTI, RECV_BUNDLE, RECV_BUNDLE_MULTI, SEND, SENDMSG, SEND_ZC,
	SENDMSG_ZC, SEND_BUNDLE, SEND_LONG, SHUTDOWN, SPLICE, COMMAND };
static const enum op of_datagrams[] = {
	READ, READV, READ_SELECT, POLL, POLL_MULTI, RECV, RECVMSG, RECV_SELECT, RECV_MULTI, RECVMSG_MULTI, SEND,
	SENDMSG, SEND_ZC, SENDMSG_ZC, COMMAND };
static const enum op of_listeners[] = { ACCEPT, ACCEPT, ACCEPT_MULTI, ACCEPT_DIRECT, ACCEPT_MULTI_DIRECT, POLL, POLL_MULTI };
static const enum op of_clients[] = { CONNECT, CONNECT, POLL, RECV, SEND };
static const enum op of_events[] = { READ, READV, READ_SELECT, READ_MULTI, POLL, POLL_MULTI };
static const enum op of_epolls[] = { EPOLL_WAIT, POLL, POLL_MULTI };
static const enum op of_notes[] = { READ, READ_SELECT, POLL, POLL_MULTI };
static const enum op of_children[] = { WAITID, POLL };
static const enum op of_words[] = { WAIT_WORD, WAIT_WORD, WAIT_WORDS, WAKE_WORD };
static const enum op of_names[] = { OPEN, OPEN, OPEN_DIRECT, MKDIR, UNLINK, RENAME, SYMLINK, LINK, STATX };
static const enum op of_rings[] = { MSG, MSG_FLAGS, MSG_FD };
static const enum op of_nothing[] = {
	NOP, TIMEOUT, TIMEOUT_SHORT, TIMEOUT_COUNT, TIMEOUT_MULTI, CLOSE_DIRECT, INSTALL, UPDATE, SOCKET,
	SOCKET_DIRECT, PROVIDE, REMOVE, CANCEL_DATA, CANCEL_DATA, CANCEL_FD, CANCEL_ANY, CANCEL_OP, POLL_REMOVE,
	TIMEOUT_REMOVE, TIMEOUT_UPDATE };

#define SET(ops) { ops, LEN(ops) }
static const struct { const enum op *ops; int count; } allowed[KIND_COUNT] = {
	[FILE_] = SET(of_files), [MEMFD] = SET(of_files), [PIPE] = SET(of_reading), [FULL_PIPE] = SET(of_writing),
	[FIFO] = SET(of_reading), [UNIX] = SET(of_streams), [TCP] = SET(of_streams), [DATAGRAM] = SET(of_datagrams),
	[SEQPACKET] = SET(of_datagrams), [UDP] = SET(of_datagrams), [UNIX_LISTENER] = SET(of_listeners),
	[TCP_LISTENER] = SET(of_listeners), [UNIX_CLIENT] = SET(of_clients), [TCP_CLIENT] = SET(of_clients),
	[EVENTFD] = SET(of_events), [TIMERFD] = SET(of_events), [EPOLL] = SET(of_epolls), [INOTIFY] = SET(of_notes),
	[CHILD] = SET(of_children), [FUTEX] = SET(of_words), [NAMES] = SET(of_names), [OTHER_RING] = SET(of_rings),
	[NOTHING] = SET(of_nothing),
};

struct request {
	enum op op;
	/* Its object: one of its own, or that of the request before it in the chain. */
	enum kind kind;
	int shares, direct, asynchronous, hard, quiet, limit, incremental, length, number, name, other;
};

struct chain {
	int count, drained, id;
	struct request requests[LINKS];
};

struct act {
	enum action action;
	int chain, place, number, id;
};

struct turn {
	int chains, acts, waits;
	struct chain chain[CHAINS];
	struct act act[ACTS];
	enum end end;
	int end_id;
};

static struct {
	unsigned flags;
	int turns, enters;
	struct turn turn[TURNS];
} program;

static const unsigned setups[] = {
	0,
	IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_CQE32,
	IORING_SETUP_SQE128 | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_SQPOLL,
	IORING_SETUP_SQPOLL | IORING_SETUP_CQE32,
	IORING_SETUP_NO_SQARRAY,
	IORING_SETUP_CQE_MIXED,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQE_MIXED | IORING_SETUP_SUBMIT_ALL,
};

static void make(unsigned long long seed)
{
	int id = 0, drains = 0, workers, t, c, r;

	state = seed;
	program.flags = setups[below(LEN(setups))];
	program.enters = one_in(2);
	program.turns = 1 + below(TURNS);
	for (t = 0; t < program.turns; t++) {
		struct turn *turn = &program.turn[t];

		turn->chains = 1 + below(CHAINS);
		for (c = 0; c < turn->chains; c++) {
			struct chain *chain = &turn->chain[c];

			chain->id = id++;
			chain->count = one_in(2) ? 1 : 1 + below(LINKS);
			chain->drained = one_in(8);
			workers = chain->drained;
			for (r = 0; r < chain->count; r++) {
				struct request *request = &chain->requests[r];

				request->kind = below(KIND_COUNT);
				request->shares = r && one_in(3);
				if (request->shares)
					request->kind = chain->requests[r - 1].kind;
				request->op = allowed[request->kind].ops[below(allowed[request->kind].count)];
				drains |= chain->drained;
				/* On 6.18 a zero-copy send of a ring that drains may wait for its own notification. */
				if (drains && (request->op == SEND_ZC || request->op == SENDMSG_ZC))
					request->op = SEND;
				request->direct = one_in(4);
				request->asynchronous = one_in(8);
				request->hard = one_in(3);
				request->quiet = one_in(8);
				request->limit = one_in(8) ? 1 + below(2) : 0;
				request->incremental = one_in(2);
				workers |= request->asynchronous;
				request->length = one_in(12) ? 0 : 1 + below(200);
				request->number = below(1000);
				request->name = below(7);
				request->other = below(7);
			}
			/* A worker of the kernel's does not say that it leaves some of a buffer. */
			for (r = 0; workers && r < chain->count; r++)
				chain->requests[r].incremental = 0;
		}
		turn->acts = below(ACTS + 1);
		for (c = 0; c < turn->acts; c++) {
			struct act *act = &turn->act[c];

			act->id = id++;
			/* Half of the time something comes for the requests. */
			act->action = one_in(2) ? below(HANG_UP + 1) : below(ACTION_COUNT);
			act->chain = below(turn->chains);
			act->place = below(turn->chain[act->chain].count);
			act->number = below(1000);
		}
		turn->end = below(END_COUNT);
		turn->end_id = id++;
	}
}

/* ---- what it says */

static int printing;
static int turn_number, part_number;
static char keep[4096];

static int kept(int id)
{
	return !keep[0] || keep[1 + id];
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	char line[8192];
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(line, sizeof(line) - 1, format, list);
	va_end(list);
	if (length > (int) sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	if (write(1, line, (size_t) length) != length)
		_exit(3);
}

static void print_program(void)
{
	int t, c, r;

	printf("setup flags %#x, %s\n", program.flags, program.enters ? "waits in enters" : "looks from time to time");
	for (t = 0; t < program.turns; t++) {
		struct turn *turn = &program.turn[t];

		for (c = 0; c < turn->chains; c++) {
			struct chain *chain = &turn->chain[c];

			if (!kept(chain->id))
				continue;
			printf("turn %d, part %d: chain %d%s:", t, chain->id, c, chain->drained ? " DRAIN" : "");
			for (r = 0; r < chain->count; r++) {
				struct request *q = &chain->requests[r];

				printf(" %s%s %s", q->shares ? "same " : "", kind_names[q->kind], op_names[q->op]);
				printf(" len %d number %d names %d %d", q->length, q->number, q->name, q->other);
				printf("%s%s%s%s%s%s;", q->direct ? " direct" : "", q->asynchronous ? " ASYNC" : "",
				       r + 1 < chain->count ? q->hard ? " HARDLINK" : " LINK" : "",
				       q->quiet ? " SKIP_SUCCESS" : "", q->incremental ? " incremental" : "",
				       q->limit ? q->limit == 1 ? " limit short" : " limit long" : "");
			}
			printf("\n");
		}
		for (c = 0; c < turn->acts; c++)
			if (kept(turn->act[c].id))
				printf("turn %d, part %d: act %s of chain %d request %d, number %d\n", t, turn->act[c].id,
				       action_names[turn->act[c].action], turn->act[c].chain, turn->act[c].place,
				       turn->act[c].number);
		if (kept(turn->end_id))
			printf("turn %d, part %d: %s\n", t, turn->end_id, end_names[turn->end]);
	}
}

static void must(long is, const char *what)
{
	if (is < 0) {
		say("broken | %s: %s", what, strerror(errno));
		_exit(3);
	}
}

/* ---- rings */

static struct io_uring ring, second;
static struct io_uring_buf_ring *group, *incremental;
static unsigned char buffers[BUFFERS][BUFFER], inc_buffers[INC_BUFFERS][INC_BUFFER];
static unsigned char classic[BUFFERS][BUFFER], fixed[AREA];
static unsigned inc_at[INC_BUFFERS];
/* The buffers of the group in the order in which they are taken. */
static unsigned short order[64];
static unsigned order_head, order_tail;
/* And of the incremental group: the one that is being filled, or next. */
static int inc_next;
static int table[SLOTS];
static int group_gone;

static void give(int bid)
{
	io_uring_buf_ring_add(group, buffers[bid], BUFFER, (unsigned short) bid, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(group, 1);
	order[order_tail++ % LEN(order)] = (unsigned short) bid;
}

static void give_incremental(int bid)
{
	inc_at[bid] = 0;
	io_uring_buf_ring_add(incremental, inc_buffers[bid], INC_BUFFER, (unsigned short) bid,
			      io_uring_buf_ring_mask(INC_BUFFERS), 0);
	io_uring_buf_ring_advance(incremental, 1);
}

static void make_ring(void)
{
	struct io_uring_params params = { .flags = program.flags | IORING_SETUP_CQSIZE, .cq_entries = 64 };
	struct iovec area = { fixed, AREA };
	int ret, i;

	ret = io_uring_queue_init_params(32, &ring, &params);
	if (ret == -EINVAL) {
		say("skip | setup flags %#x", program.flags);
		_exit(77);
	}
	errno = -ret;
	must(ret, "a ring");
	for (i = 0; i < SLOTS; i++)
		table[i] = -1;
	errno = 0;
	must(io_uring_register_files_sparse(&ring, SLOTS), "a table");
	must(io_uring_register_file_alloc_range(&ring, GIVEN, SLOTS - GIVEN), "a range");
	must(io_uring_register_buffers(&ring, &area, 1), "buffers");
	group = io_uring_setup_buf_ring(&ring, BUFFERS, 1, 0, &ret);
	must(group ? 0 : -1, "a group");
	order_head = order_tail = 0;
	group_gone = 0;
	for (i = 0; i < BUFFERS; i++)
		give(i);
	incremental = io_uring_setup_buf_ring(&ring, INC_BUFFERS, 2, IOU_PBUF_RING_INC, &ret);
	must(incremental ? 0 : -1, "an incremental group");
	inc_next = 0;
	for (i = 0; i < INC_BUFFERS; i++)
		give_incremental(i);
}

/* ---- objects */

struct object {
	enum kind kind;
	int made, fd, peer, extra, slot, number, fed;
	pid_t child;
	unsigned word;
	struct sockaddr_storage address;
	socklen_t address_length;
	char path[32];
};

static struct object objects[REQUESTS];
static int base_folder, held_child_count;
static pid_t held_children[8];
static unsigned char data_pattern;

static void pair(struct object *object, int domain, int type)
{
	int fds[2];

	must(socketpair(domain, type | SOCK_CLOEXEC, 0, fds), "socketpair");
	object->fd = fds[0];
	object->peer = fds[1];
}

static int bound(struct object *object, int domain, int type)
{
	int fd = socket(domain, type | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	must(fd, "socket");
	if (domain == AF_INET)
		must(bind(fd, (struct sockaddr *) &in, sizeof(in)), "bind");
	else
		must(bind(fd, (struct sockaddr *) &un, sizeof(sa_family_t)), "bind");
	object->address_length = sizeof(object->address);
	must(getsockname(fd, (struct sockaddr *) &object->address, &object->address_length), "getsockname");
	return fd;
}

static int listens(struct object *object, int domain)
{
	int fd = bound(object, domain, SOCK_STREAM);

	must(listen(fd, 8), "listen");
	return fd;
}

static int client_of(struct object *object, int domain)
{
	int fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd, "socket");
	must(connect(fd, (struct sockaddr *) &object->address, object->address_length), "connect");
	return fd;
}

static void at_once(int fd)
{
	struct linger linger = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void open_object(struct object *object, enum kind kind, int number)
{
	struct itimerspec later = { .it_value.tv_sec = 3600 };
	struct epoll_event event = { .events = EPOLLIN };
	static int counter;
	char content[600];
	int fds[2], i;

	memset(object, 0, sizeof(*object));
	object->kind = kind;
	object->made = 1;
	object->fd = object->peer = object->extra = object->slot = -1;
	object->number = number;
	snprintf(object->path, sizeof(object->path), "o%d", counter++);
	for (i = 0; i < LEN(content); i++)
		content[i] = (char) (i + number);
	switch (kind) {
	case FILE_:
		object->fd = openat(base_folder, object->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		must(object->fd, "a file");
		must(pwrite(object->fd, content, sizeof(content), 0), "content");
		break;
	case MEMFD:
		object->fd = memfd_create("o", MFD_CLOEXEC);
		must(pwrite(object->fd, content, sizeof(content), 0), "content");
		break;
	case PIPE:
		must(pipe2(fds, O_CLOEXEC), "pipe");
		object->fd = fds[0];
		object->peer = fds[1];
		break;
	case FULL_PIPE:
		must(pipe2(fds, O_CLOEXEC), "pipe");
		object->fd = fds[1];
		object->peer = fds[0];
		must(fcntl(fds[1], F_SETPIPE_SZ, 4096), "size");
		if (number % 4) {
			memset(buffers, 0, 0);
			for (i = 0; i < 8; i++)
				must(write(fds[1], content, 512), "fill");
		}
		break;
	case FIFO:
		must(mkfifoat(base_folder, object->path, 0600), "mkfifo");
		object->fd = openat(base_folder, object->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		must(object->fd, "fifo");
		object->peer = openat(base_folder, object->path, O_WRONLY | O_CLOEXEC);
		must(object->peer, "fifo");
		must(fcntl(object->fd, F_SETFL, 0), "flags");
		break;
	case UNIX:
		pair(object, AF_UNIX, SOCK_STREAM);
		break;
	case DATAGRAM:
		pair(object, AF_UNIX, SOCK_DGRAM);
		break;
	case SEQPACKET:
		pair(object, AF_UNIX, SOCK_SEQPACKET);
		break;
	case TCP:
		i = listens(object, AF_INET);
		object->peer = client_of(object, AF_INET);
		object->fd = accept4(i, NULL, NULL, SOCK_CLOEXEC);
		must(object->fd, "accept");
		close(i);
		fds[0] = 1;
		setsockopt(object->peer, IPPROTO_TCP, 1 /* TCP_NODELAY */, fds, sizeof(int));
		setsockopt(object->fd, IPPROTO_TCP, 1, fds, sizeof(int));
		break;
	case UDP:
		object->peer = bound(object, AF_INET, SOCK_DGRAM);
		object->fd = bound(object, AF_INET, SOCK_DGRAM);
		must(connect(object->peer, (struct sockaddr *) &object->address, object->address_length), "connect");
		object->address_length = sizeof(object->address);
		getsockname(object->peer, (struct sockaddr *) &object->address, &object->address_length);
		must(connect(object->fd, (struct sockaddr *) &object->address, object->address_length), "connect");
		break;
	case UNIX_LISTENER:
	case TCP_LISTENER:
		object->fd = listens(object, kind == TCP_LISTENER ? AF_INET : AF_UNIX);
		break;
	case UNIX_CLIENT:
	case TCP_CLIENT:
		object->extra = listens(object, kind == TCP_CLIENT ? AF_INET : AF_UNIX);
		object->fd = socket(kind == TCP_CLIENT ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		must(object->fd, "socket");
		break;
	case EVENTFD:
		object->fd = eventfd(number % 3 == 0 ? 2 : 0, EFD_CLOEXEC | (number % 2 ? EFD_SEMAPHORE : 0));
		must(object->fd, "eventfd");
		break;
	case TIMERFD:
		object->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
		must(timerfd_settime(object->fd, 0, &later, NULL), "timerfd");
		break;
	case EPOLL:
		object->fd = epoll_create1(EPOLL_CLOEXEC);
		object->extra = eventfd(0, EFD_CLOEXEC);
		must(epoll_ctl(object->fd, EPOLL_CTL_ADD, object->extra, &event), "epoll_ctl");
		break;
	case INOTIFY:
		object->fd = inotify_init1(IN_CLOEXEC);
		must(mkdirat(base_folder, object->path, 0777), "mkdir");
		{
			char path[64];

			snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", base_folder, object->path);
			must(inotify_add_watch(object->fd, path, IN_CREATE), "inotify");
		}
		break;
	case CHILD:
		object->child = fork();
		if (!object->child) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		must(object->child, "fork");
		object->fd = (int) syscall(SYS_pidfd_open, object->child, 0);
		must(object->fd, "pidfd");
		break;
	case FUTEX:
		object->word = 7;
		break;
	case OTHER_RING:
	case NAMES:
	case NOTHING:
	case KIND_COUNT:
		break;
	}
	if (object->peer >= 0) {
		must(fcntl(object->peer, F_SETFL, fcntl(object->peer, F_GETFL) | O_NONBLOCK), "flags");
	}
}

/* Something comes for what waits at the object. */
static void feed(struct object *object, int count)
{
	struct itimerspec now = { .it_value.tv_nsec = 1 };
	unsigned long long one = 1;
	unsigned char bytes[600], long_bytes[4096];
	char path[64];
	int i, fd;

	if (!object->made)
		return;
	for (i = 0; i < LEN(bytes); i++)
		bytes[i] = data_pattern + (unsigned char) i;
	data_pattern += 13;
	object->fed++;
	switch (object->kind) {
	case FULL_PIPE:
		/* In one call: a write that waits could go on between two. */
		(void) !read(object->peer, long_bytes, sizeof(long_bytes));
		break;
	case UNIX_LISTENER:
	case TCP_LISTENER:
		/* Kept by the object only to be closed with it. */
		fd = client_of(object, object->kind == TCP_LISTENER ? AF_INET : AF_UNIX);
		at_once(fd);
		if (object->peer >= 0)
			close(object->peer);
		object->peer = fd;
		break;
	case EVENTFD:
		(void) !write(object->fd, &one, 8);
		break;
	case EPOLL:
		(void) !write(object->extra, &one, 8);
		break;
	case TIMERFD:
		timerfd_settime(object->fd, 0, &now, NULL);
		break;
	case INOTIFY:
		snprintf(path, sizeof(path), "%s/n%d", object->path, object->fed);
		fd = openat(base_folder, path, O_CREAT | O_WRONLY, 0600);
		if (fd >= 0)
			close(fd);
		break;
	case CHILD:
		if (object->child > 0)
			kill(object->child, SIGKILL);
		break;
	case FUTEX:
		syscall(SYS_futex, &object->word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
		break;
	default:
		if (object->peer >= 0) {
			/* No data that is left makes a difference by the way in which it comes. */
			(void) !write(object->peer, bytes, (size_t) count);
		}
	}
}

static void hang_up(struct object *object)
{
	if (!object->made)
		return;
	if (object->kind == FUTEX)
		syscall(SYS_futex, &object->word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9, NULL, NULL, 0);
	if (object->peer >= 0)
		close(object->peer);
	object->peer = -1;
	if (object->extra >= 0 && object->kind != EPOLL) {
		close(object->extra);
		object->extra = -1;
	}
}

static unsigned hash(const unsigned char *bytes, size_t count)
{
	unsigned value = 2166136261u;

	while (count--)
		value = (value ^ *bytes++) * 16777619u;
	return value & 0xffffff;
}

static void close_object(struct object *object)
{
	if (!object->made)
		return;
	if (object->fd >= 0) {
		if (object->kind == TCP || object->kind == TCP_CLIENT)
			at_once(object->fd);
		close(object->fd);
	}
	if (object->peer >= 0)
		close(object->peer);
	if (object->extra >= 0)
		close(object->extra);
	if (object->child > 0) {
		kill(object->child, SIGKILL);
		waitpid(object->child, NULL, 0);
	}
	object->made = 0;
}

/* What is left of an object. */
static void say_object(int place, struct object *object)
{
	struct pollfd poller[2] = { { object->fd, POLLIN | POLLOUT | POLLRDHUP, 0 }, { object->peer, POLLIN | POLLRDHUP, 0 } };
	struct stat about;
	unsigned char content[4096];
	int waiting[2] = { -1, -1 }, flags = -1;
	ssize_t got;

	if (!object->made || object->kind == NOTHING || object->kind == NAMES || object->kind == OTHER_RING)
		return;
	if (object->kind == FILE_ || object->kind == MEMFD) {
		if (object->fd < 0 || fstat(object->fd, &about))
			return;
		got = pread(object->fd, content, sizeof(content), 0);
		say("%d object %d | %s size %ld content %x", turn_number, place, kind_names[object->kind],
		    (long) about.st_size, hash(content, got < 0 ? 0 : (size_t) got));
		return;
	}
	poll(poller, 2, 0);
	if (object->fd >= 0)
		ioctl(object->fd, FIONREAD, &waiting[0]);
	if (object->peer >= 0)
		ioctl(object->peer, FIONREAD, &waiting[1]);
	if (object->fd >= 0)
		flags = fcntl(object->fd, F_GETFL);
	say("%d object %d | %s poll %x %x waiting %d %d flags %x", turn_number, place, kind_names[object->kind],
	    (unsigned) poller[0].revents, (unsigned) poller[1].revents, waiting[0], waiting[1], (unsigned) flags);
}

/* Names, with their modes and owners. */
static void say_folder(int at, const char *prefix)
{
	DIR *dir = fdopendir(at);
	struct dirent *entry;
	char *lines[256];
	int count = 0, i, j;

	if (!dir)
		return;
	while ((entry = readdir(dir)) && count < 250) {
		struct stat about;
		char line[512];

		/* Those of objects are not of interest. */
		if (entry->d_name[0] == '.' || entry->d_name[0] == 'o')
			continue;
		if (fstatat(at, entry->d_name, &about, AT_SYMLINK_NOFOLLOW))
			continue;
		snprintf(line, sizeof(line), "%s%s mode %o owner %u.%u links %u", prefix, entry->d_name, about.st_mode,
			 about.st_uid, about.st_gid, S_ISDIR(about.st_mode) ? 0 : (unsigned) about.st_nlink);
		lines[count++] = strdup(line);
		if (S_ISDIR(about.st_mode)) {
			int inner = openat(at, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			snprintf(line, sizeof(line), "%s%s/", prefix, entry->d_name);
			if (inner >= 0)
				say_folder(inner, line);
		}
	}
	closedir(dir);
	for (i = 0; i < count; i++) {
		for (j = i + 1; j < count; j++)
			if (strcmp(lines[i], lines[j]) > 0) {
				char *line = lines[i];

				lines[i] = lines[j];
				lines[j] = line;
			}
		say("%d name %s | %s", turn_number, prefix, lines[i]);
		free(lines[i]);
	}
}

/* ---- requests */

struct running {
	struct request *request;
	struct object *object;
	int chain, used;
	unsigned char *memory;
	struct iovec vectors[2];
	struct msghdr header;
	struct __kernel_timespec time, limit;
	struct futex_waitv waitv[2];
	struct epoll_event events[4];
	siginfo_t info;
	struct statx about;
	struct sockaddr_storage address;
	socklen_t address_length;
	int update;
	char text[512];
	int text_length;
	unsigned char bytes[8192];
};

static struct running running[REQUESTS];
/* Completions of no request of the turn. */
static char others[100][80];
static int others_count;

static const char *const names[] = { "n0", "n1", "n2", "sub", "sub/n0", "n0/below", "secret" };

/* User data: below, the number of the request; above, what kind of entry. */
enum { LIMIT = 1000, OF_HANDLER = 2000, OF_PROGRAM = 3000, MESSAGES = 4000 };

static struct io_uring_sqe *entry(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	int i;

	for (i = 0; !sqe && i < 1000; i++) {
		io_uring_submit(&ring);
		if (program.flags & IORING_SETUP_SQPOLL)
			usleep(200);
		sqe = io_uring_get_sqe(&ring);
	}
	must(sqe ? 0 : -1, "an entry");
	return sqe;
}

static void vectors(struct running *q)
{
	size_t half = (size_t) q->request->length / 2;

	q->vectors[0] = (struct iovec) { q->memory, half };
	q->vectors[1] = (struct iovec) { q->memory + half, (size_t) q->request->length - half };
	memset(&q->header, 0, sizeof(q->header));
	q->header.msg_iov = q->vectors;
	q->header.msg_iovlen = 2;
}

static void select_buffer(struct io_uring_sqe *sqe, struct running *q)
{
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = q->request->incremental ? 2 : 1;
}

/* An offset that suits what the request is about. */
static __u64 offset_of(struct running *q)
{
	if (q->object->kind == FILE_ || q->object->kind == MEMFD)
		return q->request->number % 5 ? (__u64) q->request->number : (__u64) -1;
	return q->request->number % 2 ? 0 : (__u64) -1;
}

static void prepare(struct io_uring_sqe *sqe, struct running *q, int aim)
{
	struct request *request = q->request;
	unsigned length = (unsigned) request->length;
	int fd = q->object->fd, direct = request->direct && q->object->slot >= 0, folder = request->number % 2 ? base_folder : AT_FDCWD;
	const char *name = names[request->name], *other = names[request->other];
	static const int open_flags[] = { O_RDONLY, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_EXCL, O_RDWR | O_TRUNC, O_DIRECTORY, O_CREAT | O_RDWR | O_NOFOLLOW };

	if (direct)
		fd = q->object->slot;
	q->time = (struct __kernel_timespec) { .tv_sec = 3600 };
	switch (request->op) {
	case NOP: case OP_COUNT:
		io_uring_prep_nop(sqe);
		if (request->number % 4 == 0) {
			sqe->rw_flags = IORING_NOP_INJECT_RESULT;
			sqe->len = (__u32) (request->number % 8 ? 17 : -EPERM);
		}
		return;
	case READ:
		io_uring_prep_read(sqe, fd, q->memory, length, offset_of(q));
		break;
	case READV:
		vectors(q);
		io_uring_prep_readv(sqe, fd, q->vectors, 2, offset_of(q));
		break;
	case READ_FIXED:
		io_uring_prep_read_fixed(sqe, fd, fixed + request->number, length, offset_of(q), 0);
		break;
	case READ_SELECT:
		io_uring_prep_read(sqe, fd, NULL, request->number % 2 ? length : 0, offset_of(q));
		select_buffer(sqe, q);
		break;
	case READ_MULTI:
		io_uring_prep_read_multishot(sqe, fd, 0, (__u64) -1, 1);
		select_buffer(sqe, q);
		break;
	case WRITE:
		io_uring_prep_write(sqe, fd, q->memory, length, offset_of(q));
		break;
	case WRITEV:
		vectors(q);
		io_uring_prep_writev(sqe, fd, q->vectors, 2, offset_of(q));
		break;
	case WRITE_FIXED:
		io_uring_prep_write_fixed(sqe, fd, fixed + request->number, length, offset_of(q), 0);
		break;
	case FSYNC:
		io_uring_prep_fsync(sqe, fd, request->number % 3 == 0);
		break;
	case TRUNCATE:
		io_uring_prep_ftruncate(sqe, fd, request->number);
		break;
	case FALLOCATE:
		io_uring_prep_fallocate(sqe, fd, 0, (__u64) request->number, length);
		break;
	case SPLICE:
		/* To the second pipe of the program, which is emptied after each part. */
		io_uring_prep_splice(sqe, fd, -1, q->object->extra, -1, length, direct ? SPLICE_F_FD_IN_FIXED : 0);
		return;
	case POLL:
		io_uring_prep_poll_add(sqe, fd, request->number % 3 ? POLLIN : request->number % 2 ? POLLOUT : POLLRDHUP);
		break;
	case POLL_MULTI:
		io_uring_prep_poll_multishot(sqe, fd, POLLIN | (request->number % 5 ? 0 : POLLRDHUP));
		break;
	case RECV:
		io_uring_prep_recv(sqe, fd, q->memory, length, request->number % 5 ? 0 : MSG_PEEK);
		break;
	case RECV_ALL:
		io_uring_prep_recv(sqe, fd, q->memory, length, MSG_WAITALL);
		break;
	case RECVMSG:
		vectors(q);
		io_uring_prep_recvmsg(sqe, fd, &q->header, 0);
		break;
	case RECV_SELECT:
		io_uring_prep_recv(sqe, fd, NULL, request->number % 2 ? length : 0, 0);
		select_buffer(sqe, q);
		break;
	case RECV_MULTI:
		io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
		select_buffer(sqe, q);
		if (request->number % 4 == 0)
			sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
		break;
	case RECVMSG_MULTI:
		memset(&q->header, 0, sizeof(q->header));
		io_uring_prep_recvmsg_multishot(sqe, fd, &q->header, 0);
		select_buffer(sqe, q);
		break;
	case RECV_BUNDLE:
		io_uring_prep_recv(sqe, fd, NULL, request->number % 3 ? 300 : 100, 0);
		sqe->ioprio |= IORING_RECVSEND_BUNDLE;
		select_buffer(sqe, q);
		sqe->buf_group = 1;
		break;
	case RECV_BUNDLE_MULTI:
		io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
		sqe->ioprio |= IORING_RECVSEND_BUNDLE;
		select_buffer(sqe, q);
		sqe->buf_group = 1;
		break;
	case SEND:
		io_uring_prep_send(sqe, fd, q->memory, length, MSG_NOSIGNAL);
		break;
	case SENDMSG:
		vectors(q);
		io_uring_prep_sendmsg(sqe, fd, &q->header, MSG_NOSIGNAL);
		break;
	case SEND_ZC:
		if (request->number % 3)
			io_uring_prep_send_zc(sqe, fd, q->memory, length, MSG_NOSIGNAL, 0);
		else
			io_uring_prep_send_zc_fixed(sqe, fd, fixed + request->number, length, MSG_NOSIGNAL, 0, 0);
		break;
	case SENDMSG_ZC:
		vectors(q);
		io_uring_prep_sendmsg_zc(sqe, fd, &q->header, MSG_NOSIGNAL);
		break;
	case SEND_BUNDLE:
		io_uring_prep_send_bundle(sqe, fd, request->number % 2 ? 0 : 150, MSG_NOSIGNAL);
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = 1;
		break;
	case SEND_LONG:
		io_uring_prep_send(sqe, fd, q->bytes, sizeof(q->bytes), MSG_NOSIGNAL | MSG_WAITALL);
		break;
	case SHUTDOWN:
		io_uring_prep_shutdown(sqe, fd, request->number % 3);
		break;
	case ACCEPT:
		q->address_length = sizeof(q->address);
		io_uring_prep_accept(sqe, fd, (struct sockaddr *) &q->address, &q->address_length, SOCK_CLOEXEC);
		break;
	case ACCEPT_MULTI:
		io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
		break;
	case ACCEPT_DIRECT:
		io_uring_prep_accept_direct(sqe, fd, NULL, NULL, 0, IORING_FILE_INDEX_ALLOC);
		break;
	case ACCEPT_MULTI_DIRECT:
		io_uring_prep_multishot_accept_direct(sqe, fd, NULL, NULL, 0);
		break;
	case CONNECT:
		io_uring_prep_connect(sqe, fd, (struct sockaddr *) &q->object->address, q->object->address_length);
		break;
	case TIMEOUT:
		io_uring_prep_timeout(sqe, &q->time, 0, request->number % 2 ? IORING_TIMEOUT_REALTIME : 0);
		return;
	case TIMEOUT_SHORT:
		q->time = (struct __kernel_timespec) { .tv_nsec = 300000 };
		io_uring_prep_timeout(sqe, &q->time, 0, request->number % 2 ? IORING_TIMEOUT_ETIME_SUCCESS : 0);
		return;
	case TIMEOUT_COUNT:
		io_uring_prep_timeout(sqe, &q->time, (unsigned) (1 + request->number % 3), 0);
		return;
	case TIMEOUT_MULTI:
		q->time = (struct __kernel_timespec) { .tv_nsec = 200000 };
		io_uring_prep_timeout(sqe, &q->time, (unsigned) (1 + request->number % 3), IORING_TIMEOUT_MULTISHOT);
		return;
	case EPOLL_WAIT:
		io_uring_prep_epoll_wait(sqe, fd, q->events, 4, 0);
		break;
	case WAITID:
		io_uring_prep_waitid(sqe, P_PID, (id_t) q->object->child, &q->info, WEXITED | (request->number % 2 ? WNOWAIT : 0), 0);
		return;
	case WAIT_WORD:
		io_uring_prep_futex_wait(sqe, &q->object->word, request->number % 6 ? 7 : 8, FUTEX_BITSET_MATCH_ANY,
					 FUTEX2_SIZE_U32 | FUTEX2_PRIVATE, 0);
		return;
	case WAIT_WORDS:
		memset(q->waitv, 0, sizeof(q->waitv));
		q->waitv[0] = (struct futex_waitv) { .val = 7, .uaddr = (__u64) (uintptr_t) &q->object->word, .flags = FUTEX2_SIZE_U32 | FUTEX2_PRIVATE };
		q->waitv[1] = (struct futex_waitv) { .val = 0, .uaddr = (__u64) (uintptr_t) &q->update, .flags = FUTEX2_SIZE_U32 | FUTEX2_PRIVATE };
		q->update = 0;
		io_uring_prep_futex_waitv(sqe, q->waitv, 2, 0);
		return;
	case WAKE_WORD:
		io_uring_prep_futex_wake(sqe, &q->object->word, 1, FUTEX_BITSET_MATCH_ANY, FUTEX2_SIZE_U32 | FUTEX2_PRIVATE, 0);
		return;
	case OPEN:
		io_uring_prep_openat(sqe, folder, name, open_flags[request->number % LEN(open_flags)] | O_CLOEXEC, 0666);
		return;
	case OPEN_DIRECT:
		io_uring_prep_openat_direct(sqe, folder, name, open_flags[request->number % LEN(open_flags)], 0666,
					    request->number % 2 ? IORING_FILE_INDEX_ALLOC : GIVEN + 1);
		return;
	case MKDIR:
		io_uring_prep_mkdirat(sqe, folder, name, 0777);
		return;
	case UNLINK:
		io_uring_prep_unlinkat(sqe, folder, name, request->number % 3 ? 0 : AT_REMOVEDIR);
		return;
	case RENAME:
		io_uring_prep_renameat(sqe, folder, name, folder, other, 0);
		return;
	case SYMLINK:
		io_uring_prep_symlinkat(sqe, other, folder, name);
		return;
	case LINK:
		io_uring_prep_linkat(sqe, folder, name, folder, other, 0);
		return;
	case STATX:
		io_uring_prep_statx(sqe, folder, name, 0, STATX_BASIC_STATS, &q->about);
		return;
	case MSG:
		io_uring_prep_msg_ring(sqe, second.ring_fd, length, MESSAGES + (unsigned) request->number, 0);
		return;
	case MSG_FLAGS:
		io_uring_prep_msg_ring_cqe_flags(sqe, second.ring_fd, length, MESSAGES + (unsigned) request->number, 0, 1 << 20);
		return;
	case MSG_FD:
		io_uring_prep_msg_ring_fd(sqe, second.ring_fd, GIVEN + 1, request->number % 2 ? IORING_FILE_INDEX_ALLOC : 0,
					  MESSAGES + (unsigned) request->number, 0);
		return;
	case CLOSE:
		io_uring_prep_close(sqe, fd);
		return;
	case CLOSE_DIRECT:
		io_uring_prep_close_direct(sqe, GIVEN + (unsigned) request->number % 3);
		return;
	case INSTALL:
		io_uring_prep_fixed_fd_install(sqe, GIVEN + request->number % 3, 0);
		return;
	case UPDATE:
		q->update = base_folder;
		io_uring_prep_files_update(sqe, &q->update, 1, request->number % 2 ? GIVEN + 2 : (int) IORING_FILE_INDEX_ALLOC);
		return;
	case SOCKET:
		io_uring_prep_socket(sqe, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, 0);
		return;
	case SOCKET_DIRECT:
		io_uring_prep_socket_direct_alloc(sqe, AF_UNIX, SOCK_STREAM, 0, 0);
		return;
	case PROVIDE:
		io_uring_prep_provide_buffers(sqe, classic, BUFFER, 1 + request->number % 4, 3, request->number % 3);
		return;
	case REMOVE:
		io_uring_prep_remove_buffers(sqe, 1 + request->number % 4, 3);
		return;
	case CANCEL_DATA:
		io_uring_prep_cancel64(sqe, (__u64) aim, request->number % 3 ? 0 : IORING_ASYNC_CANCEL_ALL);
		return;
	case CANCEL_FD:
		fd = running[aim].used && running[aim].object->fd >= 0 ? running[aim].object->fd : 999;
		io_uring_prep_cancel_fd(sqe, fd, request->number % 3 ? IORING_ASYNC_CANCEL_ALL : 0);
		return;
	case CANCEL_ANY:
		io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY);
		return;
	case CANCEL_OP:
		io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_OP);
		sqe->len = IORING_OP_RECV;
		return;
	case POLL_REMOVE:
		io_uring_prep_poll_remove(sqe, (__u64) aim);
		return;
	case TIMEOUT_REMOVE:
		io_uring_prep_timeout_remove(sqe, (__u64) aim, 0);
		return;
	case TIMEOUT_UPDATE:
		q->time.tv_sec = 1800;
		io_uring_prep_timeout_update(sqe, &q->time, (__u64) aim, 0);
		return;
	case COMMAND:
		io_uring_prep_cmd_sock(sqe, request->number % 2 ? SOCKET_URING_OP_SIOCINQ : SOCKET_URING_OP_SIOCOUTQ, fd, 0, 0, NULL, 0);
		break;
	}
	if (direct)
		sqe->flags |= IOSQE_FIXED_FILE;
}

static int gives_fd(enum op op)
{
	return op == ACCEPT || op == ACCEPT_MULTI || op == OPEN || op == SOCKET || op == INSTALL;
}

/* Two requests on one object in one chain wait for each other only if the first ends. */
static void submit_chain(int number, struct chain *chain)
{
	int r, at;

	for (r = 0; r < chain->count; r++) {
		struct request *request = &chain->requests[r];
		struct io_uring_sqe *sqe;
		struct running *q;
		int flags = 0;

		at = number * LINKS + r;
		q = &running[at];
		memset(q, 0, offsetof(struct running, bytes));
		q->request = request;
		q->object = request->shares ? running[at - 1].object : &objects[at];
		q->chain = number;
		q->used = 1;
		q->memory = q->bytes + 4096;
		memset(q->bytes, 0x40 + at, sizeof(q->bytes));
		if (!request->shares)
			open_object(q->object, request->kind, request->number);
		if (q->object->fd >= 0 && q->object->slot < 0 && request->direct) {
			q->object->slot = at;
			io_uring_register_files_update(&ring, (unsigned) at, &q->object->fd, 1);
		}
		if (request->op == SPLICE && q->object->extra < 0) {
			int fds[2];

			must(pipe2(fds, O_CLOEXEC), "pipe");
			q->object->extra = fds[1];
			/* The other end stays to the end of the process. */
			fcntl(fds[0], F_DUPFD_CLOEXEC, 500);
			close(fds[0]);
		}
		sqe = entry();
		prepare(sqe, q, (request->name % CHAINS) * LINKS);
		if (r + 1 < chain->count)
			flags |= request->hard ? IOSQE_IO_HARDLINK : IOSQE_IO_LINK;
		if (!r && chain->drained)
			flags |= IOSQE_IO_DRAIN;
		if (request->asynchronous)
			flags |= IOSQE_ASYNC;
		if (request->quiet && !chain->drained)
			flags |= IOSQE_CQE_SKIP_SUCCESS;
		if (request->limit)
			flags |= IOSQE_IO_LINK;
		sqe->flags |= (__u8) flags;
		io_uring_sqe_set_data64(sqe, (__u64) at);
		if (request->limit) {
			q->limit = (struct __kernel_timespec) { .tv_sec = request->limit == 1 ? 0 : 3600, .tv_nsec = 500000 };
			sqe = entry();
			io_uring_prep_link_timeout(sqe, &q->limit, 0);
			if (r + 1 < chain->count)
				sqe->flags |= IOSQE_IO_LINK;
			io_uring_sqe_set_data64(sqe, (__u64) at + LIMIT);
		}
	}
}

/* ---- completions */

static int expected[256], expected_count = -1, counts[256], phases;
static long quiet_ns = 2000000;
static volatile int handled;

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* The buffers that a completion used, by their distance from those that come next, and what came in them. */
static int say_buffers(char *to, size_t room, struct running *q, struct io_uring_cqe *cqe)
{
	int bid = (int) (cqe->flags >> IORING_CQE_BUFFER_SHIFT), left = cqe->res > 0 ? cqe->res : 0;
	int sends = q && q->request->op == SEND_BUNDLE, length;

	if (q && q->request->op != RECV_BUNDLE && q->request->op != RECV_BUNDLE_MULTI && !sends && q->request->incremental) {
		if (bid >= INC_BUFFERS)
			return snprintf(to, room, " buffer %d?", bid);
		if (inc_at[bid] + (unsigned) left > INC_BUFFER)
			return snprintf(to, room, " buffer %d overrun", bid);
		length = snprintf(to, room, " buffer +%d at %u content %x", bid ^ inc_next, inc_at[bid],
				  hash(inc_buffers[bid] + inc_at[bid], (size_t) left));
		inc_at[bid] += (unsigned) left;
		inc_next = bid;
		if (!(cqe->flags & IORING_CQE_F_BUF_MORE)) {
			give_incremental(bid);
			inc_next = bid ^ 1;
		}
		return length;
	}
	length = snprintf(to, room, " buffers");
	do {
		int part = left < BUFFER ? left : BUFFER;
		unsigned at, ahead;

		if (bid >= BUFFERS || order_head == order_tail)
			return length + snprintf(to + length, room - (size_t) length, " %d?", bid);
		for (at = order_head; at != order_tail && order[at % LEN(order)] != bid; at++)
			;
		if (at == order_tail)
			return length + snprintf(to + length, room - (size_t) length, " %d not given", bid);
		ahead = at - order_head;
		for (; at != order_head; at--)
			order[at % LEN(order)] = order[(at - 1) % LEN(order)];
		order_head++;
		length += snprintf(to + length, room - (size_t) length, " +%u:%x", ahead, sends ? 0 : hash(buffers[bid], (size_t) part));
		if (!group_gone)
			give(bid);
		left -= part;
		if (left > 0)
			bid = order[order_head % LEN(order)];
	} while (left > 0);
	return length;
}

static void note_other(const char *text)
{
	if (others_count < LEN(others))
		snprintf(others[others_count++], sizeof(others[0]), "%s", text);
}

static void note(struct io_uring_cqe *cqe)
{
	__u64 tag = cqe->user_data;
	int res = cqe->res;
	unsigned flags = cqe->flags & 0xffff;
	char text[400];
	int length, at = (int) (tag % 1000);
	struct running *q = tag < OF_HANDLER && at < REQUESTS && running[at].used ? &running[at] : NULL;
	char name[80];

	if (q)
		snprintf(name, sizeof(name), "%s%d.%s@%s", tag >= LIMIT ? "limit-" : "", at, op_names[q->request->op],
			 kind_names[q->request->kind]);
	else
		snprintf(name, sizeof(name), "%d", (int) tag);
	if (q && tag < LIMIT && res >= 0 && gives_fd(q->request->op)) {
		struct stat about = { 0 };

		fstat(res, &about);
		length = snprintf(text, sizeof(text), " %s=fd %o %x (%x)", name, about.st_mode & S_IFMT,
				  (unsigned) fcntl(res, F_GETFL) | (unsigned) fcntl(res, F_GETFD) << 28, flags);
		if (S_ISSOCK(about.st_mode))
			at_once(res);
		close(res);
	} else {
		length = snprintf(text, sizeof(text), " %s=%d (%x)", name, res, flags);
	}
	if (q && tag < LIMIT && flags & IORING_CQE_F_BUFFER)
		length += say_buffers(text + length, sizeof(text) - (size_t) length, q, cqe);
	if (q && flags & IORING_CQE_F_NOTIF) {
		/* Nothing says in which order notifications come. */
		note_other(text);
	} else if (q) {
		struct running *first = &running[q->chain * LINKS];

		if (first->text_length + length < (int) sizeof(first->text) - 1) {
			memcpy(first->text + first->text_length, text, (size_t) length + 1);
			first->text_length += length;
		}
	} else {
		note_other(text);
	}
}

static int collect_from(struct io_uring *from, int is_second)
{
	struct io_uring_cqe *cqe;
	unsigned head, used = 0;
	int count = 0;

	io_uring_for_each_cqe(from, head, cqe) {
		used += io_uring_cqe_nr(cqe);
		if (cqe->flags & IORING_CQE_F_SKIP)
			continue;
		count++;
		if (is_second) {
			char text[80];

			snprintf(text, sizeof(text), " second %d=%d (%x)", (int) cqe->user_data, cqe->res, cqe->flags);
			note_other(text);
		} else {
			note(cqe);
		}
	}
	io_uring_cq_advance(from, used);
	return count;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Says what came since the last time, and what of memory changed. */
static void say_completions(void)
{
	int c;

	for (c = 0; c < CHAINS; c++) {
		struct running *first = &running[c * LINKS];

		if (first->used && first->text_length)
			say("%d chain %d part %d |%s", turn_number, c, part_number, first->text);
		first->text_length = 0;
	}
	if (others_count) {
		char all[4096];
		int length = 0, i;

		/* Of different senders, in any order. */
		qsort(others, (size_t) others_count, sizeof(others[0]), compare_text);
		for (i = 0; i < others_count; i++)
			length += snprintf(all + length, sizeof(all) - (size_t) length, "%s", others[i]);
		say("%d others part %d |%s", turn_number, part_number, all);
	}
	others_count = 0;
}

static void settle(void)
{
	long long start = now_ns(), last = start;
	int seen = 0, want = expected_count > phases ? expected[phases] : 0;
	struct __kernel_timespec moment = { .tv_nsec = quiet_ns / 4 };

	for (;;) {
		struct io_uring_cqe *cqe;
		int count;

		if (program.enters)
			io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &moment, NULL);
		else
			io_uring_submit_and_get_events(&ring);
		count = collect_from(&ring, 0);
		io_uring_get_events(&second);
		count += collect_from(&second, 1);
		seen += count;
		if (count)
			last = now_ns();
		else if (now_ns() - last > quiet_ns && (seen >= want || now_ns() - start > 100 * quiet_ns))
			break;
		else if (!program.enters)
			usleep(100);
	}
	if (phases < 256)
		counts[phases++] = seen;
	say_completions();
	part_number++;
}

/* ---- who acts beside them */

static void own_ring(int seed, int *result)
{
	struct io_uring own;
	struct io_uring_cqe *cqe;
	char byte;

	*result = io_uring_queue_init(4, &own, 0);
	if (*result)
		return;
	if (seed % 2) {
		io_uring_prep_nop(io_uring_get_sqe(&own));
	} else {
		/* By a worker. */
		struct io_uring_sqe *sqe = io_uring_get_sqe(&own);

		io_uring_prep_read(sqe, base_folder, &byte, 1, 0);
		sqe->flags |= IOSQE_ASYNC;
	}
	*result = io_uring_submit(&own);
	if (*result == 1) {
		int ret;

		do
			ret = io_uring_wait_cqe(&own, &cqe);
		while (ret == -EINTR);
		*result = ret ? ret : cqe->res;
	}
	io_uring_queue_exit(&own);
}

static volatile int handler_does, handler_result;
static struct io_uring handlers_ring;

static void handler(int number)
{
	int before = errno, ret;
	struct io_uring_cqe *cqe;
	static char byte;

	(void) number;
	handled++;
	switch (handler_does) {
	case 1:
		own_ring(handled, (int *) &handler_result);
		break;
	case 2: {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&handlers_ring);

		io_uring_prep_read(sqe, base_folder, &byte, 1, 0);
		handler_result = io_uring_submit(&handlers_ring);
		if (handler_result == 1 && !(ret = io_uring_wait_cqe(&handlers_ring, &cqe))) {
			handler_result = cqe->res;
			io_uring_cqe_seen(&handlers_ring, cqe);
		}
		break;
	}
	case 3: {
		/* The ring in which the interrupted thread waits. */
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		if (sqe) {
			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data64(sqe, OF_HANDLER);
			handler_result = io_uring_submit(&ring);
		}
		break;
	}
	default:
		break;
	}
	errno = before;
}

static pthread_t main_thread;

static void *sends_signal(void *argument)
{
	(void) argument;
	usleep(3000);
	pthread_kill(main_thread, SIGUSR1);
	return NULL;
}

static void signal_in_wait(int does)
{
	struct __kernel_timespec limit = { .tv_nsec = 20000000 };
	struct io_uring_cqe *cqe;
	pthread_t thread;
	int ret;

	handler_does = does;
	handler_result = -1000;
	handled = 0;
	io_uring_submit(&ring);
	must(-pthread_create(&thread, NULL, sends_signal, NULL), "thread");
	ret = io_uring_submit_and_wait_timeout(&ring, &cqe, 60, &limit, NULL);
	pthread_join(thread, NULL);
	say("%d act part %d | wait %d handled %d result %d", turn_number, part_number, ret, handled, handler_result);
}

struct helper {
	struct act *act;
	struct object *object;
	int result, other;
};

static void *thread_ring(void *argument)
{
	struct helper *helper = argument;
	static struct io_uring left[64];
	static int count;
	struct io_uring *own = &left[count++ % 64];
	struct io_uring_cqe *cqe;
	static char byte;

	/* The thread ends, the ring stays, with a request that waits. */
	helper->result = io_uring_queue_init(4, own, helper->act->number % 2 ? IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN : 0);
	if (helper->result)
		return NULL;
	io_uring_prep_nop(io_uring_get_sqe(own));
	if (helper->object->fd >= 0)
		io_uring_prep_poll_add(io_uring_get_sqe(own), helper->object->fd, POLLPRI);
	else
		io_uring_prep_read(io_uring_get_sqe(own), base_folder, &byte, 1, 0);
	helper->result = io_uring_submit_and_wait(own, 1);
	if (!io_uring_peek_cqe(own, &cqe))
		helper->other = cqe->res;
	if (helper->act->number % 3 == 0)
		io_uring_queue_exit(own);
	return NULL;
}

static void *thread_submits(void *argument)
{
	struct helper *helper = argument;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	static unsigned char bytes[64];

	if (!sqe)
		return NULL;
	if (helper->object->fd >= 0 && helper->object->kind != FILE_ && helper->object->kind != MEMFD)
		io_uring_prep_poll_add(sqe, helper->object->fd, POLLIN);
	else
		io_uring_prep_read(sqe, base_folder, bytes, 1, 0);
	io_uring_sqe_set_data64(sqe, OF_PROGRAM + 1);
	helper->result = io_uring_submit(&ring);
	if (program.flags & IORING_SETUP_SQPOLL) {
		helper->result = 1;
		io_uring_sqring_wait(&ring);
		usleep(500);
	}
	return NULL;
}

static void *thread_closes(void *argument)
{
	struct helper *helper = argument;

	if (helper->object->fd >= 0) {
		helper->result = close(helper->object->fd);
		helper->object->fd = -1;
	}
	return NULL;
}

/* One name by a ring of the thread's own. */
static int open_by(struct io_uring *own, const char *name, int flags, int with)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(own);
	struct io_uring_cqe *cqe;
	int ret;

	io_uring_prep_openat(sqe, AT_FDCWD, name, flags | O_CLOEXEC, 0666);
	sqe->flags |= (__u8) with;
	ret = io_uring_submit(own);
	if (ret != 1 || (ret = io_uring_wait_cqe(own, &cqe)))
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(own, cqe);
	if (ret >= 0) {
		close(ret);
		ret = 0;
	}
	return ret;
}

static void *thread_folder(void *argument)
{
	struct helper *helper = argument;
	struct io_uring own;

	if (unshare(CLONE_FS) || mkdir("sub", 0777) == -2 || chdir("sub")) {
		helper->result = -errno;
		return NULL;
	}
	umask(027);
	if (io_uring_queue_init(4, &own, 0))
		return NULL;
	helper->result = open_by(&own, helper->act->number % 2 ? "thread" : "other", O_RDWR | O_CREAT, 0);
	helper->other = open_by(&own, "../secret", O_RDONLY, IOSQE_ASYNC);
	io_uring_queue_exit(&own);
	return NULL;
}

static void *thread_user(void *argument)
{
	struct helper *helper = argument;
	struct io_uring own;

	if (io_uring_queue_init(4, &own, 0))
		return NULL;
	/* Of this thread alone. */
	if (syscall(SYS_setresuid, -1, 4321, -1)) {
		helper->result = -errno;
	} else {
		helper->result = open_by(&own, "secret", O_RDWR, 0);
		helper->other = open_by(&own, "user", O_RDWR | O_CREAT, helper->act->number % 2 ? IOSQE_ASYNC : 0);
	}
	io_uring_queue_exit(&own);
	return NULL;
}

static void by_thread(void *(*work)(void *), struct helper *helper)
{
	pthread_t thread;

	must(-pthread_create(&thread, NULL, work, helper), "thread");
	pthread_join(thread, NULL);
	say("%d act part %d | thread %d %d", turn_number, part_number, helper->result, helper->other);
}

static void hold_child(pid_t child)
{
	if (held_child_count < LEN(held_children))
		held_children[held_child_count++] = child;
}

static void release_children(void)
{
	while (held_child_count) {
		pid_t child = held_children[--held_child_count];

		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
}

/* A child that begins with `work`, and then, if it `stays`, waits for its end. */
static void by_child(enum action action, struct object *object, int number)
{
	int status = -1, ready[2];
	char byte;
	pid_t child;

	must(pipe2(ready, O_CLOEXEC), "pipe");
	child = fork();
	must(child, "fork");
	if (!child) {
		int result = 0;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		switch (action) {
		case FORK_CLOSES:
			/* All but what says that it is ready. */
			dup2(ready[1], 3);
			close_range(4, ~0U, 0);
			(void) !write(3, "x", 1);
			close(3);
			for (;;)
				pause();
		case FORK_HOLDS:
			(void) !write(ready[1], "x", 1);
			for (;;)
				pause();
		case FORK_FEEDS:
			feed(object, 40);
			break;
		case FORK_RING:
			own_ring(number, &result);
			_exit(result < 0 ? -result : 0);
		default:
			break;
		}
		_exit(number % 100);
	}
	close(ready[1]);
	if (action == FORK_CLOSES || action == FORK_HOLDS) {
		(void) !read(ready[0], &byte, 1);
		hold_child(child);
	} else {
		waitpid(child, &status, 0);
		if (action == FORK_FEEDS)
			object->fed++;
	}
	close(ready[0]);
	say("%d act part %d | %s status %x", turn_number, part_number, action_names[action], (unsigned) status);
}

static int saved_umask = -1, raw_user, libc_user, new_group;

static void act(struct turn *turn, struct act *act)
{
	int at = act->chain * LINKS + act->place, ret = 0, fd;
	struct object *object = running[at].used ? running[at].object : &objects[0];
	struct helper helper = { act, object, -1000, -1000 };
	static const int limits[] = { 20, 60, 200, 600 };

	(void) turn;
	switch (act->action) {
	case FEED:
		feed(object, limits[act->number % 3]);
		break;
	case FEED_MORE:
		feed(object, 150);
		feed(object, 90);
		break;
	case HANG_UP:
		hang_up(object);
		break;
	case CLOSE_FD:
		if (object->fd >= 0)
			close(object->fd);
		object->fd = -1;
		break;
	case REPLACE_FD:
		/* The number becomes that of another file, which has nothing to do with it. */
		if (object->fd >= 0) {
			fd = memfd_create("other", MFD_CLOEXEC);
			must(dup3(fd, object->fd, O_CLOEXEC), "dup3");
			close(fd);
			object->kind = MEMFD;
		}
		break;
	case REPLACE_SLOT:
		if (object->slot >= 0)
			ret = io_uring_register_files_update(&ring, (unsigned) object->slot, &base_folder, 1);
		break;
	case CLEAR_SLOT:
		if (object->slot >= 0) {
			fd = -1;
			ret = io_uring_register_files_update(&ring, (unsigned) object->slot, &fd, 1);
		}
		break;
	case FORK_HOLDS: case FORK_CLOSES: case FORK_FEEDS: case FORK_RING: case FORK_ENDS:
		by_child(act->action, object, act->number);
		return;
	case THREAD_RING:
		by_thread(thread_ring, &helper);
		return;
	case THREAD_SUBMITS:
		if (!(program.flags & IORING_SETUP_SINGLE_ISSUER))
			by_thread(thread_submits, &helper);
		return;
	case THREAD_CLOSES:
		by_thread(thread_closes, &helper);
		return;
	case THREAD_FOLDER:
		by_thread(thread_folder, &helper);
		return;
	case THREAD_USER:
		by_thread(thread_user, &helper);
		return;
	case CHDIR:
		mkdir("sub", 0777);
		ret = act->number % 2 ? chdir("sub") : fchdir(base_folder);
		break;
	case UMASK:
		fd = (int) umask((mode_t) act->number & 077);
		if (saved_umask < 0)
			saved_umask = fd;
		break;
	case UNSHARE:
		ret = unshare(CLONE_FS);
		break;
	case USER_RAW:
		ret = (int) syscall(SYS_setresuid, -1, 4321, -1);
		raw_user = 1;
		break;
	case USER_LIBC:
		if (!raw_user && act->number % 3 == 0) {
			ret = setegid(4321);
			new_group = 1;
		} else if (!raw_user) {
			ret = seteuid(4321);
			libc_user = 1;
		}
		break;
	case SIGNAL: case SIGNAL_RING: case SIGNAL_READ:
		handler_does = act->action == SIGNAL ? 0 : act->action == SIGNAL_RING ? 1 : 2;
		handler_result = -1000;
		handled = 0;
		raise(SIGUSR1);
		say("%d act part %d | handled %d result %d", turn_number, part_number, handled, handler_result);
		return;
	case SIGNAL_WAIT:
		signal_in_wait(0);
		return;
	case SIGNAL_WAIT_RING:
		signal_in_wait(1 + act->number % 2);
		return;
	case SIGNAL_WAIT_SAME:
		signal_in_wait(3);
		return;
	case SYNC_CANCEL: {
		struct io_uring_sync_cancel_reg reg = { .addr = (__u64) at, .timeout = { .tv_nsec = 20000000 } };

		ret = io_uring_register_sync_cancel(&ring, &reg);
		break;
	}
	case SYNC_CANCEL_FD: {
		struct io_uring_sync_cancel_reg reg = { .fd = object->fd, .flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL,
			.timeout = { .tv_nsec = 20000000 } };

		if (object->fd >= 0)
			ret = io_uring_register_sync_cancel(&ring, &reg);
		break;
	}
	case OVERFLOW:
		for (fd = 0; fd < 80; fd++) {
			struct io_uring_sqe *sqe = entry();

			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data64(sqe, OF_PROGRAM);
		}
		io_uring_submit(&ring);
		return;
	case MESSAGE: case MESSAGE_FD: {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&second);

		/* To the first ring. */
		if (act->action == MESSAGE)
			io_uring_prep_msg_ring(sqe, ring.ring_fd, (unsigned) act->number, MESSAGES + 1, 0);
		else
			io_uring_prep_msg_ring_fd_alloc(sqe, ring.ring_fd, 0, MESSAGES + 2, 0);
		io_uring_sqe_set_data64(sqe, (__u64) act->number);
		ret = io_uring_submit(&second);
		break;
	}
	case RESIZE: {
		struct io_uring_params params = { .sq_entries = act->number % 2 ? 64 : 32, .cq_entries = act->number % 3 ? 128 : 64, .flags = IORING_SETUP_CQSIZE };

		ret = io_uring_resize_rings(&ring, &params);
		break;
	}
	case EVENTFD_: {
		unsigned long long value = 0;

		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ret = act->number % 2 ? io_uring_register_eventfd(&ring, fd) : io_uring_register_eventfd_async(&ring, fd);
		{
			struct io_uring_sqe *sqe = entry();

			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data64(sqe, OF_PROGRAM);
		}
		feed(object, 30);
		settle();
		if (act->number % 2 && !(program.flags & (IORING_SETUP_SQPOLL | IORING_SETUP_DEFER_TASKRUN)))
			ret = ret * 10 + (read(fd, &value, 8) == 8);
		io_uring_unregister_eventfd(&ring);
		close(fd);
		break;
	}
	case TAGS: {
		__u64 tag = OF_PROGRAM + 2;

		if (object->slot >= 0 && object->fd >= 0)
			ret = io_uring_register_files_update_tag(&ring, (unsigned) object->slot, &object->fd, &tag, 1);
		break;
	}
	case FREE_GROUP:
		if (!group_gone) {
			ret = io_uring_unregister_buf_ring(&ring, 1);
			group_gone = !ret;
		}
		break;
	case PAUSE:
		usleep((useconds_t) act->number);
		break;
	case WAIT_MIN: {
		struct __kernel_timespec limit = { .tv_nsec = 4000000 };
		struct io_uring_cqe *cqe;

		ret = io_uring_submit_and_wait_min_timeout(&ring, &cqe, 50, &limit, 1000, NULL);
		if (ret > 0)
			ret = 1;
		break;
	}
	case ACTION_COUNT:
		break;
	}
	say("%d act part %d | %s %d", turn_number, part_number, action_names[act->action], ret);
}

static void drop_ring(void)
{
	io_uring_free_buf_ring(&ring, incremental, INC_BUFFERS, 2);
	if (!group_gone)
		io_uring_free_buf_ring(&ring, group, BUFFERS, 1);
	io_uring_queue_exit(&ring);
}

static void end_all(enum end how)
{
	int i;

	for (i = 0; i < REQUESTS; i++) {
		struct object *object = &objects[i];

		if (!object->made)
			continue;
		if (how == END_FEED)
			feed(object, 100);
		if (how == END_HANG_UP)
			hang_up(object);
		if (how == END_CLOSE && object->fd >= 0) {
			close(object->fd);
			object->fd = -1;
		}
	}
	if (how == END_RING) {
		io_uring_submit(&ring);
		settle();
		/* With all that waits. */
		drop_ring();
		make_ring();
	}
}

static void do_turn(int number)
{
	struct turn *turn = &program.turn[number];
	struct io_uring_sync_cancel_reg any = { .flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL, .timeout = { .tv_sec = 1 } };
	int c, i;

	turn_number = number;
	part_number = 0;
	memset(running, 0, sizeof(running));
	memset(objects, 0, sizeof(objects));
	data_pattern = 0;
	for (c = 0; c < turn->chains; c++)
		if (kept(turn->chain[c].id))
			submit_chain(c, &turn->chain[c]);
	settle();
	for (c = 0; c < turn->acts; c++)
		if (kept(turn->act[c].id)) {
			act(turn, &turn->act[c]);
			settle();
		}
	if (kept(turn->end_id)) {
		end_all(turn->end);
		settle();
	}
	/* What waits behind another of its chain is found once that one is gone. */
	for (i = 0; i < 6; i++) {
		io_uring_register_sync_cancel(&ring, &any);
		settle();
		if (!counts[phases - 1])
			break;
	}
	if (raw_user)
		syscall(SYS_setresuid, -1, 0, -1);
	if (libc_user)
		(void) !seteuid(0);
	if (new_group)
		(void) !setegid(0);
	raw_user = libc_user = new_group = 0;
	release_children();
	for (i = 0; i < REQUESTS; i++) {
		say_object(i, &objects[i]);
		if (running[i].used && running[i].request->op != STATX)
			say("%d memory %d | %x", number, i, hash(running[i].bytes, sizeof(running[i].bytes)));
	}
	say("%d memory fixed | %x", number, hash(fixed, AREA));
	say_folder(openat(base_folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "");
	for (i = 0; i < REQUESTS; i++) {
		int gone = -1;

		close_object(&objects[i]);
		io_uring_register_files_update(&ring, (unsigned) i, &gone, 1);
	}
	if (group_gone) {
		drop_ring();
		make_ring();
	}
}

static int numbers(const char *text, int *to, int room)
{
	int count = 0;

	while (*text && count < room) {
		to[count++] = (int) strtol(text, (char **) &text, 10);
		if (*text == ',')
			text++;
	}
	return count;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = handler };
	int i, t, ids[1000], count;

	if (argc < 2)
		return 2;
	for (i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--keep") && i + 1 < argc) {
			count = numbers(argv[++i], ids, LEN(ids));
			keep[0] = 1;
			while (count--)
				keep[1 + ids[count]] = 1;
		} else if (!strcmp(argv[i], "--quiet") && i + 1 < argc) {
			quiet_ns = atol(argv[++i]) * 1000000;
		} else if (!strcmp(argv[i], "--expect") && i + 1 < argc) {
			expected_count = numbers(argv[++i], expected, LEN(expected));
		} else if (!strcmp(argv[i], "--print")) {
			printing = 1;
		}
	}
	make(strtoull(argv[1], NULL, 10));
	if (printing) {
		print_program();
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGUSR1, &action, NULL);
	main_thread = pthread_self();
	umask(022);
	base_folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(base_folder, "the folder");
	close(openat(base_folder, "secret", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	make_ring();
	i = io_uring_queue_init(64, &second, 0);
	errno = -i;
	must(i, "a second ring");
	must(io_uring_register_files_sparse(&second, 8), "a table");
	must(io_uring_queue_init(4, &handlers_ring, 0), "a ring for handlers");
	for (t = 0; t < program.turns; t++)
		do_turn(t);
	printf("counts |");
	for (i = 0; i < phases; i++)
		printf("%s%d", i ? "," : " ", counts[i]);
	printf("\n");
	fflush(stdout);
	drop_ring();
	io_uring_queue_exit(&second);
	io_uring_queue_exit(&handlers_ring);
	return 0;
}
