/*
 * 4 KiB reads at random places past the page cache: by four threads that take them
 * from a list (as libuv does it), or by a ring with 32 of them in flight.
 *
 * Usage: uncached threads|uring FILE READS
 */
#define _GNU_SOURCE
#include "../c/bench.h"

#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <unistd.h>

#define BLOCK 4096
#define DEPTH 32
#define THREADS 4

static int fd;
static long reads, blocks, taken;

static long place(long number)
{
	return (long) (((unsigned long) number * 2654435761UL) % (unsigned long) blocks);
}

static int wrong(const void *buffer, long number)
{
	unsigned long long word;

	memcpy(&word, buffer, sizeof(word));
	return word != (unsigned long long) place(number);
}

static void *work(void *failed)
{
	void *buffer = aligned_alloc(BLOCK, BLOCK);
	long number;

	while ((number = __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED)) < reads)
		if (pread(fd, buffer, BLOCK, place(number) * BLOCK) != BLOCK || wrong(buffer, number))
			__atomic_store_n((int *) failed, 1, __ATOMIC_RELAXED);
	free(buffer);
	return NULL;
}

static int with_threads(void)
{
	pthread_t threads[THREADS];
	int failed = 0, i;

	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, &failed);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return failed;
}

static int with_uring(void)
{
	char *buffers = aligned_alloc(BLOCK, DEPTH * BLOCK);
	static long numbers[DEPTH];
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	long started = 0, done = 0;
	int ret = io_uring_queue_init(DEPTH, &ring, 0), slot;

	if (ret < 0)
		return fail_setup(-ret);
	for (slot = 0; done < reads; ) {
		while (started < reads && started - done < DEPTH) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			if (started < DEPTH)
				slot = (int) started;
			numbers[slot] = started;
			io_uring_prep_read(sqe, fd, buffers + slot * BLOCK, BLOCK,
					   (unsigned long long) place(started) * BLOCK);
			io_uring_sqe_set_data64(sqe, (unsigned long long) slot);
			started++;
		}
		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret < 0)
			return fail("io_uring_submit_and_wait", -ret);
		ret = io_uring_wait_cqe(&ring, &cqe);
		if (ret < 0)
			return fail("io_uring_wait_cqe", -ret);
		slot = (int) cqe->user_data;
		if (cqe->res != BLOCK || wrong(buffers + slot * BLOCK, numbers[slot]))
			return fail("read", cqe->res < 0 ? -cqe->res : EIO);
		io_uring_cqe_seen(&ring, cqe);
		done++;
	}
	io_uring_queue_exit(&ring);
	free(buffers);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long long started;
	int ret;

	if (argc != 4)
		return 2;
	fd = open(argv[2], O_RDONLY | O_DIRECT);
	if (fd < 0) {
		fail("open", errno);
		return errno == EINVAL ? SKIPPED : 1;
	}
	blocks = (long) (lseek(fd, 0, SEEK_END) / BLOCK);
	reads = atol(argv[3]);
	if (reads < 1 || blocks < 1)
		return 2;
	started = now_ns();
	ret = strcmp(argv[1], "uring") ? with_threads() : with_uring();
	report(started);
	return ret;
}
