/* A second exit does nothing, not even to a descriptor that has the old number;
 * nor does one of a struct that was never set up. */
#include "one.h"

int main(void)
{
	struct io_uring ring;
	int fd, reused;

	must_init(4, &ring, 0);
	fd = ring.ring_fd;
	io_uring_queue_exit(&ring);
	reused = open("/dev/null", O_RDONLY);
	CHECK_EQ(reused, fd);
	io_uring_queue_exit(&ring);
	CHECK(fcntl(reused, F_GETFD) >= 0);
	close(reused);
	memset(&ring, 0, sizeof(ring));
	io_uring_queue_exit(&ring);
	CHECK(fcntl(0, F_GETFD) >= 0);
	return 0;
}
