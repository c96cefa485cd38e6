/* File tables: plain, sparse, tagged, updated, and their errors. Linux 5.13. */
#include "one.h"

int main(void)
{
	int fds[3], none = -1;
	__u64 tags[3] = { 0, 11, 0 }, tag;
	struct io_uring ring;

	enter_folder();
	fds[0] = file_with("a", "a", 1);
	fds[1] = file_with("b", "b", 1);
	fds[2] = -1;
	must_init(4, &ring, 0);
	CHECK_EQ(io_uring_unregister_files(&ring), -ENXIO);
	CHECK_EQ(io_uring_register_files(&ring, fds, 3), 0);
	CHECK_EQ(io_uring_register_files(&ring, fds, 3), -EBUSY);
	CHECK_EQ(io_uring_register_files_update(&ring, 1, fds, 2), 2);
	CHECK_EQ(io_uring_register_files_update(&ring, 2, fds, 2), -EINVAL);
	CHECK_EQ(io_uring_unregister_files(&ring), 0);
	CHECK_EQ(io_uring_register_files(&ring, fds, 0), -EINVAL);
	if (!(ring.features & IORING_FEAT_RSRC_TAGS))
		SKIP("this kernel has no tags");
	CHECK_EQ(io_uring_register_files_tags(&ring, fds, tags, 3), 0);
	/* A tagged file that goes away posts its tag. */
	CHECK_EQ(io_uring_register_files_update_tag(&ring, 1, &none, NULL, 1), 1);
	take(&ring, &tag, NULL);
	CHECK_EQ(tag, 11);
	CHECK_EQ(io_uring_unregister_files(&ring), 0);
	RESULT("files");
	close(fds[0]);
	close(fds[1]);
	io_uring_queue_exit(&ring);
	return 0;
}
