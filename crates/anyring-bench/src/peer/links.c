/* A write and its fdatasync, linked or in two round trips. */
#include "peer.h"

static void queue(struct peer *peer, int sync, unsigned long long offset, int link)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&peer->ring);

	if (sync)
		io_uring_prep_fsync(sqe, peer->fd, IORING_FSYNC_DATASYNC);
	else
		io_uring_prep_write(sqe, peer->fd, peer->memory, peer->block, offset);
	if (link)
		sqe->flags |= IOSQE_IO_LINK;
	io_uring_sqe_set_data64(sqe, (unsigned long long) sync);
}

/* Waits for so many; every result has to be the one that belongs to it. */
static int finish(struct peer *peer, unsigned count)
{
	struct io_uring_cqe *cqe;
	unsigned head, all = 0;
	int failed = 0;

	/* A signal ends a wait early. */
	while (all < count) {
		unsigned found = 0;
		int ret = io_uring_submit_and_wait(&peer->ring, count - all);

		if (ret < 0 && ret != -EINTR)
			return ret;
		io_uring_for_each_cqe(&peer->ring, head, cqe) {
			int sync = io_uring_cqe_get_data64(cqe) != 0;

			found++;
			if (cqe->res != (sync ? 0 : (int) peer->block))
				failed = cqe->res < 0 ? cqe->res : -EIO;
		}
		io_uring_cq_advance(&peer->ring, found);
		all += found;
	}
	return failed ? failed : all == count ? 0 : -EIO;
}

int peer_chain(struct peer *peer, unsigned long long offset, int linked)
{
	int ret;

	queue(peer, 0, offset, linked);
	if (!linked) {
		ret = finish(peer, 1);
		if (ret)
			return ret;
	}
	queue(peer, 1, 0, 0);
	return finish(peer, linked ? 2 : 1);
}
