/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The kernel's io_uring interface: what linux/io_uring.h defines, in the
 * version that this library knows, whatever version the system has.
 */
#ifndef LIBURING_IO_URING_H
#define LIBURING_IO_URING_H

#include <linux/fs.h>
#include <linux/types.h>
#ifndef UAPI_LINUX_IO_URING_H_SKIP_LINUX_TIME_TYPES_H
#include <linux/time_types.h>
#endif

#ifdef __cplusplus
/* Arrays without elements are not C++, but they are the interface. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
extern "C" {
#endif

#ifdef LINUX_IO_URING_H
/*
 * The kernel's own header came first, and it may be older. Its names give way:
 * struct tags stand for the definitions below from here on, and constants
 * become macros.
 */
@moved_tags liburing/io_uring.h io_uring_sqe io_uring_attr_pi io_uring_cqe io_sqring_offsets io_cqring_offsets io_uring_params io_uring_files_update io_uring_region_desc io_uring_mem_region_reg io_uring_rsrc_register io_uring_rsrc_update io_uring_rsrc_update2 io_uring_probe_op io_uring_probe io_uring_restriction io_uring_task_restriction io_uring_clock_register io_uring_clone_buffers io_uring_buf io_uring_buf_ring io_uring_buf_reg io_uring_buf_status io_uring_napi io_uring_reg_wait io_uring_getevents_arg io_uring_sync_cancel_reg io_uring_file_index_range io_uring_recvmsg_out io_timespec io_uring_zcrx_rqe io_uring_zcrx_cqe io_uring_zcrx_offsets io_uring_zcrx_area_reg io_uring_zcrx_ifq_reg zcrx_ctrl_flush_rq zcrx_ctrl_export zcrx_ctrl@
@overrides liburing/io_uring.h@
#else
#define LINUX_IO_URING_H
@constants liburing/io_uring.h@
#endif

/* A submission queue entry. 128-byte entries continue behind it. */
struct io_uring_sqe {
	__u8	opcode;
	__u8	flags;
	__u16	ioprio;
	__s32	fd;
	__extension__ union {
		__u64	off;
		__u64	addr2;
		__extension__ struct {
			__u32	cmd_op;
			__u32	__pad1;
		};
	};
	__extension__ union {
		__u64	addr;
		__u64	splice_off_in;
		__extension__ struct {
			__u32	level;
			__u32	optname;
		};
	};
	__u32	len;
	__extension__ union {
		__kernel_rwf_t	rw_flags;
		__u32	fsync_flags;
		__u16	poll_events;
		__u32	poll32_events;
		__u32	sync_range_flags;
		__u32	msg_flags;
		__u32	timeout_flags;
		__u32	accept_flags;
		__u32	cancel_flags;
		__u32	open_flags;
		__u32	statx_flags;
		__u32	fadvise_advice;
		__u32	splice_flags;
		__u32	rename_flags;
		__u32	unlink_flags;
		__u32	hardlink_flags;
		__u32	xattr_flags;
		__u32	msg_ring_flags;
		__u32	uring_cmd_flags;
		__u32	waitid_flags;
		__u32	futex_flags;
		__u32	install_fd_flags;
		__u32	nop_flags;
		__u32	pipe_flags;
	};
	__u64	user_data;
	__extension__ union {
		__u16	buf_index;
		__u16	buf_group;
	};
	__u16	personality;
	__extension__ union {
		__s32	splice_fd_in;
		__u32	file_index;
		__u32	zcrx_ifq_idx;
		__u32	optlen;
		__extension__ struct {
			__u16	addr_len;
			__u16	__pad3[1];
		};
	};
	__extension__ union {
		__extension__ struct {
			__u64	addr3;
			__u64	__pad2[1];
		};
		__extension__ struct {
			__u64	attr_ptr;
			__u64	attr_type_mask;
		};
		__u64	optval;
		__extension__ __u8	cmd[0];
	};
};

/* A completion queue entry. 32-byte entries have two more words. */
__extension__ struct io_uring_cqe {
	__u64	user_data;
	__s32	res;
	__u32	flags;
	__extension__ __u64	big_cqe[];
};

@structs io_uring_attr_pi io_sqring_offsets io_cqring_offsets io_uring_params io_uring_files_update io_uring_region_desc io_uring_mem_region_reg io_uring_rsrc_register io_uring_rsrc_update io_uring_rsrc_update2 io_uring_probe_op@

/* Result of IORING_REGISTER_PROBE: a header and ops_len entries. */
__extension__ struct io_uring_probe {
	__u8	last_op;
	__u8	ops_len;
	__u16	resv;
	__u32	resv2[3];
	__extension__ struct io_uring_probe_op ops[];
};

/* One restriction. */
struct io_uring_restriction {
	__u16	opcode;
	__extension__ union {
		__u8	register_op;
		__u8	sqe_op;
		__u8	sqe_flags;
	};
	__u8	resv;
	__u32	resv2[3];
};

/* Restrictions of a task. */
__extension__ struct io_uring_task_restriction {
	__u16	flags;
	__u16	nr_res;
	__u32	resv[3];
	__extension__ struct io_uring_restriction restrictions[0];
};

@structs io_uring_clock_register io_uring_clone_buffers io_uring_buf@

/* A provided-buffer ring: the tail lies in the last two bytes of slot 0. */
__extension__ struct io_uring_buf_ring {
	__extension__ union {
		__extension__ struct {
			__u64	resv1;
			__u32	resv2;
			__u16	resv3;
			__u16	tail;
		};
		__extension__ struct io_uring_buf bufs[0];
	};
};

@structs io_uring_buf_reg io_uring_buf_status io_uring_napi io_uring_reg_wait io_uring_getevents_arg io_uring_sync_cancel_reg io_uring_file_index_range io_uring_recvmsg_out io_timespec io_uring_zcrx_rqe io_uring_zcrx_cqe io_uring_zcrx_offsets io_uring_zcrx_area_reg io_uring_zcrx_ifq_reg zcrx_ctrl_flush_rq zcrx_ctrl_export@

/* Argument of IORING_REGISTER_ZCRX_CTRL. */
struct zcrx_ctrl {
	__u32	zcrx_id;
	__u32	op;
	__u64	__resv[2];
	__extension__ union {
		struct zcrx_ctrl_export zc_export;
		struct zcrx_ctrl_flush_rq zc_flush;
	};
};

#ifdef __cplusplus
}
#pragma GCC diagnostic pop
#endif

#endif
