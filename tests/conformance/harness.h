/*
 * The harness of the conformance programs.
 *
 * A program checks one behaviour and tells its verdict by its exit status:
 *   0   passed
 *   1   failed, the reason is on standard error
 *   77  skipped, the reason is on standard output as a line "skip: ..."
 *
 * Lines printed with RESULT() are compared between the libraries the program
 * is run with, so they must not hold addresses, times or descriptor numbers.
 */
#ifndef CONFORMANCE_HARNESS_H
#define CONFORMANCE_HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <liburing.h>

/* Ends the program as failed unless `cond` holds. */
#define CHECK(cond)                                                           \
	do {                                                                  \
		if (!(cond)) {                                                \
			fprintf(stderr, "%s:%d: check failed: %s\n",          \
				__FILE__, __LINE__, #cond);                   \
			exit(1);                                              \
		}                                                             \
	} while (0)

/* Ends the program as failed unless the integers are equal; prints both. */
#define CHECK_EQ(got, want)                                                   \
	do {                                                                  \
		long long got_ = (long long)(got), want_ = (long long)(want); \
		if (got_ != want_) {                                          \
			fprintf(stderr, "%s:%d: %s is %lld, expected %lld\n", \
				__FILE__, __LINE__, #got, got_, want_);       \
			exit(1);                                              \
		}                                                             \
	} while (0)

/* Ends the program as skipped, with the reason. */
#define SKIP(...)                                                             \
	do {                                                                  \
		printf("skip: ");                                             \
		printf(__VA_ARGS__);                                          \
		printf("\n");                                                 \
		exit(77);                                                     \
	} while (0)

/* A line that must be the same with every library. */
#define RESULT(...)                                                           \
	do {                                                                  \
		printf("result: ");                                           \
		printf(__VA_ARGS__);                                          \
		printf("\n");                                                 \
	} while (0)

/* Skips where io_uring is denied or missing. */
static inline void need_io_uring(void)
{
	struct io_uring ring;
	int ret = io_uring_queue_init(1, &ring, 0);

	if (ret < 0)
		SKIP("io_uring is not available: %s", strerror(-ret));
	io_uring_queue_exit(&ring);
}

/* Skips unless the kernel has the operation. */
static inline void need_op(int op, const char *name)
{
	struct io_uring_probe *probe = io_uring_get_probe();
	int supported = probe && io_uring_opcode_supported(probe, op);

	/* Without a ring the operation is not what is missing. */
	if (!probe)
		need_io_uring();
	io_uring_free_probe(probe);
	if (!supported)
		SKIP("the kernel has no %s (opcode %d)", name, op);
}

/* Sets up a plain ring or ends the program. */
static inline void must_init(unsigned entries, struct io_uring *ring,
			     unsigned flags)
{
	int ret = io_uring_queue_init(entries, ring, flags);

	if (ret == -EINVAL && flags)
		SKIP("the kernel refuses the setup flags %#x", flags);
	if (ret == -ENOSYS || ret == -EPERM || ret == -EACCES || ret == -EOPNOTSUPP)
		SKIP("io_uring is not available: %s", strerror(-ret));
	CHECK_EQ(ret, 0);
}

#endif
