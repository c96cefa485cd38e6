/* A child has none of the ring's mappings; the parent keeps working. */
#include "one.h"

int main(void)
{
	struct io_uring ring, empty;
	int status;
	pid_t child;

	memset(&empty, 0, sizeof(empty));
	CHECK_EQ(io_uring_ring_dontfork(&empty), -EINVAL);
	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_ring_dontfork(&ring), 0);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		/* write(2) looks at the memory without touching it itself. */
		int pipes[2];

		if (pipe(pipes))
			_exit(3);
		_exit(write(pipes[1], ring.sq.sqes, 1) == -1 && errno == EFAULT &&
		      write(pipes[1], ring.sq.ring_ptr, 1) == -1 && errno == EFAULT ? 0 : 4);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	RESULT("dontfork");
	io_uring_queue_exit(&ring);
	return 0;
}
