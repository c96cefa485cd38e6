/* Rings of 32 entries made and taken down. Usage: setup COUNT */
#include <liburing.h>

#include <unistd.h>

#include "bench.h"

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0, patience = 10000;
	unsigned long long started = now_ns();

	if (!count) {
		fprintf(stderr, "usage: setup COUNT\n");
		return 2;
	}
	while (count) {
		struct io_uring ring;
		int ret = io_uring_queue_init(32, &ring, 0);

		/* Earlier rings are taken down in the background and still count. */
		if ((ret == -ENOMEM || ret == -EMFILE) && patience--) {
			usleep(100);
			continue;
		}
		if (ret < 0)
			return fail_setup(-ret);
		io_uring_queue_exit(&ring);
		count--;
	}
	report(started);
	return 0;
}
