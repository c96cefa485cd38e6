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

static int device = -1;

static void detach(void)
{
	if (device >= 0)
		ioctl(device, LOOP_CLR_FD);
}

/* A free loop device with this file behind it. */
static int attach(int file)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), number, tries;
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
			close(control);
			return device;
		}
		/* Someone else was faster. */
		close(device);
		device = -1;
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
	int file, i, ret;

	need_op(IORING_OP_URING_CMD, "URING_CMD");
	if (geteuid())
		SKIP("only root can set up a loop device");
	enter_folder();
	memset(bytes, 'x', sizeof(bytes));
	file = file_with("disk", bytes, sizeof(bytes));
	if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BLOCK))
		SKIP("a file here cannot take a discard: %s", strerror(errno));
	CHECK_EQ(pwrite(file, bytes, BLOCK, 0), BLOCK);
	attach(file);
	atexit(detach);
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
	close(file);
	io_uring_queue_exit(&ring);
	return 0;
}
