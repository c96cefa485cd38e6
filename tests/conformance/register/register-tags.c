/*
 * The tag of a registered file or buffer that was replaced or unregistered is posted
 * when its last user has ended, behind that request's completion, though nothing is
 * registered then; at once if nothing uses it. What a request removes (close, socket
 * into an occupied slot, files_update) is told before that request's completion. A
 * copy of a buffer in another ring is no user. Linux 5.13; observed on 6.18.
 */
#include "trace.h"

static struct io_uring ring;
static int pipes[2];
static char bytes[24];

static void add_read(__u64 tag, int slot)
{
	struct io_uring_sqe *sqe = sqe_of(&ring);

	io_uring_prep_read(sqe, slot, bytes, 1, 0);
	mark(sqe, tag, IOSQE_FIXED_FILE);
}

static void arrive(const char *text, const char *completions, int line)
{
	CHECK_EQ(write(pipes[1], text, strlen(text)), (long) strlen(text));
	expect_at(&ring, completions, line);
}

static void files(void)
{
	int fds[3] = { pipes[0], pipes[0], pipes[0] }, none = -1;
	__u64 tags[3] = { 101, 102, 103 };
	struct io_uring_sqe *sqe;

	CHECK_EQ(io_uring_register_files_tags(&ring, fds, tags, 3), 0);
	add_read(1, 0);
	SUBMIT(&ring, 1, "");
	CHECK_EQ(io_uring_register_files_update_tag(&ring, 0, &none, NULL, 1), 1);
	EXPECT(&ring, "");
	arrive("x", "1:1 101:0", __LINE__);
	add_read(1, 1);
	SUBMIT(&ring, 1, "");
	CHECK_EQ(io_uring_unregister_files(&ring), 0);
	EXPECT(&ring, "103:0");
	arrive("x", "1:1 102:0", __LINE__);
	/* Two users; one that is cancelled. */
	CHECK_EQ(io_uring_register_files_tags(&ring, fds, tags, 3), 0);
	add_read(1, 1);
	add_read(1, 1);
	SUBMIT(&ring, 2, "");
	CHECK_EQ(io_uring_register_files_update_tag(&ring, 1, &none, NULL, 1), 1);
	EXPECT(&ring, "");
	arrive("x", "1:1", __LINE__);
	arrive("x", "1:1 102:0", __LINE__);
	add_read(1, 2);
	SUBMIT(&ring, 1, "");
	CHECK_EQ(io_uring_register_files_update_tag(&ring, 2, &none, NULL, 1), 1);
	io_uring_prep_cancel64(sqe_of(&ring), 1, 0);
	SUBMIT(&ring, 1, "0:0 1:-125 103:0");
	CHECK_EQ(io_uring_unregister_files(&ring), 0);
	EXPECT(&ring, "101:0");
	/* Removed by requests. */
	CHECK_EQ(io_uring_register_files_tags(&ring, fds, tags, 3), 0);
	io_uring_prep_close_direct(sqe_of(&ring), 0);
	SUBMIT(&ring, 1, "101:0 0:0");
	io_uring_prep_socket_direct(sqe_of(&ring), AF_INET, SOCK_STREAM, 0, 1, 0);
	SUBMIT(&ring, 1, "102:0 0:0");
	sqe = sqe_of(&ring);
	io_uring_prep_files_update(sqe, &none, 1, 2);
	SUBMIT(&ring, 1, "103:0 0:1");
	CHECK_EQ(io_uring_unregister_files(&ring), 0);
	EXPECT(&ring, "");
}

static void buffers(void)
{
	struct iovec all[3] = { { bytes, 8 }, { bytes + 8, 8 }, { bytes + 16, 8 } }, none = { NULL, 0 };
	__u64 tags[3] = { 101, 102, 103 }, no_tag = 0;
	struct io_uring_sqe *sqe;
	struct io_uring copy;
	int ret;

	CHECK_EQ(io_uring_register_buffers_tags(&ring, all, tags, 3), 0);
	sqe = sqe_of(&ring);
	io_uring_prep_read_fixed(sqe, pipes[0], bytes, 1, 0, 0);
	mark(sqe, 1, 0);
	SUBMIT(&ring, 1, "");
	CHECK_EQ(io_uring_register_buffers_update_tag(&ring, 0, &none, &no_tag, 1), 1);
	EXPECT(&ring, "");
	arrive("x", "1:1 101:0", __LINE__);
	must_init(4, &copy, 0);
	ret = io_uring_clone_buffers(&copy, &ring);
	if (ret == -EINVAL)
		printf("note: this kernel copies no buffers\n");
	else
		CHECK_EQ(ret, 0);
	CHECK_EQ(io_uring_unregister_buffers(&ring), 0);
	EXPECT(&ring, "103:0 102:0");
	io_uring_queue_exit(&copy);
}

int main(void)
{
	static const unsigned setups[] = { 0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };
	size_t i;

	CHECK_EQ(pipe(pipes), 0);
	for (i = 0; i < 2; i++) {
		must_init(16, &ring, setups[i]);
		if (!(ring.features & IORING_FEAT_RSRC_TAGS))
			SKIP("this kernel has no tags");
		files();
		buffers();
		io_uring_queue_exit(&ring);
	}
	RESULT("tags");
	close_both(pipes);
	return 0;
}
