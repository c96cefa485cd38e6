/* Buffer tables: plain, sparse, tagged, updated. Linux 5.19. */
#include "one.h"

int main(void)
{
	static char memory[2][4096];
	struct iovec iovecs[2] = { { memory[0], 4096 }, { memory[1], 4096 } }, nothing = { NULL, 0 };
	__u64 tags[2] = { 0, 21 }, tag;
	struct io_uring ring;
	int ret;

	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_unregister_buffers(&ring), -ENXIO);
	CHECK_EQ(io_uring_register_buffers(&ring, iovecs, 2), 0);
	CHECK_EQ(io_uring_register_buffers(&ring, iovecs, 2), -EBUSY);
	CHECK_EQ(io_uring_unregister_buffers(&ring), 0);
	CHECK_EQ(io_uring_register_buffers(&ring, iovecs, 0), -EINVAL);
	ret = io_uring_register_buffers_sparse(&ring, 4);
	skip_if_old(ret, "sparse buffer tables");
	CHECK_EQ(ret, 0);
	CHECK_EQ(io_uring_register_buffers_update_tag(&ring, 1, iovecs, tags, 2), 2);
	CHECK_EQ(io_uring_register_buffers_update_tag(&ring, 2, &nothing, NULL, 1), 1);
	take(&ring, &tag, NULL);
	CHECK_EQ(tag, 21);
	CHECK_EQ(io_uring_unregister_buffers(&ring), 0);
	CHECK_EQ(io_uring_register_buffers_tags(&ring, iovecs, tags, 2), 0);
	CHECK_EQ(io_uring_unregister_buffers(&ring), 0);
	take(&ring, &tag, NULL);
	CHECK_EQ(tag, 21);
	RESULT("buffers");
	io_uring_queue_exit(&ring);
	return 0;
}
