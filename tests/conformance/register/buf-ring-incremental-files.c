/*
 * Incremental buffer rings under reads of files and by workers: the buffer is used up
 * when the read begins, by what was asked for, and the completion says whether
 * something is left of it (IORING_CQE_F_BUF_MORE). An entry whose length was made 0
 * stays the first and gives nothing. With a minimum left (io_uring_buf_reg.min_left) a
 * buffer that is left with less is retired, without the flag. Linux 6.12, the minimum
 * where the kernel takes it; observed on 6.18.
 */
#include "trace.h"

static struct io_uring ring;
static struct io_uring_buf_ring *br;
static char memory[256];
static int pipes[2];

enum { SIZE = 64, COUNT = 3 };

static int group(unsigned min_left)
{
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t) br, .ring_entries = 4, .bgid = 1 };
	int ret, i;

	reg.flags = IOU_PBUF_RING_INC;
	reg.min_left = min_left;
	ret = io_uring_register_buf_ring(&ring, &reg, 0);
	if (ret)
		return ret;
	io_uring_buf_ring_init(br);
	for (i = 0; i < COUNT; i++)
		io_uring_buf_ring_add(br, memory + SIZE * i, SIZE, (unsigned short) i,
				      io_uring_buf_ring_mask(4), i);
	io_uring_buf_ring_advance(br, COUNT);
	return 0;
}

static void add_read(int fd, unsigned size, __u64 offset, unsigned flags)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_read(sqe, fd, NULL, size, offset);
	io_uring_sqe_set_buf_group(sqe, 1);
	mark(sqe, 1, flags | IOSQE_BUFFER_SELECT);
}

/* The ring's head, and where an entry starts and how long it is. */
static void entry(unsigned head, unsigned at, long start, unsigned size)
{
	unsigned short now;

	CHECK_EQ(io_uring_buf_ring_head(&ring, 1, &now), 0);
	CHECK_EQ(now, head);
	CHECK_EQ((char *) (uintptr_t) br->bufs[at].addr - memory, start);
	CHECK_EQ(br->bufs[at].len, size);
}

static void read_one(int fd, unsigned size, __u64 offset, unsigned flags, const char *completion)
{
	add_read(fd, size, offset, flags);
	SUBMIT(&ring, 1, completion);
}

static void files(int file, int memfd, int proc, int folder, unsigned flags)
{
	CHECK_EQ(group(0), 0);
	read_one(file, 10, 0, flags, "1:10/11");
	CHECK(!memcmp(memory, "0123456789", 10));
	entry(0, 0, 10, 54);
	/* Less to read than asked for; nothing to read. */
	read_one(file, 10, 96, flags, "1:4/11");
	entry(0, 0, 20, 44);
	read_one(file, 10, 200, flags, "1:0/11");
	entry(0, 0, 30, 34);
	/* All that is left of it. */
	read_one(file, 0, 0, flags, "1:34/1");
	entry(1, 0, 30, 0);
	read_one(file, 100, 0, flags, "1:64/10001");
	entry(2, 1, 64, 0);
	read_one(memfd, 10, 0, flags, "1:10/20011");
	read_one(proc, 10, 0, flags, "1:10/20011");
	read_one(folder, 10, 0, flags, "1:-21/20011");
	read_one(-1, 10, 0, flags, "1:-9");
	entry(2, 2, 158, 34);
	/* Two at a time do not share bytes. */
	add_read(file, 10, 0, flags);
	add_read(file, 10, 10, flags);
	SUBMIT(&ring, 2, "1:10/20011 1:10/20011");
	entry(2, 2, 178, 14);
	br->bufs[2].len = 0;
	read_one(file, 10, 0, flags, "1:0/20011");
	entry(2, 2, 178, 0);
	CHECK_EQ(io_uring_unregister_buf_ring(&ring, 1), 0);
}

static void pipes_too(void)
{
	CHECK_EQ(group(0), 0);
	CHECK_EQ(write(pipes[1], "abcde", 5), 5);
	read_one(pipes[0], 10, 0, 0, "1:5/11");
	entry(0, 0, 5, 59);
	/* A worker takes the buffer when it begins, and keeps it while it waits. */
	add_read(pipes[0], 10, 0, IOSQE_ASYNC);
	SUBMIT(&ring, 1, "");
	entry(0, 0, 15, 49);
	CHECK_EQ(write(pipes[1], "fghij", 5), 5);
	EXPECT(&ring, "1:5/11");
	CHECK(!memcmp(memory, "abcdefghij", 10));
	entry(0, 0, 15, 49);
	br->bufs[0].len = 0;
	CHECK_EQ(write(pipes[1], "klmno", 5), 5);
	read_one(pipes[0], 10, 0, 0, "1:0/11");
	entry(0, 0, 15, 0);
	CHECK_EQ(io_uring_unregister_buf_ring(&ring, 1), 0);
	CHECK_EQ(read(pipes[0], memory, 5), 5);
}

static void minimum(int file)
{
	static char zeroes[128];

	if (group(16)) {
		printf("note: this kernel has no minimum that must be left\n");
		return;
	}
	CHECK_EQ(write(pipes[1], zeroes, 48), 48);
	read_one(pipes[0], 48, 0, 0, "1:48/11");
	entry(0, 0, 48, 16);
	CHECK_EQ(write(pipes[1], zeroes, 1), 1);
	read_one(pipes[0], 1, 0, 0, "1:1/1");
	entry(1, 0, 48, 0);
	read_one(file, 40, 0, IOSQE_ASYNC, "1:40/10011");
	entry(1, 1, 104, 24);
	read_one(file, 10, 0, IOSQE_ASYNC, "1:10/10001");
	entry(2, 1, 104, 0);
	CHECK_EQ(io_uring_unregister_buf_ring(&ring, 1), 0);
}

int main(void)
{
	struct io_uring_buf_reg wrong = { .ring_entries = 4, .bgid = 1, .min_left = 16 };
	int file, memfd, proc, folder, i;
	void *place;

	enter_folder();
	must_init(8, &ring, 0);
	CHECK_EQ(posix_memalign(&place, 4096, 4096), 0);
	br = (struct io_uring_buf_ring *) place;
	i = group(0);
	if (i)
		skip_if_old(i, "incremental buffer rings");
	CHECK_EQ(i, 0);
	CHECK_EQ(io_uring_unregister_buf_ring(&ring, 1), 0);
	wrong.ring_addr = (uintptr_t) br;
	CHECK_EQ(io_uring_register_buf_ring(&ring, &wrong, 0), -EINVAL);
	CHECK_EQ(pipe(pipes), 0);
	file = file_with("file", "0123456789", 10);
	for (i = 1; i < 10; i++)
		CHECK_EQ(pwrite(file, "0123456789", 10, 10 * i), 10);
	memfd = memfd_create("memory", 0);
	CHECK_EQ(write(memfd, "0123456789abcdef", 16), 16);
	proc = open("/proc/self/status", O_RDONLY);
	folder = open(".", O_RDONLY);
	CHECK(proc >= 0 && folder >= 0);
	files(file, memfd, proc, folder, 0);
	files(file, memfd, proc, folder, IOSQE_ASYNC);
	pipes_too();
	minimum(file);
	RESULT("used up");
	io_uring_queue_exit(&ring);
	close_both(pipes);
	close(file);
	close(memfd);
	close(proc);
	close(folder);
	free(place);
	return 0;
}
