/* What the programs about the userspace engine share. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "../conformance/op-helpers.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include <liburing/ext.h>

/* A ring that must be the engine's. */
static inline void engine_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	CHECK_EQ(io_uring_queue_init(entries, ring, flags), 0);
	CHECK_EQ(anyring_ring_engine(ring, NULL), ANYRING_ENGINE_USERSPACE);
}

static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether the descriptor polls readable within that time. */
static inline int readable(int fd, int ms)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	int ret = poll(&poller, 1, ms);

	CHECK(ret >= 0);
	return ret && poller.revents & POLLIN;
}

/* Takes all completions by the inline functions alone; how many. */
static inline unsigned take_inline(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;

	io_uring_for_each_cqe(ring, head, cqe)
		count++;
	io_uring_cq_advance(ring, count);
	return count;
}

static inline void queue_read(struct io_uring *ring, int fd, void *to, unsigned size, __u64 tag)
{
	struct io_uring_sqe *sqe = sqe_of(ring);

	io_uring_prep_read(sqe, fd, to, size, 0);
	io_uring_sqe_set_data64(sqe, tag);
}

/* Descriptors this process has open. */
static inline int open_fds(void)
{
	int count = 0, fd;

	for (fd = 0; fd < 4096; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static inline int threads_now(void)
{
	char line[128];
	int count = -1;
	FILE *file = fopen("/proc/self/status", "r");

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Threads: %d", &count) == 1)
			break;
	fclose(file);
	return count;
}

/* Waits for a child, which must end well. */
static inline void reap(pid_t child)
{
	int status;

	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

#endif
