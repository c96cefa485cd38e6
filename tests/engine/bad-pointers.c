/*
 * A bad pointer in any operation completes with -EFAULT, or with the error that comes
 * first; it never ends the program.
 */
#include "engine.h"

#include <linux/futex.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <sys/xattr.h>

static struct io_uring ring;
static void *bad;

static void efault(const char *what)
{
	int res = run_one(&ring);

	if (res != -EFAULT) {
		fprintf(stderr, "%s: %d, expected -EFAULT\n", what, res);
		exit(1);
	}
}

#define FAULTS(call)                  \
	do {                          \
		io_uring_prep_##call; \
		efault(#call);        \
	} while (0)

#define S sqe_of(&ring)

/* Vectors that vanish while they are used: the error or the bytes, never a crash. */
static atomic_int over;

static void *unmaps(void *page)
{
	while (!atomic_load(&over)) {
		mprotect(page, 4096, PROT_NONE);
		mprotect(page, 4096, PROT_READ | PROT_WRITE);
	}
	return NULL;
}

static void vanishing(int file)
{
	char bytes[8];
	struct iovec *vectors = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;
	int round, faults = 0, fine = 0;

	CHECK(vectors != MAP_FAILED);
	vectors[0] = (struct iovec) { .iov_base = bytes, .iov_len = 4 };
	vectors[1] = (struct iovec) { .iov_base = bytes + 4, .iov_len = 4 };
	CHECK_EQ(pthread_create(&thread, NULL, unmaps, vectors), 0);
	for (round = 0; round < 20000; round++) {
		int res;

		io_uring_prep_readv(S, file, vectors, 1 + round % 2, 0);
		res = run_one(&ring);
		CHECK(res == -EFAULT || res == 4 + round % 2 * 4);
		res < 0 ? faults++ : fine++;
	}
	atomic_store(&over, 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	printf("%d reads with vectors, %d without\n", fine, faults);
	munmap(vectors, 4096);
}

static void all(int file, const int pipes[2], const int tcp[2], int listener, int async)
{
	struct msghdr message = { .msg_iov = bad, .msg_iovlen = 2 };
	struct iovec vector = { .iov_base = bad, .iov_len = 8 };
	struct msghdr behind = { .msg_iov = &vector, .msg_iovlen = 1 };
	struct msghdr name = { .msg_name = bad, .msg_namelen = 16, .msg_iov = &vector, .msg_iovlen = 1 };
	struct msghdr control = { .msg_control = bad, .msg_controllen = 24 };
	struct io_uring_sync_cancel_reg reg;
	int udp, epoll = epoll_create1(0);
	struct sockaddr_in address;

	(void) async;
	FAULTS(read(S, file, bad, 8, 0));
	FAULTS(write(S, file, bad, 8, 0));
	FAULTS(readv(S, file, bad, 2, 0));
	FAULTS(writev(S, file, bad, 2, 0));
	FAULTS(readv(S, file, &vector, 1, 0));
	FAULTS(writev(S, file, &vector, 1, 0));
	FAULTS(write(S, pipes[1], bad, 8, 0));
	FAULTS(openat(S, AT_FDCWD, bad, O_RDONLY, 0));
	FAULTS(openat2(S, AT_FDCWD, "x", bad));
	FAULTS(statx(S, AT_FDCWD, bad, 0, STATX_SIZE, bad));
	FAULTS(statx(S, AT_FDCWD, "file", 0, STATX_SIZE, bad));
	FAULTS(renameat(S, AT_FDCWD, bad, AT_FDCWD, "x", 0));
	FAULTS(renameat(S, AT_FDCWD, "file", AT_FDCWD, bad, 0));
	FAULTS(unlinkat(S, AT_FDCWD, bad, 0));
	FAULTS(mkdirat(S, AT_FDCWD, bad, 0700));
	FAULTS(symlinkat(S, bad, AT_FDCWD, "x"));
	FAULTS(symlinkat(S, "file", AT_FDCWD, bad));
	FAULTS(linkat(S, AT_FDCWD, bad, AT_FDCWD, "x", 0));
	FAULTS(linkat(S, AT_FDCWD, "file", AT_FDCWD, bad, 0));
	FAULTS(fsetxattr(S, file, bad, "v", 0, 1));
	FAULTS(fsetxattr(S, file, "user.a", bad, 0, 1));
	FAULTS(setxattr(S, "user.a", "v", bad, 0, 1));
	FAULTS(fgetxattr(S, file, bad, bad, 1));
	FAULTS(send(S, tcp[0], bad, 8, 0));
	FAULTS(sendmsg(S, tcp[0], bad, 0));
	FAULTS(sendmsg(S, tcp[0], &message, 0));
	FAULTS(sendmsg(S, tcp[0], &behind, 0));
	FAULTS(sendmsg(S, tcp[0], &control, 0));
	FAULTS(recvmsg(S, tcp[0], bad, 0));
	FAULTS(recvmsg(S, tcp[0], &message, 0));
	udp = udp_socket(&address);
	FAULTS(sendmsg(S, udp, &name, 0));
	FAULTS(sendto(S, udp, "x", 1, 0, bad, sizeof(address)));
	FAULTS(connect(S, udp, bad, sizeof(address)));
	FAULTS(bind(S, udp, bad, sizeof(address)));
	FAULTS(send_zc(S, tcp[0], bad, 8, 0, 0));
	/* Its notification. */
	CHECK_EQ(take(&ring, NULL, NULL), 0);
	CHECK_EQ(send(tcp[1], "12345678", 8, 0), 8);
	FAULTS(recv(S, tcp[0], bad, 8, 0));
	FAULTS(recvmsg(S, tcp[0], &behind, 0));
	FAULTS(timeout(S, bad, 0, 0));
	FAULTS(timeout_update(S, bad, 1, 0));
	FAULTS(epoll_ctl(S, epoll, tcp[0], EPOLL_CTL_ADD, bad));
	FAULTS(futex_wait(S, bad, 0, FUTEX_BITSET_MATCH_ANY, 2 | FUTEX_PRIVATE_FLAG, 0));
	FAULTS(futex_waitv(S, bad, 2, 0));
	FAULTS(files_update(S, bad, 1, 0));
	FAULTS(pipe(S, bad, 0));
	(void) listener;
	(void) reg;
	close(udp);
	close(epoll);
}

/* Memory that is there but cannot be written: registration says so, nothing crashes. */
static void unusable(int file)
{
	enum { SIZE = 1 << 16 };
	struct io_uring_params p = { .flags = 0 };
	struct iovec part = { .iov_base = bad, .iov_len = 100 };
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t) bad, .ring_entries = 8 };
	void *kinds[3];
	struct io_uring other;
	int at;

	kinds[0] = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	kinds[1] = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Beyond the end of a file. */
	kinds[2] = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 1 << 20);
	for (at = 0; at < 3; at++) {
		CHECK(kinds[at] != MAP_FAILED);
		part.iov_base = kinds[at];
		CHECK_EQ(io_uring_register_buffers(&ring, &part, 1), -EFAULT);
		reg.ring_addr = (uintptr_t) kinds[at];
		CHECK_EQ(io_uring_register_buf_ring(&ring, &reg, 0), -EFAULT);
		CHECK_EQ(io_uring_queue_init_mem(8, &other, &p, kinds[at], SIZE), -EFAULT);
		CHECK_EQ(munmap(kinds[at], SIZE), 0);
	}
}

int main(void)
{
	int file, pipes[2], tcp[2], listener, none[2] = { -1, -1 };
	struct sockaddr_in address;

	enter_folder();
	engine_init(8, &ring, 0);
	bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(bad != MAP_FAILED);
	file = file_with("file", "123456789", 9);
	CHECK_EQ(pipe(pipes), 0);
	tcp_pair(tcp);
	listener = tcp_listener(&address);
	CHECK_EQ(io_uring_register_files(&ring, none, 2), 0);
	all(file, pipes, tcp, listener, 0);
	vanishing(file);
	unusable(file);

	/* Calls with bad pointers are refused, too. */
	CHECK_EQ(io_uring_register_files(&ring, bad, 2), -EBUSY);
	CHECK_EQ(io_uring_unregister_files(&ring), 0);
	CHECK_EQ(io_uring_register_files(&ring, bad, 2), -EFAULT);
	CHECK_EQ(io_uring_register_buffers(&ring, bad, 2), -EFAULT);
	CHECK_EQ(io_uring_register(ring.ring_fd, IORING_REGISTER_EVENTFD, bad, 1), -EFAULT);
	CHECK_EQ(io_uring_register(ring.ring_fd, IORING_REGISTER_PROBE, bad, 8), -EFAULT);
	CHECK_EQ(io_uring_register(ring.ring_fd, IORING_REGISTER_PBUF_RING, bad, 1), -EFAULT);
	CHECK_EQ(io_uring_register(ring.ring_fd, IORING_REGISTER_SYNC_CANCEL, bad, 1), -EFAULT);
	CHECK_EQ(io_uring_register(ring.ring_fd, IORING_REGISTER_CLOCK, bad, 0), -EFAULT);
	CHECK_EQ(io_uring_register(ring.ring_fd, IORING_REGISTER_RESIZE_RINGS, bad, 1), -EINVAL);
	CHECK_EQ(io_uring_enter2(ring.ring_fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
				 bad, sizeof(struct io_uring_getevents_arg)), -EFAULT);
	CHECK_EQ(io_uring_enter2(ring.ring_fd, 0, 1, IORING_ENTER_GETEVENTS, bad, 8), -EFAULT);

	/* The ring is as good as before. */
	io_uring_prep_nop(S);
	CHECK_EQ(run_one(&ring), 0);
	io_uring_queue_exit(&ring);
	return 0;
}
