/* Whether advice about a file reaches the page cache. */
#ifndef CONFORMANCE_PAGE_CACHE_H
#define CONFORMANCE_PAGE_CACHE_H

#include "op-helpers.h"

#define HALF (1LL << 20)

static struct io_uring cache_ring;

/* Pages of the cache that hold [0, HALF) and [HALF, 2 * HALF) of the file. */
static inline void cached(int fd, int counts[2])
{
	static unsigned char pages[2 * HALF / 4096];
	void *memory = mmap(NULL, 2 * HALF, PROT_READ, MAP_SHARED, fd, 0);
	int i;

	CHECK(memory != MAP_FAILED);
	CHECK_EQ(mincore(memory, 2 * HALF, pages), 0);
	munmap(memory, 2 * HALF);
	counts[0] = counts[1] = 0;
	for (i = 0; i < (int) sizeof(pages); i++)
		counts[i >= (int) sizeof(pages) / 2] += pages[i] & 1;
}

/* Page by page and without reading ahead, so that no large folio spans the middle. */
static inline void fill_cache(int fd)
{
	char byte;
	long long at;

	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	for (at = 0; at < 2 * HALF; at += 4096)
		CHECK_EQ(pread(fd, &byte, 1, at), 1);
}

/*
 * `advise` drops a range that begins in the middle of the file: the second half goes,
 * the first stays. Advice is only advice, so the system call goes first.
 */
static inline void check_drops(void (*advise)(int, long long, long long), long long length)
{
	static char bytes[2 * HALF];
	int fd, counts[2], round, gone = 0;

	if (sysconf(_SC_PAGESIZE) != 4096)
		SKIP("written for pages of 4096 bytes");
	enter_folder();
	fd = file_with("file", bytes, sizeof(bytes));
	CHECK_EQ(fsync(fd), 0);
	for (round = 0; round < 4 && !gone; round++) {
		fill_cache(fd);
		cached(fd, counts);
		if (counts[0] != HALF / 4096 || counts[1] != HALF / 4096)
			continue;
		CHECK_EQ(posix_fadvise(fd, HALF, length, POSIX_FADV_DONTNEED), 0);
		cached(fd, counts);
		gone = counts[0] == HALF / 4096 && !counts[1];
	}
	if (!gone)
		SKIP("this file system keeps its pages in spite of the advice");
	must_init(4, &cache_ring, 0);
	/* The kernel may need some pages for something else just then. */
	for (round = 0, gone = 0; round < 4 && !gone; round++) {
		fill_cache(fd);
		advise(fd, HALF, length);
		cached(fd, counts);
		gone = counts[0] == HALF / 4096 && !counts[1];
	}
	CHECK(gone);
	close(fd);
	io_uring_queue_exit(&cache_ring);
	CHECK_EQ(chdir("/"), 0);
	remove_folder();
}

#endif
