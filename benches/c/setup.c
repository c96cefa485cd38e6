/* Rings made and taken down. Usage: setup COUNT */
#include <liburing.h>

#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 100;

	while (count-- > 0) {
		struct io_uring ring;
		int ret = io_uring_queue_init(32, &ring, 0);

		/* Earlier rings are taken down in the background. */
		while (ret == -ENOMEM || ret == -EMFILE) {
			usleep(100);
			ret = io_uring_queue_init(32, &ring, 0);
		}
		if (ret < 0)
			return 1;
		io_uring_queue_exit(&ring);
	}
	return 0;
}
