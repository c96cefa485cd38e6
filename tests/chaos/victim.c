/*
 * What chaos strikes: small programs, each in a form that relies on luck ("lucky") and in
 * one that follows io_uring(7) ("right"). Ends with 0 if all is well, with 1 if its luck
 * has run out, and with 2 for what must never happen.
 *
 * Usage: victim PROGRAM lucky|right [NUMBER]
 */
#include <liburing.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE 8192

static struct io_uring ring;
static int right;
static unsigned long number;

static void die(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(2);
}

static void __attribute__((noreturn)) out_of_luck(const char *what)
{
	fprintf(stderr, "out of luck: %s\n", what);
	exit(1);
}

static void init(unsigned entries, unsigned flags)
{
	int ret = io_uring_queue_init(entries, &ring, flags);

	if (ret < 0)
		die("io_uring_queue_init", -ret);
}

static struct io_uring_sqe *entry(__u64 tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe)
		die("io_uring_get_sqe", EBUSY);
	io_uring_sqe_set_data64(sqe, tag);
	return sqe;
}

static void submit_all(void)
{
	do {
		int ret = io_uring_submit(&ring);

		if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			die("io_uring_submit", -ret);
	} while (io_uring_sq_ready(&ring));
}

/* A completion, with its tag and flags. */
static int take(__u64 *tag, unsigned *flags)
{
	struct io_uring_cqe *cqe;
	int ret;

	do
		ret = io_uring_wait_cqe(&ring, &cqe);
	while (ret == -EINTR);
	if (ret < 0)
		die("io_uring_wait_cqe", -ret);
	ret = cqe->res;
	*tag = io_uring_cqe_get_data64(cqe);
	if (flags)
		*flags = cqe->flags;
	io_uring_cqe_seen(&ring, cqe);
	return ret;
}

static int some_file(void)
{
	char name[] = "/tmp/anyring-victim-XXXXXX", block[SIZE];
	int fd = mkstemp(name);

	if (fd < 0)
		die("mkstemp", errno);
	unlink(name);
	for (int i = 0; i < SIZE; i++)
		block[i] = (char)(i * 7);
	if (write(fd, block, SIZE) != SIZE)
		die("write", errno);
	return fd;
}

/* Reads a file; the lucky one never looks at how much came. */
static void reader(void)
{
	static char block[SIZE];
	int fd = some_file(), done = 0;
	__u64 tag;

	init(8, 0);
	while (done < SIZE) {
		io_uring_prep_read(entry(1), fd, block + done, (unsigned)(SIZE - done), (__u64)done);
		submit_all();
		int res = take(&tag, NULL);

		if (res == -EINTR && right)
			continue;
		if (res <= 0)
			out_of_luck("a read failed");
		done += res;
		if (!right)
			break;
	}
	for (int i = 0; i < SIZE; i++)
		if (block[i] != (char)(i * 7))
			out_of_luck("bytes are missing");
}

/* Eight NOPs; the lucky one takes them to complete in turn. */
static void orderly(void)
{
	unsigned seen = 0;
	__u64 tag;

	init(8, 0);
	for (__u64 i = 0; i < 8; i++)
		io_uring_prep_nop(entry(i));
	submit_all();
	for (__u64 i = 0; i < 8; i++) {
		if (take(&tag, NULL))
			die("a NOP", EINVAL);
		if (!right && tag != i)
			out_of_luck("another order");
		if (seen & 1u << tag)
			die("a completion came twice", EINVAL);
		seen |= 1u << tag;
	}
}

/* A chain is in order whatever happens. */
static void chained(void)
{
	__u64 tag;

	init(8, 0);
	for (__u64 i = 0; i < 8; i++) {
		struct io_uring_sqe *sqe = entry(i);

		io_uring_prep_nop(sqe);
		if (i < 7)
			io_uring_sqe_set_flags(sqe, i & 1 ? IOSQE_IO_HARDLINK : IOSQE_IO_LINK);
	}
	submit_all();
	for (__u64 i = 0; i < 8; i++)
		if (take(&tag, NULL) || tag != i)
			die("a chain out of order", EINVAL);
	for (__u64 i = 0; i < 8; i++) {
		struct io_uring_sqe *sqe = entry(i);

		io_uring_prep_nop(sqe);
		io_uring_sqe_set_flags(sqe, IOSQE_IO_DRAIN);
	}
	submit_all();
	for (__u64 i = 0; i < 8; i++)
		if (take(&tag, NULL) || tag != i)
			die("drains out of order", EINVAL);
}

/* Polls a pipe by a multishot request; the lucky one never arms it again. */
static void armed(void)
{
	int pipes[2], arm = 1;
	unsigned flags = 0;
	char byte;
	__u64 tag;

	init(8, 0);
	if (pipe(pipes) < 0)
		die("pipe", errno);
	for (int round = 0; round < 20; round++) {
		if (arm) {
			io_uring_prep_poll_multishot(entry(1), pipes[0], POLLIN);
			submit_all();
			arm = 0;
		}
		if (write(pipes[1], "x", 1) != 1)
			die("write", errno);
		if (take(&tag, &flags) < 0)
			die("the poll", EINVAL);
		if (read(pipes[0], &byte, 1) != 1)
			die("read", errno);
		if (!(flags & IORING_CQE_F_MORE)) {
			if (!right)
				out_of_luck("the poll has ended");
			arm = 1;
		}
	}
}

/* Submits eight at once; the lucky one takes it that all were taken. */
static void submitter(void)
{
	__u64 tag;

	init(8, 0);
	for (__u64 i = 0; i < 8; i++)
		io_uring_prep_nop(entry(i));
	if (right)
		submit_all();
	else if (io_uring_submit(&ring) != 8)
		out_of_luck("not all were submitted");
	for (int i = 0; i < 8; i++)
		take(&tag, NULL);
}

/* Waits for a timer; the lucky one knows no signals. */
static void waiter(void)
{
	struct __kernel_timespec soon = { .tv_nsec = 2000000 };
	struct io_uring_cqe *cqe;
	int ret;

	init(8, 0);
	for (int i = 0; i < 8; i++) {
		io_uring_prep_timeout(entry(1), &soon, 0, 0);
		submit_all();
		do
			ret = io_uring_wait_cqe(&ring, &cqe);
		while (right && ret == -EINTR);
		if (ret)
			out_of_luck("a wait was interrupted");
		if (cqe->res != -ETIME)
			die("the timer", EINVAL);
		io_uring_cqe_seen(&ring, cqe);
	}
}

/* Sends without a copy, and waits for the notification. */
static void sender(void)
{
	static char block[SIZE];
	int pair[2], notified = 0, done = 0;
	unsigned flags;
	__u64 tag;

	init(8, 0);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(address);

	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		die("a listener", errno);
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(pair[0], (struct sockaddr *)&address, length))
		die("connect", errno);
	io_uring_prep_send_zc(entry(1), pair[0], block, SIZE, 0, 0);
	submit_all();
	while (!done || !notified) {
		int res = take(&tag, &flags);

		if (flags & IORING_CQE_F_NOTIF) {
			notified = 1;
		} else {
			if (res <= 0)
				die("send_zc", -res);
			done = 1;
			if (!(flags & IORING_CQE_F_MORE))
				notified = 1;
		}
	}
}

/* NUMBER NOPs and reads in turn, one by one; says the results. */
static void counter(void)
{
	char byte;
	int fd = some_file();
	__u64 tag;

	init(8, 0);
	for (unsigned long i = 0; i < number; i++) {
		if (i % 2)
			io_uring_prep_read(entry(i), fd, &byte, 1, 0);
		else
			io_uring_prep_nop(entry(i));
		submit_all();
		printf("%d ", take(&tag, NULL));
	}
	printf("\n");
}

/* Fails if the reads 5 and 9 fail, and nothing else is needed for that. */
static void both(void)
{
	char byte;
	int fd = some_file(), failed = 0;
	__u64 tag;

	init(8, 0);
	for (int i = 0; i < 16; i++) {
		io_uring_prep_read(entry((__u64)i), fd, &byte, 1, 0);
		submit_all();
		if (take(&tag, NULL) < 0 && (i == 5 || i == 9))
			failed++;
	}
	if (failed == 2)
		out_of_luck("both failed");
}

/* Says what the kernel has. */
static void kernel(void)
{
	struct io_uring_probe *probe;
	struct io_uring deferring;
	int ret = io_uring_queue_init(8, &deferring,
				      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	init(8, 0);
	printf("defer=%d", ret);
	probe = io_uring_get_probe_ring(&ring);
	printf(" read=%d send_zc=%d futex=%d", probe && io_uring_opcode_supported(probe, IORING_OP_READ),
	       probe && io_uring_opcode_supported(probe, IORING_OP_SEND_ZC),
	       probe && io_uring_opcode_supported(probe, IORING_OP_FUTEX_WAIT));
	printf(" ext_arg=%d cqe_skip=%d", !!(ring.features & IORING_FEAT_EXT_ARG),
	       !!(ring.features & IORING_FEAT_CQE_SKIP));
	printf(" buf_ring=%d\n", ({
		int error;
		struct io_uring_buf_ring *made = io_uring_setup_buf_ring(&ring, 4, 1, 0, &error);

		made ? 0 : error;
	}));
}

/* Never ends. */
static void forever(void)
{
	__u64 tag;
	int pipes[2];
	char byte;

	init(8, 0);
	if (pipe(pipes) < 0)
		die("pipe", errno);
	io_uring_prep_read(entry(1), pipes[0], &byte, 1, 0);
	submit_all();
	take(&tag, NULL);
}

static void crash(void)
{
	init(8, 0);
	abort();
}

static const struct {
	const char *name;
	void (*run)(void);
} programs[] = {
	{ "reader", reader }, { "orderly", orderly }, { "chained", chained }, { "armed", armed },
	{ "submitter", submitter }, { "waiter", waiter }, { "sender", sender }, { "counter", counter },
	{ "both", both }, { "kernel", kernel }, { "forever", forever }, { "crash", crash },
};

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	right = !strcmp(argv[2], "right");
	number = argc > 3 ? strtoul(argv[3], NULL, 10) : 100;
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		if (strcmp(programs[i].name, argv[1]))
			continue;
		programs[i].run();
		return 0;
	}
	return 2;
}
