/*
 * Random reads and NOPs on the liburing this is linked with. The loop around
 * it is the one of every other contender.
 */
#include <liburing.h>

#include <stdlib.h>

struct peer {
	struct io_uring ring;
	char *memory;
	unsigned block;
	int fd, fixed;
};

struct peer *peer_open(unsigned depth, unsigned flags, int fd, char *memory, unsigned block,
		       int fixed, int *error)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	*error = -12;
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

void peer_push(struct peer *peer, unsigned slot, unsigned long long offset)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&peer->ring);
	char *to = peer->memory + (size_t) slot * peer->block;

	if (peer->fixed) {
		io_uring_prep_read_fixed(sqe, 0, to, peer->block, offset, 0);
		sqe->flags |= IOSQE_FIXED_FILE;
	} else {
		io_uring_prep_read(sqe, peer->fd, to, peer->block, offset);
	}
	io_uring_sqe_set_data64(sqe, slot);
}

/* Submits, waits for one; slots and results of all that are ready. */
int peer_exchange(struct peer *peer, unsigned *slots, int *results, unsigned room)
{
	struct io_uring_cqe *cqe;
	unsigned head, found = 0;
	int ret = io_uring_submit_and_wait(&peer->ring, 1);

	if (ret < 0)
		return ret;
	io_uring_for_each_cqe(&peer->ring, head, cqe) {
		if (found == room)
			break;
		slots[found] = (unsigned) io_uring_cqe_get_data64(cqe);
		results[found++] = cqe->res;
	}
	io_uring_cq_advance(&peer->ring, found);
	return (int) found;
}

/* One batch of NOPs; negative when something failed. */
int peer_nops(struct peer *peer, unsigned batch)
{
	struct io_uring_cqe *cqe;
	unsigned i, head, found = 0;
	int ret;

	for (i = 0; i < batch; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&peer->ring);

		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, i);
	}
	ret = io_uring_submit_and_wait(&peer->ring, batch);
	if (ret < 0)
		return ret;
	io_uring_for_each_cqe(&peer->ring, head, cqe)
		found += cqe->res == 0;
	io_uring_cq_advance(&peer->ring, found);
	return found == batch ? 0 : -5;
}

void peer_close(struct peer *peer)
{
	io_uring_queue_exit(&peer->ring);
	free(peer);
}
