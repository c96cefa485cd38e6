/* Polled reads and writes of a file that is open for direct I/O: all kinds, many at a
 * time, and what is refused. io_uring_setup(2), IORING_SETUP_IOPOLL. */
#include "one.h"

#include <sys/mman.h>

#define BLOCK 4096
#define BLOCKS 16

static char *data;

/* The next completion that an IOPOLL ring has to be entered for. */
static int polled(struct io_uring *ring, __u64 *tag)
{
	return take(ring, tag, NULL);
}

int main(void)
{
	struct io_uring ring;
	struct iovec vectors[2], buffer;
	struct io_uring_sqe *sqe;
	unsigned seen = 0, i;
	char *back;
	__u64 tag;
	int fd, null, res;

	enter_folder();
	must_init(32, &ring, IORING_SETUP_IOPOLL);
	data = aligned_alloc(BLOCK, BLOCK * BLOCKS);
	back = aligned_alloc(BLOCK, BLOCK * BLOCKS);
	CHECK(data && back);
	for (i = 0; i < BLOCK * BLOCKS; i++)
		data[i] = (char) (i / 512 * 7 + i);
	fd = open("file", O_RDWR | O_CREAT | O_DIRECT, 0600);
	if (fd < 0)
		SKIP("no direct I/O here: %s", strerror(errno));
	io_uring_prep_write(sqe_of(&ring), fd, data, BLOCK, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	res = polled(&ring, NULL);
	if (res == -EOPNOTSUPP)
		SKIP("files here cannot be polled");
	CHECK_EQ(res, BLOCK);
	/* A write that makes the file longer is not polled; this is, where the device can. */
	io_uring_prep_read(sqe_of(&ring), fd, back, BLOCK, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	res = polled(&ring, NULL);
	if (res == -EOPNOTSUPP)
		SKIP("the device cannot be polled");
	CHECK_EQ(res, BLOCK);

	for (i = 0; i < BLOCKS; i++) {
		io_uring_prep_write(sqe = sqe_of(&ring), fd, data + i * BLOCK, BLOCK, i * BLOCK);
		sqe->user_data = i;
		if (i % 3 == 2)
			sqe->flags |= IOSQE_ASYNC;
	}
	CHECK_EQ(io_uring_submit(&ring), BLOCKS);
	for (i = 0; i < BLOCKS; i++) {
		CHECK_EQ(polled(&ring, &tag), BLOCK);
		seen |= 1U << tag;
	}
	CHECK_EQ(seen, (1U << BLOCKS) - 1);

	memset(back, 0, BLOCK * BLOCKS);
	buffer.iov_base = back;
	buffer.iov_len = BLOCK * BLOCKS;
	CHECK_EQ(io_uring_register_buffers(&ring, &buffer, 1), 0);
	vectors[0].iov_base = back;
	vectors[0].iov_len = BLOCK;
	vectors[1].iov_base = back + BLOCK;
	vectors[1].iov_len = 3 * BLOCK;
	io_uring_prep_readv(sqe_of(&ring), fd, vectors, 2, 0);
	io_uring_prep_read_fixed(sqe_of(&ring), fd, back + 4 * BLOCK, 4 * BLOCK, 4 * BLOCK, 0);
	io_uring_prep_read(sqe_of(&ring), fd, back + 8 * BLOCK, 8 * BLOCK, 8 * BLOCK);
	CHECK_EQ(io_uring_submit(&ring), 3);
	CHECK_EQ(polled(&ring, NULL) + polled(&ring, NULL) + polled(&ring, NULL), BLOCK * BLOCKS);
	CHECK_EQ(memcmp(back, data, BLOCK * BLOCKS), 0);

	/* A read at the end is short, and one of odd bytes none. */
	io_uring_prep_read(sqe_of(&ring), fd, back, 2 * BLOCK, (BLOCKS - 1) * BLOCK);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(polled(&ring, NULL), BLOCK);
	io_uring_prep_read(sqe_of(&ring), fd, back, 2 * BLOCK, BLOCKS * BLOCK);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(polled(&ring, NULL), 0);
	io_uring_prep_read(sqe_of(&ring), fd, back + 1, BLOCK, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(polled(&ring, NULL), -EINVAL);

	/* What no device is behind of is not polled. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	io_uring_prep_write(sqe_of(&ring), null, data, BLOCK, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(polled(&ring, NULL), -EOPNOTSUPP);
	io_uring_prep_fsync(sqe_of(&ring), fd, 0);
	CHECK_EQ(io_uring_submit(&ring), 1);
	CHECK_EQ(polled(&ring, NULL), -EINVAL);
	io_uring_queue_exit(&ring);

	/* And on a ring without it the flag is wrong. */
	CHECK_EQ(io_uring_queue_init(4, &ring, 0), 0);
	io_uring_prep_read(sqe = sqe_of(&ring), fd, back, BLOCK, 0);
	sqe->rw_flags = RWF_HIPRI;
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_queue_exit(&ring);
	RESULT("polled");
	return 0;
}
