/*
 * Reads and writes of a file opened with O_DIRECT, with plain and registered
 * buffers; an odd address or size is refused. Linux 5.6; open(2), io_uring_enter(2).
 */
#include "op-helpers.h"

#define BLOCK 4096

int main(void)
{
	struct io_uring ring;
	struct iovec whole;
	void *memory;
	char *bytes;
	int direct, plain, ret;

	enter_folder();
	direct = open("file", O_RDWR | O_CREAT | O_DIRECT, 0600);
	if (direct < 0)
		SKIP("this file system has no O_DIRECT: %s", strerror(errno));
	plain = open("file", O_RDONLY);
	CHECK_EQ(posix_memalign(&memory, BLOCK, 2 * BLOCK), 0);
	bytes = (char *) memory;
	must_init(4, &ring, 0);
	memset(bytes, 'a', BLOCK);
	memset(bytes + BLOCK, 'b', BLOCK);
	io_uring_prep_write(sqe_of(&ring), direct, bytes, 2 * BLOCK, 0);
	ret = run_one(&ring);
	if (ret == -EINVAL) {
		free(memory);
		SKIP("this file system wants larger blocks for O_DIRECT");
	}
	CHECK_EQ(ret, 2 * BLOCK);
	memset(bytes, 0, 2 * BLOCK);
	CHECK_EQ(pread(plain, bytes, 2 * BLOCK, 0), 2 * BLOCK);
	CHECK(bytes[0] == 'a' && bytes[BLOCK - 1] == 'a' && bytes[BLOCK] == 'b');
	whole.iov_base = bytes;
	whole.iov_len = 2 * BLOCK;
	ret = io_uring_register_buffers(&ring, &whole, 1);
	if (!ret) {
		memset(bytes, 0, 2 * BLOCK);
		io_uring_prep_read_fixed(sqe_of(&ring), direct, bytes + BLOCK, BLOCK, BLOCK, 0);
		CHECK_EQ(run_one(&ring), BLOCK);
		CHECK(bytes[0] == 0 && bytes[BLOCK] == 'b' && bytes[2 * BLOCK - 1] == 'b');
		memset(bytes, 'c', BLOCK);
		io_uring_prep_write_fixed(sqe_of(&ring), direct, bytes, BLOCK, BLOCK, 0);
		CHECK_EQ(run_one(&ring), BLOCK);
		CHECK_EQ(pread(plain, bytes + BLOCK, 1, BLOCK), 1);
		CHECK_EQ(bytes[BLOCK], 'c');
	}
	/* Newer file systems fall back to the page cache for this. */
	io_uring_prep_read(sqe_of(&ring), direct, bytes, BLOCK, 1);
	ret = run_one(&ring);
	CHECK(ret == -EINVAL || ret == BLOCK);
	free(memory);
	close(direct);
	close(plain);
	io_uring_queue_exit(&ring);
	return 0;
}
