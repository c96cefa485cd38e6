/* Random reads. */
#include "peer.h"

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

	if (ret < 0 && ret != -EINTR)
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
