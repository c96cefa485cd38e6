/* Completions as text: a program says in one line which it expects, in order. */
#ifndef CONFORMANCE_TRACE_H
#define CONFORMANCE_TRACE_H

#include "op-helpers.h"

#include <time.h>

static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Takes what is there: "tag:result" each, with "/flags" in hexadecimal unless they
 * are zero, separated by spaces. */
static inline void trace(struct io_uring *ring, char *text, size_t size)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;
	size_t used = 0;

	text[0] = 0;
	io_uring_for_each_cqe(ring, head, cqe) {
		used += (size_t) snprintf(text + used, size - used, "%s%llu:%d", count ? " " : "",
					  (unsigned long long) cqe->user_data, cqe->res);
		CHECK(used < size);
		if (cqe->flags)
			used += (size_t) snprintf(text + used, size - used, "/%x", cqe->flags);
		CHECK(used < size);
		count++;
	}
	io_uring_cq_advance(ring, count);
}

static inline void expect_at(struct io_uring *ring, const char *wanted, int line)
{
	struct __kernel_timespec limit = { .tv_sec = 20 };
	struct io_uring_cqe *cqe;
	const char *at = wanted;
	unsigned count = *wanted ? 1 : 0;
	char got[512];

	while ((at = strchr(at, ' ')) != NULL) {
		at++;
		count++;
	}
	while (count && io_uring_cq_ready(ring) < count) {
		/* A timeout ends a wait early. */
		int ret = io_uring_wait_cqes(ring, &cqe, count, &limit, NULL);

		if (ret == -ETIME)
			break;
		CHECK(ret == 0 || ret == -EINTR);
	}
	if (!count) {
		usleep(10000);
		io_uring_get_events(ring);
	}
	trace(ring, got, sizeof(got));
	if (strcmp(got, wanted)) {
		fprintf(stderr, "%s:%d: got \"%s\", expected \"%s\"\n", __FILE__, line, got, wanted);
		exit(1);
	}
}

/* Waits for as many completions as the text names, and compares all there are. */
#define EXPECT(ring, text) expect_at(ring, text, __LINE__)

/* Submits that many, then the same. */
#define SUBMIT(ring, count, text)                       \
	do {                                            \
		CHECK_EQ(io_uring_submit(ring), count); \
		expect_at(ring, text, __LINE__);        \
	} while (0)

#endif
