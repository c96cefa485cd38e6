/*
 * Programs on io_uring's system calls alone, for the tests of uring trace. Prints what it
 * did, so that a trace can be compared with it.
 *
 * Usage: raw read COUNT PAUSE_US | threads COUNT | overflow | fork | signals | hang | churn COUNT
 *            unique COUNT BATCH SETUP_FLAGS ENTRIES | resize COUNT | rings COUNT
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct ring {
	int fd;
	struct io_uring_params p;
	char *queues;
	struct io_uring_sqe *sqes;
};

#define WORD(r, side, name) ((unsigned *)((r)->queues + (r)->p.side.name))

static void make(struct ring *r, unsigned entries, unsigned flags)
{
	memset(&r->p, 0, sizeof(r->p));
	r->p.flags = flags;
	r->fd = syscall(__NR_io_uring_setup, entries, &r->p);
	if (r->fd < 0) {
		perror("io_uring_setup");
		exit(77);
	}
	r->queues = mmap(NULL, r->p.sq_off.array + r->p.sq_entries * 4, PROT_READ | PROT_WRITE,
			 MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, r->p.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE, MAP_SHARED,
		       r->fd, IORING_OFF_SQES);
	if (r->queues == MAP_FAILED || r->sqes == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
}

static void drop(struct ring *r)
{
	munmap(r->queues, r->p.sq_off.array + r->p.sq_entries * 4);
	munmap(r->sqes, r->p.sq_entries * sizeof(*r->sqes));
	close(r->fd);
}

/* Slots in another order than indices, which the kernel allows. */
static struct io_uring_sqe *next(struct ring *r, unsigned char opcode, unsigned long long data)
{
	unsigned tail = *WORD(r, sq_off, tail), mask = r->p.sq_entries - 1;
	unsigned slot = mask - (tail & mask);

	memset(&r->sqes[slot], 0, sizeof(*r->sqes));
	r->sqes[slot].opcode = opcode;
	r->sqes[slot].fd = -1;
	r->sqes[slot].user_data = data;
	WORD(r, sq_off, array)[tail & mask] = slot;
	return &r->sqes[slot];
}

static void publish(struct ring *r)
{
	__atomic_store_n(WORD(r, sq_off, tail), *WORD(r, sq_off, tail) + 1, __ATOMIC_RELEASE);
}

static int enter(struct ring *r, unsigned submit, unsigned wait)
{
	return syscall(__NR_io_uring_enter, r->fd, submit, wait, wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
}

static long reap(struct ring *r)
{
	struct io_uring_cqe *cqes = (void *)(r->queues + r->p.cq_off.cqes);
	unsigned head = *WORD(r, cq_off, head);
	long sum = 0;

	for (; head != __atomic_load_n(WORD(r, cq_off, tail), __ATOMIC_ACQUIRE); head++)
		sum += cqes[head & (r->p.cq_entries - 1)].res;
	__atomic_store_n(WORD(r, cq_off, head), head, __ATOMIC_RELEASE);
	return sum;
}

static long reads(struct ring *r, int count, int pause)
{
	static _Thread_local char buffer[64];
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	long sum = 0;

	for (int i = 0; i < count; i++) {
		struct io_uring_sqe *sqe = next(r, IORING_OP_READ, i);

		sqe->fd = zero;
		sqe->addr = (unsigned long)buffer;
		sqe->len = 1 + i % 64;
		publish(r);
		enter(r, 1, 1);
		sum += reap(r);
		if (pause)
			usleep(pause);
	}
	close(zero);
	return sum;
}

static void *thread(void *count)
{
	struct ring r;

	make(&r, 8, 0);
	return (void *)reads(&r, *(int *)count, 0);
}

/* Newer than some headers. */
#define SETUP_NO_MMAP (1u << 14)
#define SETUP_NO_SQARRAY (1u << 16)
#define SETUP_CQE_MIXED (1u << 18)
#define CQE_32 (1u << 15)
#define NOP_CQE32 (1u << 5)
#define REGISTER_RESIZE 33

static void fail(const char *what)
{
	perror(what);
	exit(77);
}

static void make_any(struct ring *r, unsigned entries, unsigned flags)
{
	size_t big = 1 << 20;

	memset(&r->p, 0, sizeof(r->p));
	r->p.flags = flags;
	if (flags & SETUP_NO_MMAP) {
		/* Huge pages may be missing; a page each does for small rings. */
		r->queues = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		r->sqes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		*(unsigned long long *)((char *)&r->p.cq_off + 32) = (unsigned long)r->queues;
		*(unsigned long long *)((char *)&r->p.sq_off + 32) = (unsigned long)r->sqes;
	}
	r->fd = syscall(__NR_io_uring_setup, entries, &r->p);
	if (r->fd < 0)
		fail("io_uring_setup");
	if (flags & SETUP_NO_MMAP)
		return;
	/* The kernel maps what it has of this. */
	r->queues = mmap(NULL, big, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, big, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQES);
	if (r->queues == MAP_FAILED || r->sqes == MAP_FAILED)
		fail("mmap");
}

static unsigned seed = 1;

static unsigned chance(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

struct checked {
	long done, sum, wrong;
};

/* Takes what is there; the result of request N is 1 + N % 64, or 0 for a NOP. */
static void take(struct ring *r, unsigned flags, struct checked *c)
{
	unsigned size = flags & IORING_SETUP_CQE32 ? 32 : 16;
	unsigned head = *WORD(r, cq_off, head);
	unsigned tail = __atomic_load_n(WORD(r, cq_off, tail), __ATOMIC_ACQUIRE);

	while (head != tail) {
		struct io_uring_cqe *cqe = (void *)(r->queues + r->p.cq_off.cqes +
						    (head & (r->p.cq_entries - 1)) * size);

		head += flags & SETUP_CQE_MIXED && cqe->flags & CQE_32 ? 2 : 1;
		if (flags & SETUP_CQE_MIXED && cqe->flags & (1u << 5))
			continue;
		c->done++;
		c->sum += cqe->res;
		if (cqe->res != (flags & SETUP_CQE_MIXED ? 0 : 1 + (int)(cqe->user_data % 64)))
			c->wrong++;
	}
	__atomic_store_n(WORD(r, cq_off, head), head, __ATOMIC_RELEASE);
}

/*
 * Requests with a user_data each, from which all else in the entry follows; each field is
 * written where it stands, as liburing does, so that half an entry can be seen.
 */
static struct checked unique(struct ring *r, int first, int count, int batch, unsigned flags)
{
	static char buffer[64];
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), next = first;
	unsigned stride = flags & IORING_SETUP_SQE128 ? 2 : 1;
	struct checked c = { 0 };

	count += first;
	while (first + c.done < count) {
		unsigned tail = *WORD(r, sq_off, tail), mask = r->p.sq_entries - 1;
		int room = r->p.sq_entries - (tail - __atomic_load_n(WORD(r, sq_off, head), __ATOMIC_ACQUIRE));
		int n = batch ? batch : 1 + (int)chance(r->p.sq_entries);

		if (n > room)
			n = room;
		for (int i = 0; i < n && next < count; i++, tail++, next++) {
			unsigned slot = tail & mask;
			volatile struct io_uring_sqe *sqe;

			if (!(flags & SETUP_NO_SQARRAY)) {
				slot = mask - slot;
				WORD(r, sq_off, array)[tail & mask] = slot;
			}
			sqe = &r->sqes[slot * stride];
			sqe->flags = 0;
			sqe->ioprio = 0;
			if (flags & SETUP_CQE_MIXED) {
				sqe->opcode = IORING_OP_NOP;
				sqe->rw_flags = next % 3 ? NOP_CQE32 : 0;
			} else {
				sqe->opcode = IORING_OP_READ;
				sqe->rw_flags = 0;
				sqe->fd = zero;
			}
			sqe->off = flags & SETUP_CQE_MIXED ? 0 : next;
			sqe->addr = flags & SETUP_CQE_MIXED ? 0 : (unsigned long)buffer;
			sqe->len = flags & SETUP_CQE_MIXED ? 0 : 1 + next % 64;
			sqe->user_data = next;
		}
		n = tail - *WORD(r, sq_off, tail);
		__atomic_store_n(WORD(r, sq_off, tail), tail, __ATOMIC_SEQ_CST);
		if (!(flags & IORING_SETUP_SQPOLL))
			enter(r, n, n);
		else if (__atomic_load_n(WORD(r, sq_off, flags), __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
			syscall(__NR_io_uring_enter, r->fd, n, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
		take(r, flags, &c);
	}
	close(zero);
	return c;
}

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	(void)number;
	caught++;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int count = argc > 2 ? atoi(argv[2]) : 1;
	struct ring r;
	long sum = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "read")) {
		make(&r, 8, 0);
		sum = reads(&r, count, argc > 3 ? atoi(argv[3]) : 0);
	} else if (!strcmp(what, "threads")) {
		pthread_t threads[24];
		void *one;

		for (int i = 0; i < 24; i++)
			pthread_create(&threads[i], NULL, thread, &count);
		for (int i = 0; i < 24; i++) {
			pthread_join(threads[i], &one);
			sum += (long)one;
		}
	} else if (!strcmp(what, "overflow")) {
		make(&r, 4, 0);
		for (int i = 0; i < 12; i++) {
			next(&r, IORING_OP_NOP, i);
			publish(&r);
			enter(&r, 1, 0);
		}
		while (*WORD(&r, cq_off, head) < 12) {
			enter(&r, 0, 1);
			reap(&r);
		}
		sum = 12;
	} else if (!strcmp(what, "fork")) {
		pid_t child;

		make(&r, 8, 0);
		sum = reads(&r, count, 0);
		child = fork();
		if (!child) {
			struct ring own;

			make(&own, 8, 0);
			_exit(reads(&own, 3, 0) == 6 ? 0 : 1);
		}
		int status = 1;

		waitpid(child, &status, 0);
		if (status)
			return 1;
	} else if (!strcmp(what, "signals")) {
		signal(SIGUSR1, on_signal);
		make(&r, 8, 0);
		for (int i = 0; i < count; i++) {
			kill(getpid(), SIGUSR1);
			sum += reads(&r, 1, 0);
		}
		if (caught != count)
			return 1;
	} else if (!strcmp(what, "churn")) {
		for (int i = 0; i < count; i++) {
			make(&r, 8, 0);
			sum += reads(&r, 1, 0);
			drop(&r);
		}
	} else if (!strcmp(what, "unique")) {
		int batch = argc > 3 ? atoi(argv[3]) : 0;
		unsigned flags = argc > 4 ? strtoul(argv[4], NULL, 0) : 0;
		struct checked c;

		make_any(&r, argc > 5 ? atoi(argv[5]) : 8, flags);
		if (flags & IORING_SETUP_R_DISABLED &&
		    syscall(__NR_io_uring_register, r.fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0))
			fail("IORING_REGISTER_ENABLE_RINGS");
		printf("ready\n");
		/* So that an observer may come first. */
		if (getenv("RAW_PAUSE"))
			usleep(atoi(getenv("RAW_PAUSE")) * 1000);
		c = unique(&r, 0, count, batch, flags);
		if (c.wrong || c.done != count)
			return 1;
		sum = c.sum;
	} else if (!strcmp(what, "resize")) {
		unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | SETUP_NO_SQARRAY;

		make_any(&r, 8, flags);
		printf("ready\n");
		for (int i = 0; i < 4; i++) {
			struct io_uring_params p = { .sq_entries = 8 << (i + 1), .cq_entries = 32 << (i + 1),
						     .flags = IORING_SETUP_CQSIZE };
			struct checked c = unique(&r, i * count, count, 1, flags);

			if (c.wrong || c.done != count)
				return 1;
			sum += c.sum;
			if (syscall(__NR_io_uring_register, r.fd, REGISTER_RESIZE, &p, 1))
				fail("IORING_REGISTER_RESIZE_RINGS");
			munmap(r.queues, 1 << 20);
			munmap(r.sqes, 1 << 20);
			r.p = p;
			r.queues = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, IORING_OFF_SQ_RING);
			r.sqes = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, IORING_OFF_SQES);
			if (r.queues == MAP_FAILED || r.sqes == MAP_FAILED)
				fail("mmap");
			usleep(50000);
		}
	} else if (!strcmp(what, "rings")) {
		struct ring *all = calloc(count, sizeof(*all));

		for (int i = 0; i < count; i++)
			make_any(&all[i], 4, 0);
		printf("ready\n");
		for (int turn = 0; turn < (argc > 3 ? atoi(argv[3]) : 1); turn++)
			for (int i = 0; i < count; i++) {
				struct checked c = unique(&all[i], turn, 1, 1, 0);

				if (c.wrong || c.done != 1)
					return 1;
				sum += c.sum;
			}
	} else if (!strcmp(what, "hang")) {
		int ends[2];

		if (pipe(ends))
			return 1;
		make(&r, 8, 0);
		next(&r, IORING_OP_POLL_ADD, 42)->fd = ends[0];
		r.sqes[7].poll32_events = 1;
		publish(&r);
		printf("waits\n");
		enter(&r, 1, 1);
	} else {
		return 2;
	}
	printf("%d %ld\n", count, sum);
	return 3;
}
