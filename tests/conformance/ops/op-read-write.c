/*
 * read, write, readv, writev, readv2, writev2 move the bytes they say; offset -1 is
 * the file position. Linux 5.6; preadv2(2), io_uring_prep_read(3).
 */
#include "one.h"

int main(void)
{
	char text[] = "the quick brown fox", back[64], other[64];
	struct iovec in[2] = { { back, 3 }, { other, 60 } }, out[2] = { { text, 4 }, { text + 4, 5 } };
	struct io_uring ring;
	int fd;

	enter_folder();
	fd = file_with("file", "", 0);
	must_init(4, &ring, 0);
	io_uring_prep_write(sqe_of(&ring), fd, text, sizeof(text), 0);
	CHECK_EQ(run_one(&ring), sizeof(text));
	memset(back, 0, sizeof(back));
	io_uring_prep_read(sqe_of(&ring), fd, back, sizeof(back), 4);
	CHECK_EQ(run_one(&ring), sizeof(text) - 4);
	CHECK(!strcmp(back, "quick brown fox"));
	io_uring_prep_readv(sqe_of(&ring), fd, in, 2, 0);
	CHECK_EQ(run_one(&ring), sizeof(text));
	CHECK(!memcmp(back, "the", 3) && !strcmp(other, " quick brown fox"));
	io_uring_prep_writev(sqe_of(&ring), fd, out, 2, 100);
	CHECK_EQ(run_one(&ring), 9);
	CHECK_EQ(pread(fd, back, 9, 100), 9);
	CHECK(!memcmp(back, "the quick", 9));
	io_uring_prep_writev2(sqe_of(&ring), fd, out, 1, 0, RWF_APPEND);
	CHECK_EQ(run_one(&ring), 4);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 113);
	io_uring_prep_readv2(sqe_of(&ring), fd, in, 2, 109, 0);
	CHECK_EQ(run_one(&ring), 4);
	CHECK(!memcmp(back, "the", 3) && other[0] == ' ');
	if (ring.features & IORING_FEAT_RW_CUR_POS) {
		CHECK_EQ(lseek(fd, 4, SEEK_SET), 4);
		io_uring_prep_read(sqe_of(&ring), fd, back, 5, (__u64) -1);
		CHECK_EQ(run_one(&ring), 5);
		CHECK(!memcmp(back, "quick", 5));
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), 9);
	}
	io_uring_prep_read(sqe_of(&ring), -1, back, 5, 0);
	CHECK_EQ(run_one(&ring), -EBADF);
	io_uring_prep_read(sqe_of(&ring), fd, (void *) 8, 5, 0);
	CHECK_EQ(run_one(&ring), -EFAULT);
	io_uring_prep_rw(IORING_OP_READ, sqe_of(&ring), fd, back, 3, 0);
	CHECK_EQ(run_one(&ring), 3);
	RESULT("%.3s", back);
	close(fd);
	io_uring_queue_exit(&ring);
	return 0;
}
