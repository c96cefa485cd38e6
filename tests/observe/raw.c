/*
 * Programs on io_uring's system calls alone, for the tests of uring trace. Prints what it
 * did, so that a trace can be compared with it.
 *
 * Usage: raw read COUNT PAUSE_US | threads COUNT | overflow | fork | signals | hang | churn COUNT
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
