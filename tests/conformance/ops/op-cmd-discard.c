/*
 * discard on a block device: the range reads as zeros afterwards and its
 * neighbours do not; zone_reset_all is refused by a device without zones. Runs on
 * a loop device of its own over a file, which needs root and a free device.
 * Linux 6.12 (discard); Documentation/block, blkdiscard(8).
 */
#include "op-helpers.h"

#include <linux/loop.h>
#include <sys/ioctl.h>

#define BLOCK 4096

/* A free loop device with this file behind it, until it is closed. */
static int attach(int file)
{
	struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), device, number, tries;
	char path[32];

	if (control < 0)
		SKIP("no loop devices: %s", strerror(errno));
	for (tries = 0; tries < 8; tries++) {
		number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			break;
		snprintf(path, sizeof(path), "/dev/loop%d", number);
		device = open(path, O_RDWR | O_CLOEXEC);
		if (device < 0)
			break;
		if (!ioctl(device, LOOP_SET_FD, file)) {
			CHECK_EQ(ioctl(device, LOOP_SET_STATUS64, &info), 0);
			close(control);
			return device;
		}
		close(device);
		/* Someone else may have been faster. */
		if (errno != EBUSY)
			break;
	}
	SKIP("no free loop device: %s", strerror(errno));
}

int main(void)
{
	static char bytes[16 * BLOCK];
	uint64_t last[2] = { 15 * BLOCK, BLOCK };
	struct io_uring ring;
	int file, device, i, ret;

	need_op(IORING_OP_URING_CMD, "URING_CMD");
	if (geteuid())
		SKIP("only root can set up a loop device");
	enter_folder();
	memset(bytes, 'x', sizeof(bytes));
	file = file_with("disk", bytes, sizeof(bytes));
	if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BLOCK))
		SKIP("a file here cannot take a discard: %s", strerror(errno));
	CHECK_EQ(pwrite(file, bytes, BLOCK, 0), BLOCK);
	device = attach(file);
	must_init(4, &ring, 0);
	/* Both arrived with 6.12, and an error of the command may be ours. */
	if (!(ring.features & IORING_FEAT_MIN_TIMEOUT))
		SKIP("this kernel has no discard command");
	if (ioctl(device, BLKDISCARD, last))
		SKIP("the loop device here takes no discard: %s", strerror(errno));
	io_uring_prep_cmd_discard(sqe_of(&ring), device, 4 * BLOCK, 8 * BLOCK);
	CHECK_EQ(run_one(&ring), 0);
	CHECK_EQ(pread(device, bytes, sizeof(bytes), 0), (long) sizeof(bytes));
	for (i = 0; i < 16 * BLOCK; i++)
		CHECK_EQ(bytes[i], i < 4 * BLOCK || (i >= 12 * BLOCK && i < 15 * BLOCK) ? 'x' : 0);
	/* Odd, and behind the end. */
	io_uring_prep_cmd_discard(sqe_of(&ring), device, 1, BLOCK);
	CHECK_EQ(run_one(&ring), -EINVAL);
	io_uring_prep_cmd_discard(sqe_of(&ring), device, 1ULL << 40, BLOCK);
	CHECK_EQ(run_one(&ring), -EINVAL);
	/* Old kernels do not know the command, newer ones miss the zones. */
	io_uring_prep_cmd_zone_reset_all(sqe_of(&ring), device);
	ret = run_one(&ring);
	CHECK(ret == -EINVAL || ret == -EOPNOTSUPP || ret == -ENOTTY);
	CHECK_EQ(pread(device, bytes, 1, 0), 1);
	CHECK_EQ(bytes[0], 'x');
	close(device);
	close(file);
	io_uring_queue_exit(&ring);
	return 0;
}
