/* NOPs, in the steps whose cost is measured apart. */
#include "peer.h"

int peer_fill(struct peer *peer, unsigned batch)
{
	unsigned i;

	for (i = 0; i < batch; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&peer->ring);

		if (!sqe)
			return -EAGAIN;
		io_uring_prep_nop(sqe);
		io_uring_sqe_set_data64(sqe, i);
	}
	return 0;
}

int peer_submit(struct peer *peer, unsigned batch)
{
	int ret = io_uring_submit_and_wait(&peer->ring, batch);

	return ret < 0 ? ret : 0;
}

/* Negative when something failed or is missing. */
int peer_reap(struct peer *peer, unsigned batch)
{
	struct io_uring_cqe *cqe;
	unsigned head, found = 0;
	int failed = 0;

	io_uring_for_each_cqe(&peer->ring, head, cqe) {
		found++;
		failed |= cqe->res;
	}
	io_uring_cq_advance(&peer->ring, found);
	return found == batch && !failed ? 0 : -EIO;
}

int peer_nops(struct peer *peer, unsigned batch)
{
	int ret = peer_fill(peer, batch);

	if (!ret)
		ret = peer_submit(peer, batch);
	return ret ? ret : peer_reap(peer, batch);
}
