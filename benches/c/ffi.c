/*
 * The NOP loop as a language binding runs it: every function, also those that C
 * programs have inline, is looked up in the ffi library and called through a pointer.
 *
 * Usage: ffi LIBRARY BATCH ROUNDS
 * Exit code 77 if there is no such library.
 */
#include <liburing.h>

#include <dlfcn.h>

#include "bench.h"

#define MOST 1024

/* Through memory: a function pointer and an object pointer are not convertible in ISO C. */
#define LOOK_UP(name)							\
	do {								\
		void *found = dlsym(library, "io_uring_" #name);	\
		if (!found) {						\
			fprintf(stderr, "io_uring_" #name " is not in %s\n", argv[1]); \
			return 1;					\
		}							\
		memcpy(&name, &found, sizeof(found));			\
	} while (0)

int main(int argc, char **argv)
{
	int (*queue_init)(unsigned, struct io_uring *, unsigned);
	void (*queue_exit)(struct io_uring *);
	struct io_uring_sqe *(*get_sqe)(struct io_uring *);
	void (*prep_nop)(struct io_uring_sqe *);
	void (*sqe_set_data64)(struct io_uring_sqe *, __u64);
	int (*submit_and_wait)(struct io_uring *, unsigned);
	int (*wait_cqe)(struct io_uring *, struct io_uring_cqe **);
	__u64 (*cqe_get_data64)(const struct io_uring_cqe *);
	void (*cqe_seen)(struct io_uring *, struct io_uring_cqe *);
	unsigned batch = argc > 3 ? (unsigned) atoi(argv[2]) : 0, i;
	unsigned long rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 0, round;
	unsigned long long sum = 0, started;
	struct io_uring ring;
	void *library;
	int ret;

	if (!batch || batch > MOST) {
		fprintf(stderr, "usage: ffi LIBRARY BATCH ROUNDS, batch at most %d\n", MOST);
		return 2;
	}
	library = dlopen(argv[1], RTLD_NOW);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return SKIPPED;
	}
	LOOK_UP(queue_init);
	LOOK_UP(queue_exit);
	LOOK_UP(get_sqe);
	LOOK_UP(prep_nop);
	LOOK_UP(sqe_set_data64);
	LOOK_UP(submit_and_wait);
	LOOK_UP(wait_cqe);
	LOOK_UP(cqe_get_data64);
	LOOK_UP(cqe_seen);

	ret = queue_init(batch, &ring, 0);
	if (ret < 0)
		return fail_setup(-ret);
	started = now_ns();
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < batch; i++) {
			struct io_uring_sqe *sqe = get_sqe(&ring);

			if (!sqe)
				return fail("io_uring_get_sqe", EAGAIN);
			prep_nop(sqe);
			sqe_set_data64(sqe, i);
		}
		ret = submit_and_wait(&ring, batch);
		if (ret != (int) batch)
			return fail("io_uring_submit_and_wait", ret < 0 ? -ret : EAGAIN);
		for (i = 0; i < batch; i++) {
			struct io_uring_cqe *cqe;

			ret = wait_cqe(&ring, &cqe);
			if (ret < 0)
				return fail("io_uring_wait_cqe", -ret);
			if (cqe->res)
				return fail("nop", -cqe->res);
			sum += cqe_get_data64(cqe);
			cqe_seen(&ring, cqe);
		}
	}
	report(started);
	if (sum != (unsigned long long) batch * (batch - 1) / 2 * rounds)
		return fail("the sum of user_data", EIO);
	queue_exit(&ring);
	return 0;
}
