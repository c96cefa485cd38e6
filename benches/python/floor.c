/*
 * What the kernel and C alone cost: a turn for each line of standard input, as
 * turns.py has it. Prints nanoseconds an operation.
 *
 * Usage: floor nops|reads|fixed_reads DEPTH [FILE]
 *
 * The loops are those of the Python sides: entries prepared one by one, one
 * submit (for reads with the wait in it, as a batch has it), completions taken
 * one by one. Reads are of DEPTH blocks of the file, the same ones each time.
 */
#include <liburing.h>

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../c/bench.h"

#define BLOCK 4096
#define MOST 1024

static struct io_uring ring;
static unsigned depth;
static int fd = -1, fixed;
static char *memory;
static uint64_t places[MOST];

static int take(int wanted)
{
	unsigned i;

	for (i = 0; i < depth; i++) {
		struct io_uring_cqe *cqe;
		int ret = io_uring_wait_cqe(&ring, &cqe);

		if (ret < 0)
			return fail("io_uring_wait_cqe", -ret);
		if (cqe->res != wanted)
			return fail("result", cqe->res < 0 ? -cqe->res : EIO);
		io_uring_cqe_seen(&ring, cqe);
	}
	return 0;
}

static int nops(void)
{
	unsigned i;

	for (i = 0; i < depth; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, 1);
	}
	if (io_uring_submit(&ring) != (int) depth)
		return fail("io_uring_submit", EAGAIN);
	return take(0);
}

static int reads(void)
{
	unsigned i;

	for (i = 0; i < depth; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
		char *buffer = memory + (size_t) i * BLOCK;

		if (fixed) {
			io_uring_prep_read_fixed(sqe, 0, buffer, BLOCK, places[i], 0);
			io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
		} else {
			io_uring_prep_read(sqe, fd, buffer, BLOCK, places[i]);
		}
		io_uring_sqe_set_data64(sqe, i);
	}
	if (io_uring_submit_and_wait(&ring, depth) != (int) depth)
		return fail("io_uring_submit_and_wait", EAGAIN);
	return take(BLOCK);
}

static int prepare(const char *path)
{
	uint64_t state = 88172645463325252ULL;
	struct stat status;
	unsigned i;

	fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &status) < 0)
		return fail(path, errno);
	if (posix_memalign((void **) &memory, BLOCK, (size_t) depth * BLOCK))
		return fail("memory", ENOMEM);
	memset(memory, 0, (size_t) depth * BLOCK);
	for (i = 0; i < depth; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		places[i] = state % ((uint64_t) status.st_size / BLOCK) * BLOCK;
	}
	if (fixed) {
		struct iovec whole = { memory, (size_t) depth * BLOCK };
		int ret = io_uring_register_files(&ring, &fd, 1);

		if (!ret)
			ret = io_uring_register_buffers(&ring, &whole, 1);
		if (ret < 0)
			return fail("registering", -ret);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *job = argc > 2 ? argv[1] : "";
	const int reading = strcmp(job, "nops") != 0;
	unsigned rounds, round;
	char line[64];
	int ret;

	depth = argc > 2 ? (unsigned) atoi(argv[2]) : 0;
	fixed = !strcmp(job, "fixed_reads");
	if (!depth || depth > MOST || (reading && !fixed && strcmp(job, "reads")) || (reading && argc < 4)) {
		fprintf(stderr, "usage: floor nops|reads|fixed_reads DEPTH [FILE], depth at most %d\n", MOST);
		return 2;
	}
	ret = io_uring_queue_init(depth, &ring, 0);
	if (ret < 0)
		return fail_setup(-ret);
	if (reading && prepare(argv[3]))
		return 1;
	rounds = (reading ? 8000 : 20000) / depth;
	while (fgets(line, sizeof(line), stdin)) {
		unsigned long long started = now_ns();

		for (round = 0; round < rounds; round++)
			if (reading ? reads() : nops())
				return 1;
		printf("%.2f\n", (double) (now_ns() - started) / rounds / depth);
		fflush(stdout);
	}
	io_uring_queue_exit(&ring);
	return 0;
}
