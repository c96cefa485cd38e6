/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
#ifndef LIBURING_IO_URING_BPF_FILTER_H
#define LIBURING_IO_URING_BPF_FILTER_H

#include <linux/types.h>

#ifdef LINUX_IO_URING_BPF_FILTER_H
/* The kernel's own header came first and may be older; see io_uring.h. */
@moved_tags liburing/io_uring/bpf_filter.h io_uring_bpf_ctx io_uring_bpf_filter io_uring_bpf@
@overrides liburing/io_uring/bpf_filter.h@
#else
#define LINUX_IO_URING_BPF_FILTER_H
@constants liburing/io_uring/bpf_filter.h@
#endif

/* What a BPF filter sees. */
struct io_uring_bpf_ctx {
	__u64	user_data;
	__u8	opcode;
	__u8	sqe_flags;
	__u8	pdu_size;
	__u8	pad[5];
	__extension__ union {
		/* IORING_OP_SOCKET */
		struct {
			__u32	family;
			__u32	type;
			__u32	protocol;
		} socket;
		/* IORING_OP_OPENAT and IORING_OP_OPENAT2 */
		struct {
			__u64	flags;
			__u64	mode;
			__u64	resolve;
		} open;
	};
};

@structs io_uring_bpf_filter@

/* Argument of IORING_REGISTER_BPF_FILTER. */
struct io_uring_bpf {
	__u16	cmd_type;
	__u16	cmd_flags;
	__u32	resv;
	__extension__ union {
		struct io_uring_bpf_filter filter;
	};
};

#endif
