/* What the benchmark programs share. Exit codes: 0 good, 1 wrong, 2 usage, 77 skipped. */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SKIPPED 77

static inline int fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	return 1;
}

/* A system that has no io_uring, or forbids it, is no failure of the program. */
static inline int fail_setup(int error)
{
	fail("io_uring_queue_init", error);
	return error == ENOSYS || error == EPERM || error == EACCES ? SKIPPED : 1;
}

static inline unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long) now.tv_sec * 1000000000ULL + (unsigned long long) now.tv_nsec;
}

/*
 * Prints the time since then, of the loop alone: start, loading and setup are not
 * part of it. Sixteen digits by hand: a number of any size costs the same
 * instructions, which printf does not promise, so that counts of them repeat.
 */
static inline void report(unsigned long long started)
{
	unsigned long long elapsed = now_ns() - started;
	char text[] = "0000000000000000 ns\n";
	int digit;

	for (digit = 15; digit >= 0; digit--, elapsed >>= 4)
		text[digit] = "0123456789abcdef"[elapsed & 15];
	fputs(text, stdout);
}

#endif
