/* What is left of descriptors, threads, mappings and memory. */
#ifndef SOAK_LEFT_H
#define SOAK_LEFT_H

#include "base.h"

struct left {
	int fds, threads, mappings;
	long pages;
};

static struct left look(void)
{
	struct left left = { .fds = open_fds(), .threads = threads_now() };
	FILE *file = fopen("/proc/self/maps", "r");
	long size;
	int byte;

	CHECK(file != NULL);
	while ((byte = getc(file)) != EOF)
		left.mappings += byte == '\n';
	fclose(file);
	file = fopen("/proc/self/statm", "r");
	CHECK(file != NULL);
	CHECK_EQ(fscanf(file, "%ld %ld", &size, &left.pages), 2);
	fclose(file);
	return left;
}

/* Idle threads end some seconds after the last ring. */
static struct left look_later(void)
{
	int tries;

	for (tries = 0; tries < 150 && threads_now() > 1; tries++)
		usleep(50000);
	return look();
}

static void nothing_left(struct left before, struct left *after)
{
	*after = look_later();
	if (after->fds > before.fds || after->threads > 1)
		wrong(NULL, "left: %d descriptors, %d threads", after->fds - before.fds,
		      after->threads);
	/* Arenas of malloc and stacks that the C library keeps. */
	if (after->mappings > before.mappings + 40)
		wrong(NULL, "left: %d mappings", after->mappings - before.mappings);
	if (after->pages > before.pages + 4096)
		wrong(NULL, "left: %ld pages", after->pages - before.pages);
}

#endif
