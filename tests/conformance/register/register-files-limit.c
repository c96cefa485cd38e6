/* Registering more files than RLIMIT_NOFILE raises the soft limit. */
#include "one.h"

#include <sys/resource.h>

int main(void)
{
	struct rlimit limit, now;
	struct io_uring ring;
	static int fds[200];
	int i;

	must_init(4, &ring, 0);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < 400)
		SKIP("the hard limit on open files is too low");
	limit.rlim_cur = 100;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (i = 0; i < 200; i++)
		fds[i] = -1;
	CHECK_EQ(io_uring_register_files(&ring, fds, 200), 0);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &now), 0);
	CHECK_EQ(now.rlim_cur, 300);
	CHECK_EQ(now.rlim_max, limit.rlim_max);
	RESULT("limit %lu", (unsigned long) now.rlim_cur);
	io_uring_queue_exit(&ring);
	return 0;
}
