/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef LIBURING_COMPAT_H
#define LIBURING_COMPAT_H

/*
 * What the interface needs from the system's headers, and stand-ins for what
 * older ones lack. Decided when a program is compiled.
 */
#include <stdint.h>
#include <sys/types.h>

/* Where the compiler cannot tell, the headers are taken to be there. */
#ifdef __has_include
#if !__has_include(<linux/time_types.h>)
#define LIBURING_NO_TIME_TYPES
#endif
#if !__has_include(<linux/openat2.h>)
#define LIBURING_NO_OPENAT2
#endif
#if __has_include(<linux/blkdev.h>)
#define LIBURING_BLKDEV
#endif
#endif

/* struct __kernel_timespec, from Linux 5.0 on. */
#ifndef LIBURING_NO_TIME_TYPES
#include <linux/time_types.h>
#else
struct __kernel_timespec {
	int64_t		tv_sec;
	long long	tv_nsec;
};
#endif
/* liburing/io_uring.h need not include linux/time_types.h. */
#ifndef UAPI_LINUX_IO_URING_H_SKIP_LINUX_TIME_TYPES_H
#define UAPI_LINUX_IO_URING_H_SKIP_LINUX_TIME_TYPES_H 1
#endif

/* struct open_how, from Linux 5.6 on. */
#ifndef LIBURING_NO_OPENAT2
#include <linux/openat2.h>
#else
struct open_how {
	uint64_t	flags;
	uint64_t	mode;
	uint64_t	resolve;
};
#endif

/* Commands of block devices. */
#include <linux/ioctl.h>
#ifdef LIBURING_BLKDEV
#include <linux/blkdev.h>
#endif
#ifndef BLOCK_URING_CMD_DISCARD
#define BLOCK_URING_CMD_DISCARD _IO(0x12, 0)
#endif
#ifndef BLOCK_URING_CMD_ZONE_RESET_ALL
#define BLOCK_URING_CMD_ZONE_RESET_ALL _IO(0x12, 1)
#endif

#undef LIBURING_NO_TIME_TYPES
#undef LIBURING_NO_OPENAT2
#undef LIBURING_BLKDEV

/* Used by pointer only; their headers are the program's to include. */
struct statx;
struct epoll_event;
struct futex_waitv;

#endif
