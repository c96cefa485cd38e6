/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The interface of liburing.
 *
 * Functions return zero or more, or -errno; errno is never touched. Functions
 * that return a pointer return NULL on failure. One thread submits and one
 * reaps, at most; everything else needs a lock of the program's own.
 *
 * Each function names the first kernel that has what it asks for. The
 * operations are described in docs/operations.md and, in full, by the man pages
 * of the system calls they stand for.
 */
#ifndef LIB_URING_H
#define LIB_URING_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <linux/filter.h>
#include <linux/swab.h>

#include "liburing/compat.h"
#include "liburing/io_uring.h"
#include "liburing/io_uring/query.h"
#include "liburing/io_uring/bpf_filter.h"
#include "liburing/io_uring_version.h"
#include "liburing/barrier.h"

#ifndef uring_unlikely
#define uring_unlikely(cond) __builtin_expect(!!(cond), 0)
#endif
#ifndef uring_likely
#define uring_likely(cond) __builtin_expect(!!(cond), 1)
#endif

/*
 * Linkage of what is inline here. A program that defines IOURINGINLINE as
 * nothing gets ordinary functions. From C++20 on they have external linkage,
 * so that modules can use them.
 */
#if defined(__cplusplus) && __cplusplus >= 202002L
#define _LOCAL_INLINE inline
#define LIBURING_COLD inline __attribute__((noinline, cold))
#else
#define _LOCAL_INLINE static inline
#define LIBURING_COLD static __attribute__((noinline, cold, unused))
#endif
#ifndef IOURINGINLINE
#define IOURINGINLINE _LOCAL_INLINE
#endif

#ifdef __cplusplus
#define LIBURING_NOEXCEPT noexcept
/* A function and a struct share the name io_uring_clone_buffers. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
/* This is C. g++ allows it in extern "C", clang++ only when asked. */
#pragma GCC diagnostic ignored "-Wold-style-cast"
#if defined(__clang__)
#pragma GCC diagnostic ignored "-Wzero-as-null-pointer-constant"
#endif
extern "C" {
#else
#define LIBURING_NOEXCEPT
#endif

#if defined(__alpha__)
#define LIBURING_NR_BASE 110
#elif defined(__mips__)
#include <asm/unistd.h>
#define LIBURING_NR_BASE __NR_Linux
#else
#define LIBURING_NR_BASE 0
#endif
#ifndef __NR_io_uring_setup
#if LIBURING_NR_BASE
#define __NR_io_uring_setup (LIBURING_NR_BASE + 425)
#else
#define __NR_io_uring_setup 425
#endif
#endif
#ifndef __NR_io_uring_enter
#if LIBURING_NR_BASE
#define __NR_io_uring_enter (LIBURING_NR_BASE + 426)
#else
#define __NR_io_uring_enter 426
#endif
#endif
#ifndef __NR_io_uring_register
#if LIBURING_NR_BASE
#define __NR_io_uring_register (LIBURING_NR_BASE + 427)
#else
#define __NR_io_uring_register 427
#endif
#endif

/* The setters and getters of 64-bit user_data exist. */
#define LIBURING_HAVE_DATA64
/* user_data of the library's own timeouts on kernels before 5.11. */
#define LIBURING_UDATA_TIMEOUT (~0ULL)
/* Whether these headers are older than major.minor; works in #if. */
#define IO_URING_CHECK_VERSION(major, minor)				\
	((major) > IO_URING_VERSION_MAJOR ||				\
	 ((major) == IO_URING_VERSION_MAJOR &&				\
	  (minor) > IO_URING_VERSION_MINOR))

/*
 * The structs of a ring. sqe_tail counts entries handed out, sqe_head entries
 * published; khead, ktail and kflags lead into memory shared with the kernel;
 * ring_mask and ring_entries are copies of what is there.
 */
@structs io_uring_sq io_uring_cq io_uring io_uring_zcrx_rq io_uring_cqe_iter@

/*
 * The library
 */
@prototypes@

/*
 * Entries of the submission queue
 */

/* A pointer as the kernel takes it. */
_LOCAL_INLINE __u64 uring_ptr_to_u64(const void *ptr) LIBURING_NOEXCEPT
{
	return (__u64) (uintptr_t) ptr;
}

@prep sqe@

/* By how much SQE indices are shifted on a ring with these setup flags. */
IOURINGINLINE unsigned int io_uring_sqe_shift_from_flags(unsigned int flags)
	LIBURING_NOEXCEPT
{
	return !!(flags & IORING_SETUP_SQE128);
}

/* By how much SQE indices are shifted on this ring. */
IOURINGINLINE unsigned int io_uring_sqe_shift(const struct io_uring *ring)
	LIBURING_NOEXCEPT
{
	return io_uring_sqe_shift_from_flags(ring->flags);
}

/*
 * How far the kernel has consumed the submission queue. Acquire, because with
 * SQPOLL a slot must not be written before the kernel thread has read it.
 */
IOURINGINLINE unsigned int io_uring_load_sq_head(const struct io_uring *ring)
	LIBURING_NOEXCEPT
{
#if defined(__x86_64__) || defined(__i386__)
	/* Here acquire costs nothing, a branch would. */
	return io_uring_smp_load_acquire(ring->sq.khead);
#else
	if (ring->flags & IORING_SETUP_SQPOLL)
		return io_uring_smp_load_acquire(ring->sq.khead);
	return *ring->sq.khead;
#endif
}

/* SQEs handed out and not yet consumed by the kernel. */
IOURINGINLINE unsigned int io_uring_sq_ready(const struct io_uring *ring)
	LIBURING_NOEXCEPT
{
	return ring->sq.sqe_tail - io_uring_load_sq_head(ring);
}

/* SQEs that can be handed out. */
IOURINGINLINE unsigned int io_uring_sq_space_left(const struct io_uring *ring)
	LIBURING_NOEXCEPT
{
	return ring->sq.ring_entries - io_uring_sq_ready(ring);
}

/*
 * Doubles an index on rings with large entries. Such rings are rare: the empty
 * statement keeps compilers from turning the branch, which is predicted, into
 * a conditional move, which the address would have to wait for.
 */
_LOCAL_INLINE size_t __liburing_slot(unsigned int index, unsigned int large)
	LIBURING_NOEXCEPT
{
	size_t slot = index;

	if (uring_unlikely(large)) {
		__asm__("" : "+r" (slot));
		slot <<= 1;
	}
	return slot;
}

/* The slot of an index. */
_LOCAL_INLINE struct io_uring_sqe *__liburing_sqe_at(struct io_uring *ring,
		unsigned int index) LIBURING_NOEXCEPT
{
	return ring->sq.sqes +
	       __liburing_slot(index & ring->sq.ring_mask,
			       ring->flags & IORING_SETUP_SQE128);
}

/* The next free SQE, or NULL when the queue is full. */
IOURINGINLINE struct io_uring_sqe *_io_uring_get_sqe(struct io_uring *ring)
	LIBURING_NOEXCEPT
{
	unsigned int tail = ring->sq.sqe_tail;
	struct io_uring_sqe *sqe;

	if (uring_unlikely(tail - io_uring_load_sq_head(ring) >=
			   ring->sq.ring_entries))
		return NULL;
	sqe = __liburing_sqe_at(ring, tail);
	ring->sq.sqe_tail = tail + 1;
	io_uring_initialize_sqe(sqe);
	return sqe;
}

/* The next free SQE, or NULL when the queue is full. */
IOURINGINLINE struct io_uring_sqe *io_uring_get_sqe(struct io_uring *ring)
	LIBURING_NOEXCEPT
{
	return _io_uring_get_sqe(ring);
}

/*
 * Completions
 */

/* By how much CQE indices are shifted on a ring with these setup flags. */
IOURINGINLINE unsigned int io_uring_cqe_shift_from_flags(unsigned int flags)
	LIBURING_NOEXCEPT
{
	return !!(flags & IORING_SETUP_CQE32);
}

/* By how much CQE indices are shifted on this ring. */
IOURINGINLINE unsigned int io_uring_cqe_shift(const struct io_uring *ring)
	LIBURING_NOEXCEPT
{
	return io_uring_cqe_shift_from_flags(ring->flags);
}

/* Slots of an entry: 2 for a 32-byte entry of a CQE_MIXED ring, otherwise 1. */
IOURINGINLINE unsigned int io_uring_cqe_nr(const struct io_uring_cqe *cqe)
	LIBURING_NOEXCEPT
{
	unsigned int slots = 1;

	/* A branch, as in __liburing_slot: a walk does not wait for the flags. */
	if (uring_unlikely(cqe->flags & IORING_CQE_F_32)) {
		__asm__("" : "+r" (slots));
		slots++;
	}
	return slots;
}

/* A walk over the completions that are ready now. */
IOURINGINLINE struct io_uring_cqe_iter
io_uring_cqe_iter_init(const struct io_uring *ring) LIBURING_NOEXCEPT
{
	struct io_uring_cqe_iter iter;

	iter.cqes = ring->cq.cqes;
	iter.mask = ring->cq.ring_mask;
	iter.shift = io_uring_cqe_shift(ring);
	iter.head = *ring->cq.khead;
	iter.tail = io_uring_smp_load_acquire(ring->cq.ktail);
	return iter;
}

/* The next completion of a walk; false at its end. Consumes nothing. */
IOURINGINLINE bool io_uring_cqe_iter_next(struct io_uring_cqe_iter *iter,
		struct io_uring_cqe **cqe) LIBURING_NOEXCEPT
{
	if (iter->head == iter->tail)
		return false;
	*cqe = iter->cqes + ((size_t) (iter->head & iter->mask) << iter->shift);
	iter->head += io_uring_cqe_nr(*cqe);
	return true;
}

/*
 * Walks the completions that are ready when the loop begins, and consumes none
 * of them. In the body, head is the index of cqe; after a full walk it is
 * where the walk ended, for io_uring_cq_advance.
 */
#define io_uring_for_each_cqe(ring, __head__, cqe)			\
	LIBURING_FOR_EACH_CQE(ring, __head__, cqe,			\
			      LIBURING_PASTE(liburing_iter_, __LINE__))
#if defined(__cplusplus) || \
	(defined(__STDC_VERSION__) && __STDC_VERSION__ >= 199901L)
#define LIBURING_FOR_EACH_CQE(ring, __head__, cqe, iter)		\
	for (struct io_uring_cqe_iter iter = io_uring_cqe_iter_init(ring); \
	     ((__head__) = iter.head, (void) (__head__),		\
	      io_uring_cqe_iter_next(&iter, &(cqe)));)
#else
/* C89 has no place for the tail: what arrives during the walk is visited too. */
#define LIBURING_FOR_EACH_CQE(ring, __head__, cqe, iter)		\
	for ((__head__) = *(ring)->cq.khead;				\
	     (__head__) != io_uring_smp_load_acquire((ring)->cq.ktail) && \
	     ((cqe) = __liburing_cqe_at((ring), (__head__)), 1);	\
	     (__head__) += io_uring_cqe_nr(cqe))
#endif
#define LIBURING_PASTE(a, b) LIBURING_PASTE_(a, b)
#define LIBURING_PASTE_(a, b) a##b

/* Slots ready in the completion queue. */
IOURINGINLINE unsigned int io_uring_cq_ready(const struct io_uring *ring)
	LIBURING_NOEXCEPT
{
	return io_uring_smp_load_acquire(ring->cq.ktail) - *ring->cq.khead;
}

/* Gives nr slots of the completion queue back to the kernel. */
IOURINGINLINE void io_uring_cq_advance(struct io_uring *ring, unsigned int nr)
	LIBURING_NOEXCEPT
{
	unsigned int *khead = ring->cq.khead;

	/* Release: the entries were read before. */
	if (nr)
		io_uring_smp_store_release(khead, *khead + nr);
}

/* Gives one completion back; NULL does nothing. */
IOURINGINLINE void io_uring_cqe_seen(struct io_uring *ring,
		struct io_uring_cqe *cqe) LIBURING_NOEXCEPT
{
	if (cqe)
		io_uring_cq_advance(ring, io_uring_cqe_nr(cqe));
}

/* The user_data of a completion as a pointer. */
IOURINGINLINE void *io_uring_cqe_get_data(const struct io_uring_cqe *cqe)
	LIBURING_NOEXCEPT
{
	return (void *) (uintptr_t) cqe->user_data;
}

/* The user_data of a completion. */
IOURINGINLINE __u64 io_uring_cqe_get_data64(const struct io_uring_cqe *cqe)
	LIBURING_NOEXCEPT
{
	return cqe->user_data;
}

/* Whether completions wait for room in the queue. */
IOURINGINLINE bool io_uring_cq_has_overflow(const struct io_uring *ring)
	LIBURING_NOEXCEPT
{
	return IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_CQ_OVERFLOW;
}

/*
 * Returns whether completion notifications on the eventfd are enabled. No eventfd
 * needs to be registered. True before Linux 5.8, where they cannot be disabled.
 */
IOURINGINLINE bool io_uring_cq_eventfd_enabled(const struct io_uring *ring)
	LIBURING_NOEXCEPT
{
	return !ring->cq.kflags ||
	       !(IO_URING_READ_ONCE(*ring->cq.kflags) &
		 IORING_CQ_EVENTFD_DISABLED);
}

/*
 * Enables or disables completion notifications on the eventfd. 0, or -EOPNOTSUPP
 * for a change before Linux 5.8.
 */
IOURINGINLINE int io_uring_cq_eventfd_toggle(struct io_uring *ring,
		bool enabled) LIBURING_NOEXCEPT
{
	unsigned int flags;

	if (enabled == io_uring_cq_eventfd_enabled(ring))
		return 0;
	if (!ring->cq.kflags)
		return -EOPNOTSUPP;
	flags = IO_URING_READ_ONCE(*ring->cq.kflags);
	IO_URING_WRITE_ONCE(*ring->cq.kflags,
			    flags ^ IORING_CQ_EVENTFD_DISABLED);
	return 0;
}

/*
 * Consumes an entry that the program must not see: filler, or on a kernel
 * before 5.11 a timeout of the library's own, whose negative result goes to
 * *err. True if it was consumed and no error came out of it.
 */
_LOCAL_INLINE bool io_uring_skip_cqe(struct io_uring *ring,
		struct io_uring_cqe *cqe, int *err) LIBURING_NOEXCEPT
{
	if (cqe->flags & IORING_CQE_F_SKIP) {
		io_uring_cq_advance(ring, io_uring_cqe_nr(cqe));
		return true;
	}
	if ((ring->features & IORING_FEAT_EXT_ARG) ||
	    cqe->user_data != LIBURING_UDATA_TIMEOUT)
		return false;
	if (cqe->res < 0)
		*err = cqe->res;
	io_uring_cq_advance(ring, 1);
	return !*err;
}

/* The slot of an index. */
_LOCAL_INLINE struct io_uring_cqe *__liburing_cqe_at(struct io_uring *ring,
		unsigned int index) LIBURING_NOEXCEPT
{
	return ring->cq.cqes +
	       __liburing_slot(index & ring->cq.ring_mask,
			       ring->flags & IORING_SETUP_CQE32);
}

/*
 * The first completion or NULL, and the number of ready slots (nr_available
 * may be NULL). Never enters the kernel. 0, or the error of an own timeout.
 */
IOURINGINLINE int __io_uring_peek_cqe(struct io_uring *ring,
		struct io_uring_cqe **cqe_ptr, unsigned int *nr_available)
	LIBURING_NOEXCEPT
{
	struct io_uring_cqe *cqe;
	unsigned int available;
	int err = 0;

	do {
		unsigned int tail = io_uring_smp_load_acquire(ring->cq.ktail);
		unsigned int head = *ring->cq.khead;

		cqe = NULL;
		available = tail - head;
		if (!available)
			break;
		cqe = __liburing_cqe_at(ring, head);
	} while (io_uring_skip_cqe(ring, cqe, &err));

	*cqe_ptr = err ? NULL : cqe;
	if (nr_available)
		*nr_available = available;
	return err;
}

/*
 * The first completion if there is one that needs no second look: filler and
 * what may be a timeout of the library's own are the slow path's.
 */
_LOCAL_INLINE struct io_uring_cqe *__liburing_ready_cqe(struct io_uring *ring)
	LIBURING_NOEXCEPT
{
	struct io_uring_cqe *cqe;
	unsigned int tail = io_uring_smp_load_acquire(ring->cq.ktail);
	unsigned int head = *ring->cq.khead;

	if (uring_unlikely(tail == head))
		return NULL;
	cqe = __liburing_cqe_at(ring, head);
	if (uring_unlikely(cqe->flags & IORING_CQE_F_SKIP))
		return NULL;
	if (uring_unlikely(cqe->user_data == LIBURING_UDATA_TIMEOUT))
		return NULL;
	return cqe;
}

/* Waits for wait_nr completions; 0 behaves like a peek. */
IOURINGINLINE int io_uring_wait_cqe_nr(struct io_uring *ring,
		struct io_uring_cqe **cqe_ptr, unsigned int wait_nr)
	LIBURING_NOEXCEPT
{
	/* A variable of our own lets the caller's stay in a register. */
	struct io_uring_cqe *cqe;
	int ret = __io_uring_get_cqe(ring, &cqe, 0, wait_nr, NULL);

	*cqe_ptr = cqe;
	return ret;
}

/* What a second look showed: in two registers, so that no variable needs an address. */
struct __liburing_look {
	struct io_uring_cqe *cqe;
	int ret;
};

/*
 * When the first look showed nothing. Before 5.11 a timeout of the library's
 * own may lie there: it goes, and what is behind it counts. Out of line: what
 * is left is small enough to be inlined everywhere.
 */
LIBURING_COLD struct __liburing_look
__liburing_wait_slow(struct io_uring *ring, unsigned int wait_nr)
	LIBURING_NOEXCEPT
{
	struct __liburing_look look;

	look.ret = 0;
	if (uring_unlikely(!(ring->features & IORING_FEAT_EXT_ARG)) &&
	    !__io_uring_peek_cqe(ring, &look.cqe, NULL) && look.cqe)
		return look;
	look.ret = io_uring_wait_cqe_nr(ring, &look.cqe, wait_nr);
	return look;
}

/* The first completion, or -EAGAIN. */
IOURINGINLINE int io_uring_peek_cqe(struct io_uring *ring,
		struct io_uring_cqe **cqe_ptr) LIBURING_NOEXCEPT
{
	struct io_uring_cqe *cqe = __liburing_ready_cqe(ring);
	struct __liburing_look look;

	if (uring_likely(cqe != NULL)) {
		*cqe_ptr = cqe;
		return 0;
	}
	look = __liburing_wait_slow(ring, 0);
	*cqe_ptr = look.cqe;
	return look.ret;
}

/* Waits for a completion. 0, or -errno (-EINTR on a signal). */
IOURINGINLINE int io_uring_wait_cqe(struct io_uring *ring,
		struct io_uring_cqe **cqe_ptr) LIBURING_NOEXCEPT
{
	struct io_uring_cqe *cqe = __liburing_ready_cqe(ring);
	struct __liburing_look look;

	if (uring_likely(cqe != NULL)) {
		*cqe_ptr = cqe;
		return 0;
	}
	look = __liburing_wait_slow(ring, 1);
	*cqe_ptr = look.cqe;
	return look.ret;
}

/* Waits for room in the queue of an SQPOLL ring; 0 if there is some. */
IOURINGINLINE int io_uring_sqring_wait(struct io_uring *ring) LIBURING_NOEXCEPT
{
	if (!(ring->flags & IORING_SETUP_SQPOLL))
		return 0;
	if (io_uring_sq_space_left(ring))
		return 0;
	return __io_uring_sqring_wait(ring);
}

/* 1 if the probe says that operation op exists, otherwise 0. */
IOURINGINLINE int io_uring_opcode_supported(const struct io_uring_probe *p,
		int op) LIBURING_NOEXCEPT
{
	if (op < 0 || op > p->last_op)
		return 0;
	return (p->ops[op].flags & IO_URING_OP_SUPPORTED) != 0;
}

/*
 * Operations. A prep function writes the whole of its request, but not
 * user_data; what it points to has to stay until the request was submitted,
 * and buffers until it has completed.
 */

/* Poll masks are stored as the kernel reads them. */
_LOCAL_INLINE unsigned int __io_uring_prep_poll_mask(unsigned int poll_mask)
	LIBURING_NOEXCEPT
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	poll_mask = __swahw32(poll_mask);
#endif
	return poll_mask;
}

@prep rw net fs wait ring@

/*
 * The next free 128-byte SQE of an SQE128 or SQE_MIXED ring, or NULL. On a
 * SQE_MIXED ring it takes two slots that do not wrap around; a slot that is
 * left over at the end becomes a nop without completion.
 */
IOURINGINLINE struct io_uring_sqe *io_uring_get_sqe128(struct io_uring *ring)
	LIBURING_NOEXCEPT
{
	unsigned int tail, entries, filler;
	struct io_uring_sqe *sqe;

	if (ring->flags & IORING_SETUP_SQE128)
		return _io_uring_get_sqe(ring);
	if (!(ring->flags & IORING_SETUP_SQE_MIXED))
		return NULL;
	tail = ring->sq.sqe_tail;
	entries = ring->sq.ring_entries;
	filler = (tail & ring->sq.ring_mask) == entries - 1;
	if (entries - (tail - io_uring_load_sq_head(ring)) < 2 + filler)
		return NULL;
	if (filler) {
		sqe = __liburing_sqe_at(ring, tail);
		io_uring_initialize_sqe(sqe);
		io_uring_prep_nop(sqe);
		sqe->flags = (__u8) IOSQE_CQE_SKIP_SUCCESS;
	}
	sqe = __liburing_sqe_at(ring, tail + filler);
	ring->sq.sqe_tail = tail + filler + 2;
	io_uring_initialize_sqe(sqe);
	return sqe;
}

/*
 * What a multishot recvmsg leaves in its buffer: a header, the name area, the
 * control area (both as large as the msghdr of the request said), the payload.
 */

/* The buffer as its header, or NULL if buf_len is too short for it. */
IOURINGINLINE struct io_uring_recvmsg_out *
io_uring_recvmsg_validate(void *buf, int buf_len, struct msghdr *msgh)
	LIBURING_NOEXCEPT
{
	size_t left = (size_t) buf_len;

	if (buf_len < 0 || left < sizeof(struct io_uring_recvmsg_out))
		return NULL;
	left -= sizeof(struct io_uring_recvmsg_out);
	if (left < msgh->msg_namelen)
		return NULL;
	left -= msgh->msg_namelen;
	if (left < msgh->msg_controllen)
		return NULL;
	return (struct io_uring_recvmsg_out *) buf;
}

/* The name area. */
IOURINGINLINE void *io_uring_recvmsg_name(struct io_uring_recvmsg_out *o)
	LIBURING_NOEXCEPT
{
	return (void *) (o + 1);
}

/* The first control message, or NULL. */
IOURINGINLINE struct cmsghdr *
io_uring_recvmsg_cmsg_firsthdr(struct io_uring_recvmsg_out *o,
		struct msghdr *msgh) LIBURING_NOEXCEPT
{
	char *control = (char *) io_uring_recvmsg_name(o) + msgh->msg_namelen;

	if (o->controllen < sizeof(struct cmsghdr))
		return NULL;
	return (struct cmsghdr *) (void *) control;
}

/* The control message behind cmsg, or NULL. */
IOURINGINLINE struct cmsghdr *
io_uring_recvmsg_cmsg_nexthdr(struct io_uring_recvmsg_out *o,
		struct msghdr *msgh, struct cmsghdr *cmsg) LIBURING_NOEXCEPT
{
	char *control = (char *) io_uring_recvmsg_name(o) + msgh->msg_namelen;
	size_t at = (size_t) ((char *) cmsg - control);
	size_t length = cmsg->cmsg_len, left;
	struct cmsghdr *next;

	/* In sizes rather than pointers: a wild length must not wrap around. */
	if (length < sizeof(struct cmsghdr) || at > o->controllen)
		return NULL;
	left = o->controllen - at;
	if (length > left || left - length < sizeof(struct cmsghdr))
		return NULL;
	length = CMSG_ALIGN(length);
	if (length > left || left - length < sizeof(struct cmsghdr))
		return NULL;
	next = (struct cmsghdr *) (void *) ((char *) cmsg + length);
	left -= length;
	if (next->cmsg_len > left || CMSG_ALIGN(next->cmsg_len) > left)
		return NULL;
	return next;
}

/* The payload. */
IOURINGINLINE void *io_uring_recvmsg_payload(struct io_uring_recvmsg_out *o,
		struct msghdr *msgh) LIBURING_NOEXCEPT
{
	return (char *) io_uring_recvmsg_name(o) + msgh->msg_namelen +
	       msgh->msg_controllen;
}

/* Bytes of payload in a buffer of buf_len bytes. */
IOURINGINLINE unsigned int
io_uring_recvmsg_payload_length(struct io_uring_recvmsg_out *o, int buf_len,
		struct msghdr *msgh) LIBURING_NOEXCEPT
{
	size_t left = (size_t) buf_len;

	(void) o;
	if (buf_len < 0 || left < sizeof(struct io_uring_recvmsg_out))
		return 0;
	left -= sizeof(struct io_uring_recvmsg_out);
	if (left < msgh->msg_namelen)
		return 0;
	left -= msgh->msg_namelen;
	if (left < msgh->msg_controllen)
		return 0;
	return (unsigned int) (left - msgh->msg_controllen);
}

/*
 * Provided-buffer rings
 */

/* Mask of a buffer ring. */
IOURINGINLINE int io_uring_buf_ring_mask(__u32 ring_entries) LIBURING_NOEXCEPT
{
	return (int) (ring_entries - 1);
}

/* Empties a buffer ring. */
IOURINGINLINE void io_uring_buf_ring_init(struct io_uring_buf_ring *br)
	LIBURING_NOEXCEPT
{
	br->tail = 0;
}

/*
 * Fills the slot buf_offset behind the tail. Shown to the kernel by
 * io_uring_buf_ring_advance.
 */
IOURINGINLINE void io_uring_buf_ring_add(struct io_uring_buf_ring *br,
		void *addr, unsigned int len, unsigned short bid, int mask,
		int buf_offset) LIBURING_NOEXCEPT
{
	/* The last two bytes of slot 0 are the tail: slots are not cleared. */
	struct io_uring_buf *buf = &br->bufs[(br->tail + buf_offset) & mask];

	buf->addr = uring_ptr_to_u64(addr);
	buf->len = len;
	buf->bid = bid;
}

/* Shows count filled slots to the kernel. */
IOURINGINLINE void io_uring_buf_ring_advance(struct io_uring_buf_ring *br,
		int count) LIBURING_NOEXCEPT
{
	/* Release: the slots were written before. */
	io_uring_smp_store_release(&br->tail, (__u16) (br->tail + count));
}

/* Shows buf_count slots to the kernel and gives cq_count completions back. */
IOURINGINLINE void __io_uring_buf_ring_cq_advance(struct io_uring *ring,
		struct io_uring_buf_ring *br, int cq_count, int buf_count)
	LIBURING_NOEXCEPT
{
	io_uring_buf_ring_advance(br, buf_count);
	io_uring_cq_advance(ring, (unsigned int) cq_count);
}

/* The same with one count for both. */
IOURINGINLINE void io_uring_buf_ring_cq_advance(struct io_uring *ring,
		struct io_uring_buf_ring *br, int count) LIBURING_NOEXCEPT
{
	__io_uring_buf_ring_cq_advance(ring, br, count, count);
}

/* Buffers the kernel has not used yet, or -errno. Linux 6.8. */
IOURINGINLINE int io_uring_buf_ring_available(struct io_uring *ring,
		struct io_uring_buf_ring *br, unsigned short bgid)
	LIBURING_NOEXCEPT
{
	uint16_t head;
	int ret = io_uring_buf_ring_head(ring, bgid, &head);

	if (ret)
		return ret;
	return (uint16_t) (br->tail - head);
}

#ifdef __cplusplus
}
#pragma GCC diagnostic pop
#endif

#undef IOURINGINLINE
#undef _LOCAL_INLINE
#undef LIBURING_COLD

#endif
