/*
 * No memory left (RLIMIT_AS): requests complete, with errors if need be, calls give
 * ENOMEM, nothing is lost and nothing aborts.
 */
#include "engine.h"

static void *fill[4096];

int main(void)
{
	struct rlimit before, tight;
	struct io_uring ring, other;
	int ends[2], at, submitted = 0, completed = 0, filled = 0;
	static char bytes[4096];
	size_t size;
	long pages;
	FILE *file;

	engine_init(256, &ring, 0);
	CHECK_EQ(pipe(ends), 0);
	file = fopen("/proc/self/statm", "r");
	CHECK(file != NULL);
	CHECK_EQ(fscanf(file, "%ld", &pages), 1);
	fclose(file);
	CHECK_EQ(getrlimit(RLIMIT_AS, &before), 0);
	tight = before;
	tight.rlim_cur = (rlim_t) pages * 4096;
	CHECK_EQ(setrlimit(RLIMIT_AS, &tight), 0);
	/* What malloc has left, too. */
	for (size = 65536; size >= 16; size /= 2)
		while (filled < 4096 && (fill[filled] = malloc(size)))
			filled++;

	CHECK(io_uring_queue_init(64, &other, 0) < 0);
	for (at = 0; at < 2000; at++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		if (!sqe) {
			int ret = io_uring_submit(&ring);

			CHECK(ret > 0);
			submitted += ret;
			sqe = sqe_of(&ring);
		}
		if (at % 5 == 0)
			io_uring_prep_nop(sqe);
		else if (at % 5 == 1)
			io_uring_prep_openat(sqe, AT_FDCWD, "/", O_PATH | O_DIRECTORY | 0, 0);
		else
			io_uring_prep_poll_add(sqe, ends[0], POLLIN);
		if (at % 7 == 0)
			sqe->flags |= IOSQE_IO_LINK;
		completed += take_inline(&ring);
	}
	submitted += io_uring_submit(&ring);
	CHECK_EQ(submitted, 2000);
	CHECK_EQ(write(ends[1], "x", 1), 1);
	while (completed < submitted - (int) *ring.cq.koverflow) {
		struct io_uring_cqe *cqe;
		int ret = io_uring_wait_cqe(&ring, &cqe);

		CHECK(ret == 0 || ret == -ENOMEM || ret == -EINTR);
		completed += take_inline(&ring);
	}
	CHECK_EQ(setrlimit(RLIMIT_AS, &before), 0);
	while (filled)
		free(fill[--filled]);
	io_uring_prep_read(sqe_of(&ring), ends[0], bytes, 1, 0);
	CHECK_EQ(run_one(&ring), 1);
	engine_init(64, &other, 0);
	io_uring_queue_exit(&other);
	io_uring_queue_exit(&ring);
	return 0;
}
