/* 10,000 rings opened and closed leave no descriptor and no mapping behind. */
#include "one.h"

static int lines(const char *path)
{
	FILE *file = fopen(path, "r");
	int count = 0, c;

	CHECK(file != NULL);
	while ((c = fgetc(file)) != EOF)
		count += c == '\n';
	fclose(file);
	return count;
}

int main(void)
{
	struct io_uring ring;
	int i, fd, maps;

	/* Whatever a first use sets up for good is set up now. */
	for (i = 0; i < 50; i++) {
		must_init(4, &ring, 0);
		fd = ring.ring_fd;
		io_uring_prep_nop(sqe_of(&ring));
		CHECK_EQ(io_uring_submit(&ring), 1);
		usleep(1000);
		io_uring_queue_exit(&ring);
	}
	maps = lines("/proc/self/maps");
	for (i = 0; i < 10000; i++) {
		int ret = io_uring_queue_init(1U << (i % 6), &ring, i % 3 ? 0 : IORING_SETUP_CLAMP);

		/* Rings before are taken down in the background. */
		while (ret == -ENOMEM || ret == -EMFILE) {
			usleep(1000);
			ret = io_uring_queue_init(4, &ring, 0);
		}
		CHECK_EQ(ret, 0);
		CHECK_EQ(ring.ring_fd, fd);
		if (i % 100 == 0) {
			io_uring_prep_nop(sqe_of(&ring));
			CHECK_EQ(io_uring_submit(&ring), 1);
		}
		io_uring_queue_exit(&ring);
	}
	/*
	 * A few for a thread of the userspace engine that was still ending when another
	 * one started: libc keeps its stack and its arena.
	 */
	CHECK(lines("/proc/self/maps") <= maps + 16);
	RESULT("none");
	return 0;
}
