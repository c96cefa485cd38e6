/* for_each_cqe, iterators, filler entries and 32-byte entries, on a model of a
 * completion queue: no kernel needed. */
#include "one.h"

static struct io_uring_cqe *slot(struct io_uring_cqe *cqes, int i)
{
	return cqes + i;
}

int main(void)
{
	static struct { __u64 words[2]; } memory[8];
	struct io_uring_cqe *cqes = (struct io_uring_cqe *) (void *) memory, *cqe, *batch[8];
	unsigned khead = 6, ktail = 11, sq_flags = 0, head, available, seen = 0;
	struct io_uring_cqe_iter iter;
	struct io_uring ring;

	memset(&ring, 0, sizeof(ring));
	ring.flags = IORING_SETUP_CQE_MIXED;
	ring.features = IORING_FEAT_EXT_ARG;
	ring.cq.cqes = cqes;
	ring.cq.khead = &khead;
	ring.cq.ktail = &ktail;
	ring.cq.ring_mask = 7;
	ring.cq.ring_entries = 8;
	ring.sq.kflags = &sq_flags;
	/* 6: plain; 7: filler to the end; 0, 1: a 32-byte entry; 2: plain. */
	slot(cqes, 6)->user_data = 60;
	slot(cqes, 7)->flags = IORING_CQE_F_SKIP;
	slot(cqes, 0)->user_data = 80;
	slot(cqes, 0)->flags = IORING_CQE_F_32;
	slot(cqes, 2)->user_data = 100;

	io_uring_for_each_cqe(&ring, head, cqe) {
		static const unsigned heads[] = { 6, 7, 8, 10 };

		CHECK_EQ(head, heads[seen]);
		seen++;
		ktail = 12;	/* what arrives meanwhile is not visited */
	}
	CHECK_EQ(seen, 4);
	CHECK_EQ(head, 11);
	CHECK_EQ(khead, 6);
	ktail = 11;
	io_uring_for_each_cqe(&ring, head, cqe)
		if (cqe->user_data == 80)
			break;
	CHECK_EQ(head, 8);
	iter = io_uring_cqe_iter_init(&ring);
	for (seen = 0; io_uring_cqe_iter_next(&iter, &cqe); seen++)
		;
	CHECK_EQ(seen, 4);
	CHECK_EQ(io_uring_cq_ready(&ring), 5);
	/* A filler behind a real entry ends a batch. */
	CHECK_EQ(io_uring_peek_batch_cqe(&ring, batch, 8), 1);
	CHECK_EQ(__io_uring_peek_cqe(&ring, &cqe, &available), 0);
	CHECK_EQ(cqe->user_data, 60);
	CHECK_EQ(available, 5);
	io_uring_cqe_seen(&ring, cqe);
	CHECK_EQ(khead, 7);
	/* At the head it is consumed. */
	CHECK_EQ(io_uring_peek_batch_cqe(&ring, batch, 8), 2);
	CHECK_EQ(khead, 8);
	CHECK_EQ(batch[0]->user_data, 80);
	CHECK_EQ(batch[1]->user_data, 100);
	khead = 7;
	CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), 0);
	CHECK_EQ(khead, 8);
	CHECK_EQ(cqe->user_data, 80);
	CHECK_EQ(io_uring_cqe_nr(cqe), 2);
	io_uring_cqe_seen(&ring, cqe);
	CHECK_EQ(khead, 10);
	CHECK_EQ(io_uring_cqe_shift(&ring), 0);
	CHECK_EQ(io_uring_cqe_shift_from_flags(IORING_SETUP_CQE32), 1);
	return 0;
}
