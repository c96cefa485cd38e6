/*
 * What uring bench runs on a liburing: the distribution's, or this project's C
 * library. The same source is compiled against each; the loop around it is the
 * one of every other contender.
 */
#ifndef PEER_H
#define PEER_H

#include <liburing.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Reads, NOPs and chains: a ring, and what reads go to. */
struct peer {
	struct io_uring ring;
	char *memory;
	unsigned block;
	int fd, fixed;
};

#endif
