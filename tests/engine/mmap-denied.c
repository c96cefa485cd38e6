/*
 * Where memfd_create(2) is denied nothing can be mapped by a ring's descriptor: a bare
 * setup says so, and what the library maps goes on working.
 */
#include "engine.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int deny(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0;
}

static int lowest(void)
{
	int fd = dup(0);

	CHECK(fd >= 0);
	close(fd);
	return fd;
}

int main(void)
{
	struct io_uring_buf_reg reg = { .ring_entries = 8, .bgid = 1, .flags = IOU_PBUF_RING_MMAP };
	struct rlimit small = { 4096, 4096 };
	struct io_uring_params p = { 0 };
	struct io_uring ring;
	int fd;

	fd = lowest();
	if (deny())
		SKIP("no seccomp filters");
	CHECK_EQ(io_uring_setup(4, &p), -ENOSYS);
	CHECK_EQ(lowest(), fd);
	/* The size of the memory is no reason for a signal. */
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
	CHECK_EQ(io_uring_setup(4, &p), -ENOSYS);

	engine_init(8, &ring, 0);
	CHECK_EQ(io_uring_register_buf_ring(&ring, &reg, 0), 0);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.ring_fd,
		   IORING_OFF_PBUF_RING | 1ULL << IORING_OFF_PBUF_SHIFT) == MAP_FAILED);
	CHECK_EQ(errno, ENODEV);
	CHECK_EQ(io_uring_unregister_buf_ring(&ring, 1), 0);
	io_uring_prep_nop(sqe_of(&ring));
	CHECK_EQ(run_one(&ring), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
