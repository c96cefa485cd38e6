/* On a kernel without EXT_ARG the library's own timeouts are hidden: model. */
#include "one.h"

int main(void)
{
	static struct { __u64 user_data; __s32 res; __u32 flags; } memory[4];
	struct io_uring_cqe *cqe;
	unsigned khead = 0, ktail = 2, sq_flags = 0;
	struct io_uring ring;

	memset(&ring, 0, sizeof(ring));
	ring.cq.cqes = (struct io_uring_cqe *) (void *) memory;
	ring.cq.khead = &khead;
	ring.cq.ktail = &ktail;
	ring.cq.ring_mask = 3;
	ring.cq.ring_entries = 4;
	ring.sq.kflags = &sq_flags;
	memory[0].user_data = LIBURING_UDATA_TIMEOUT;
	memory[1].user_data = 5;
	CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), 0);
	CHECK_EQ(cqe->user_data, 5);
	CHECK_EQ(khead, 1);
	khead = 0;
	memory[0].res = -ETIME;
	CHECK_EQ(__io_uring_peek_cqe(&ring, &cqe, NULL), -ETIME);
	CHECK(cqe == NULL);
	CHECK_EQ(khead, 1);
	/* peek_cqe swallows the error and shows what is behind. */
	khead = 0;
	CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), 0);
	CHECK_EQ(cqe->user_data, 5);
	/* A kernel with EXT_ARG: the entry is the program's. */
	khead = 0;
	ring.features = IORING_FEAT_EXT_ARG;
	CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), 0);
	CHECK(cqe->user_data == LIBURING_UDATA_TIMEOUT);
	return 0;
}
