/* A ring with what it reads into, and which library it belongs to. */
#include "peer.h"

struct peer *peer_open(unsigned depth, unsigned flags, int fd, char *memory, unsigned block,
		       int fixed, int *error)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	*error = -ENOMEM;
	if (!peer)
		return NULL;
	peer->memory = memory;
	peer->block = block;
	peer->fd = fd;
	peer->fixed = fixed;
	*error = io_uring_queue_init(depth, &peer->ring, flags);
	if (*error < 0) {
		free(peer);
		return NULL;
	}
	if (fixed) {
		struct iovec all = { memory, (size_t) depth * block };

		*error = io_uring_register_buffers(&peer->ring, &all, 1);
		if (!*error)
			*error = io_uring_register_files(&peer->ring, &fd, 1);
		if (*error < 0) {
			io_uring_queue_exit(&peer->ring);
			free(peer);
			return NULL;
		}
	}
	return peer;
}

void peer_close(struct peer *peer)
{
	io_uring_queue_exit(&peer->ring);
	free(peer);
}

/*
 * 1: this project's library, which clears a ring when it is taken down; 0:
 * another one; negative: no ring to tell by.
 */
int peer_is_ours(void)
{
	struct io_uring ring;
	int ret = io_uring_queue_init(2, &ring, 0);

	if (ret < 0)
		return ret;
	io_uring_queue_exit(&ring);
	return ring.ring_fd == -1;
}

/* The version of the headers: major << 16 | minor; 0 before 2.4. */
unsigned peer_version(void)
{
#ifdef IO_URING_VERSION_MAJOR
	return (unsigned) IO_URING_VERSION_MAJOR << 16 | (unsigned) IO_URING_VERSION_MINOR;
#else
	return 0;
#endif
}
