/*
 * A program for choice.py, run with a relative LD_LIBRARY_PATH: goes elsewhere before
 * its first ring, and prints which engine served it.
 */
#include "../engine.h"

int main(void)
{
	struct io_uring ring;
	int reason = 0, ret;

	CHECK_EQ(chdir("/"), 0);
	ret = io_uring_queue_init(8, &ring, 0);
	if (ret < 0)
		printf("error %d\n", -ret);
	else if (anyring_ring_engine(&ring, &reason) == ANYRING_ENGINE_USERSPACE)
		printf("userspace %d\n", reason);
	else
		printf("kernel\n");
	return 0;
}
