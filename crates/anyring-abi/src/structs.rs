//! The structs of the interface, laid out as in C.
//!
//! Names, fields and layouts are the kernel's (`linux/io_uring.h`, described in
//! io_uring_setup(2), io_uring_enter(2) and io_uring_register(2)) and, from
//! [`io_uring_sq`] on, those of `liburing.h`. Every size and offset is asserted
//! below against numbers taken from the fact tables, not from this file.
#![allow(
    missing_docs,
    reason = "the fields have the kernel's names; each struct says where they are described"
)]
#![allow(
    non_camel_case_types,
    reason = "the names are those of C, for whoever reads both"
)]

use core::ffi::{c_int, c_uint, c_void};

pub type __u8 = u8;
pub type __u16 = u16;
pub type __u32 = u32;
pub type __u64 = u64;
pub type __s32 = i32;
#[allow(non_camel_case_types)]
pub type size_t = usize;

/// A time span or point of 64-bit seconds and nanoseconds.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct __kernel_timespec {
    pub tv_sec: i64,
    pub tv_nsec: i64,
}

/// What a BPF filter sees of an openat2 request.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_bpf_open {
    pub flags: __u64,
    pub mode: __u64,
    pub resolve: __u64,
}

macro_rules! layout {
    ($name:ident size $size:literal align $align:literal { $($field:ident $offset:literal)* }) => {
        const _: () = {
            assert!(size_of::<$name>() == $size);
            assert!(align_of::<$name>() == $align);
            $( assert!(core::mem::offset_of!($name, $field) == $offset); )*
        };
    };
}

/// A submission queue entry. In C many fields have several names (unions); here each
/// place has one: `off` is also addr2 and cmd_op, `addr` also splice_off_in and the pair
/// level and optname, `op_flags` stands for rw_flags, open_flags and so on, `buf_index`
/// is also buf_group, `file_index` also splice_fd_in, optlen and the pair addr_len and
/// padding, `addr3` also optval and the first half of `cmd`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_sqe {
    pub opcode: __u8,
    pub flags: __u8,
    pub ioprio: __u16,
    pub fd: __s32,
    pub off: __u64,
    pub addr: __u64,
    pub len: __u32,
    pub op_flags: __u32,
    pub user_data: __u64,
    pub buf_index: __u16,
    pub personality: __u16,
    pub file_index: __u32,
    pub addr3: __u64,
    pub __pad2: [__u64; 1],
}

/// A NOP with user_data 0.
impl Default for io_uring_sqe {
    fn default() -> Self {
        io_uring_sqe {
            opcode: 0,
            flags: 0,
            ioprio: 0,
            fd: 0,
            off: 0,
            addr: 0,
            len: 0,
            op_flags: 0,
            user_data: 0,
            buf_index: 0,
            personality: 0,
            file_index: 0,
            addr3: 0,
            __pad2: [0],
        }
    }
}
layout!(io_uring_sqe size 64 align 8 { opcode 0 flags 1 ioprio 2 fd 4 off 8 addr 16 len 24 op_flags 28 user_data 32 buf_index 40 personality 42 file_index 44 addr3 48 __pad2 56 });

/// Protection information of a read or write (`IORING_RW_ATTR_FLAG_PI`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_attr_pi {
    pub flags: __u16,
    pub app_tag: __u16,
    pub len: __u32,
    pub addr: __u64,
    pub seed: __u64,
    pub rsvd: __u64,
}
layout!(io_uring_attr_pi size 32 align 8 { flags 0 app_tag 2 len 4 addr 8 seed 16 rsvd 24 });

/// A completion queue entry; 32-byte entries continue in `big_cqe`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_cqe {
    pub user_data: __u64,
    pub res: __s32,
    pub flags: __u32,
    pub big_cqe: [__u64; 0],
}
layout!(io_uring_cqe size 16 align 8 { user_data 0 res 8 flags 12 big_cqe 16 });

/// Where the parts of the submission ring are in its mapping.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_sqring_offsets {
    pub head: __u32,
    pub tail: __u32,
    pub ring_mask: __u32,
    pub ring_entries: __u32,
    pub flags: __u32,
    pub dropped: __u32,
    pub array: __u32,
    pub resv1: __u32,
    pub user_addr: __u64,
}
layout!(io_sqring_offsets size 40 align 8 { head 0 tail 4 ring_mask 8 ring_entries 12 flags 16 dropped 20 array 24 resv1 28 user_addr 32 });

/// Where the parts of the completion ring are in its mapping.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_cqring_offsets {
    pub head: __u32,
    pub tail: __u32,
    pub ring_mask: __u32,
    pub ring_entries: __u32,
    pub overflow: __u32,
    pub cqes: __u32,
    pub flags: __u32,
    pub resv1: __u32,
    pub user_addr: __u64,
}
layout!(io_cqring_offsets size 40 align 8 { head 0 tail 4 ring_mask 8 ring_entries 12 overflow 16 cqes 20 flags 24 resv1 28 user_addr 32 });

/// Argument of io_uring_setup(2), in and out.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_params {
    pub sq_entries: __u32,
    pub cq_entries: __u32,
    pub flags: __u32,
    pub sq_thread_cpu: __u32,
    pub sq_thread_idle: __u32,
    pub features: __u32,
    pub wq_fd: __u32,
    pub resv: [__u32; 3],
    pub sq_off: io_sqring_offsets,
    pub cq_off: io_cqring_offsets,
}
layout!(io_uring_params size 120 align 8 { sq_entries 0 cq_entries 4 flags 8 sq_thread_cpu 12 sq_thread_idle 16 features 20 wq_fd 24 resv 28 sq_off 40 cq_off 80 });

/// Argument of the first form of file updates.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_files_update {
    pub offset: __u32,
    pub resv: __u32,
    pub fds: __u64,
}
layout!(io_uring_files_update size 16 align 8 { offset 0 resv 4 fds 8 });

/// Describes a memory region.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_region_desc {
    pub user_addr: __u64,
    pub size: __u64,
    pub flags: __u32,
    pub id: __u32,
    pub mmap_offset: __u64,
    pub __resv: [__u64; 4],
}
layout!(io_uring_region_desc size 64 align 8 { user_addr 0 size 8 flags 16 id 20 mmap_offset 24 __resv 32 });

/// Argument of `IORING_REGISTER_MEM_REGION`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_mem_region_reg {
    pub region_uptr: __u64,
    pub flags: __u64,
    pub __resv: [__u64; 2],
}
layout!(io_uring_mem_region_reg size 32 align 8 { region_uptr 0 flags 8 __resv 16 });

/// Argument of `IORING_REGISTER_FILES2` and `IORING_REGISTER_BUFFERS2`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_rsrc_register {
    pub nr: __u32,
    pub flags: __u32,
    pub resv2: __u64,
    pub data: __u64,
    pub tags: __u64,
}
layout!(io_uring_rsrc_register size 32 align 8 { nr 0 flags 4 resv2 8 data 16 tags 24 });

/// Argument of updates without tags.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_rsrc_update {
    pub offset: __u32,
    pub resv: __u32,
    pub data: __u64,
}
layout!(io_uring_rsrc_update size 16 align 8 { offset 0 resv 4 data 8 });

/// Argument of updates with tags.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_rsrc_update2 {
    pub offset: __u32,
    pub resv: __u32,
    pub data: __u64,
    pub tags: __u64,
    pub nr: __u32,
    pub resv2: __u32,
}
layout!(io_uring_rsrc_update2 size 32 align 8 { offset 0 resv 4 data 8 tags 16 nr 24 resv2 28 });

/// What a probe says of one operation.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_probe_op {
    pub op: __u8,
    pub resv: __u8,
    pub flags: __u16,
    pub resv2: __u32,
}
layout!(io_uring_probe_op size 8 align 4 { op 0 resv 1 flags 2 resv2 4 });

/// Result of `IORING_REGISTER_PROBE`: a header and `ops_len` entries.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_probe {
    pub last_op: __u8,
    pub ops_len: __u8,
    pub resv: __u16,
    pub resv2: [__u32; 3],
    pub ops: [io_uring_probe_op; 0],
}
layout!(io_uring_probe size 16 align 4 { last_op 0 ops_len 1 resv 2 resv2 4 ops 16 });

/// One restriction. `register_op` is also sqe_op and sqe_flags.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_restriction {
    pub opcode: __u16,
    pub register_op: __u8,
    pub resv: __u8,
    pub resv2: [__u32; 3],
}
layout!(io_uring_restriction size 16 align 4 { opcode 0 register_op 2 resv 3 resv2 4 });

/// Restrictions of a task.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_task_restriction {
    pub flags: __u16,
    pub nr_res: __u16,
    pub resv: [__u32; 3],
    pub restrictions: [io_uring_restriction; 0],
}
layout!(io_uring_task_restriction size 16 align 4 { flags 0 nr_res 2 resv 4 restrictions 16 });

/// Argument of `IORING_REGISTER_CLOCK`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_clock_register {
    pub clockid: __u32,
    pub __resv: [__u32; 3],
}
layout!(io_uring_clock_register size 16 align 4 { clockid 0 __resv 4 });

/// Argument of `IORING_REGISTER_CLONE_BUFFERS`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_clone_buffers {
    pub src_fd: __u32,
    pub flags: __u32,
    pub src_off: __u32,
    pub dst_off: __u32,
    pub nr: __u32,
    pub pad: [__u32; 3],
}
layout!(io_uring_clone_buffers size 32 align 4 { src_fd 0 flags 4 src_off 8 dst_off 12 nr 16 pad 20 });

/// A slot of a provided-buffer ring.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_buf {
    pub addr: __u64,
    pub len: __u32,
    pub bid: __u16,
    pub resv: __u16,
}
layout!(io_uring_buf size 16 align 8 { addr 0 len 8 bid 12 resv 14 });

/// A provided-buffer ring: the tail lies in the last two bytes of slot 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_buf_ring {
    pub resv1: __u64,
    pub resv2: __u32,
    pub resv3: __u16,
    pub tail: __u16,
}
layout!(io_uring_buf_ring size 16 align 8 { resv1 0 resv2 8 resv3 12 tail 14 });

/// Argument of `IORING_REGISTER_PBUF_RING`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_buf_reg {
    pub ring_addr: __u64,
    pub ring_entries: __u32,
    pub bgid: __u16,
    pub flags: __u16,
    pub min_left: __u32,
    pub resv: [__u32; 5],
}
layout!(io_uring_buf_reg size 40 align 8 { ring_addr 0 ring_entries 8 bgid 12 flags 14 min_left 16 resv 20 });

/// Argument of `IORING_REGISTER_PBUF_STATUS`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_buf_status {
    pub buf_group: __u32,
    pub head: __u32,
    pub resv: [__u32; 8],
}
layout!(io_uring_buf_status size 40 align 4 { buf_group 0 head 4 resv 8 });

/// Argument of `IORING_REGISTER_NAPI`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_napi {
    pub busy_poll_to: __u32,
    pub prefer_busy_poll: __u8,
    pub pad: [__u8; 3],
    pub resv: __u64,
}
layout!(io_uring_napi size 16 align 8 { busy_poll_to 0 prefer_busy_poll 4 pad 5 resv 8 });

/// A registered wait: what io_uring_enter(2) would be given (64 bytes each).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_reg_wait {
    pub ts: __kernel_timespec,
    pub min_wait_usec: __u32,
    pub flags: __u32,
    pub sigmask: __u64,
    pub sigmask_sz: __u32,
    pub pad: [__u32; 3],
    pub pad2: [__u64; 2],
}
layout!(io_uring_reg_wait size 64 align 8 { ts 0 min_wait_usec 16 flags 20 sigmask 24 sigmask_sz 32 pad 36 pad2 48 });

/// Argument of io_uring_enter(2) with `IORING_ENTER_EXT_ARG`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_getevents_arg {
    pub sigmask: __u64,
    pub sigmask_sz: __u32,
    pub min_wait_usec: __u32,
    pub ts: __u64,
}
layout!(io_uring_getevents_arg size 24 align 8 { sigmask 0 sigmask_sz 8 min_wait_usec 12 ts 16 });

/// Argument of `IORING_REGISTER_SYNC_CANCEL`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_sync_cancel_reg {
    pub addr: __u64,
    pub fd: __s32,
    pub flags: __u32,
    pub timeout: __kernel_timespec,
    pub opcode: __u8,
    pub pad: [__u8; 7],
    pub pad2: [__u64; 3],
}
layout!(io_uring_sync_cancel_reg size 64 align 8 { addr 0 fd 8 flags 12 timeout 16 opcode 32 pad 33 pad2 40 });

/// Argument of `IORING_REGISTER_FILE_ALLOC_RANGE`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_file_index_range {
    pub off: __u32,
    pub len: __u32,
    pub resv: __u64,
}
layout!(io_uring_file_index_range size 16 align 8 { off 0 len 4 resv 8 });

/// Header of what a multishot recvmsg puts into its buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_recvmsg_out {
    pub namelen: __u32,
    pub controllen: __u32,
    pub payloadlen: __u32,
    pub flags: __u32,
}
layout!(io_uring_recvmsg_out size 16 align 4 { namelen 0 controllen 4 payloadlen 8 flags 12 });

/// A time in a time stamp entry.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_timespec {
    pub tv_sec: __u64,
    pub tv_nsec: __u64,
}
layout!(io_timespec size 16 align 8 { tv_sec 0 tv_nsec 8 });

/// An entry of the refill queue.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_zcrx_rqe {
    pub off: __u64,
    pub len: __u32,
    pub __pad: __u32,
}
layout!(io_uring_zcrx_rqe size 16 align 8 { off 0 len 8 __pad 12 });

/// Second half of a zero-copy receive completion.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_zcrx_cqe {
    pub off: __u64,
    pub __pad: __u64,
}
layout!(io_uring_zcrx_cqe size 16 align 8 { off 0 __pad 8 });

/// Where the parts of the refill queue are.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_zcrx_offsets {
    pub head: __u32,
    pub tail: __u32,
    pub rqes: __u32,
    pub __resv2: __u32,
    pub __resv: [__u64; 2],
}
layout!(io_uring_zcrx_offsets size 32 align 8 { head 0 tail 4 rqes 8 __resv2 12 __resv 16 });

/// Describes a zero-copy receive area.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_zcrx_area_reg {
    pub addr: __u64,
    pub len: __u64,
    pub rq_area_token: __u64,
    pub flags: __u32,
    pub dmabuf_fd: __u32,
    pub __resv2: [__u64; 2],
}
layout!(io_uring_zcrx_area_reg size 48 align 8 { addr 0 len 8 rq_area_token 16 flags 24 dmabuf_fd 28 __resv2 32 });

/// Argument of `IORING_REGISTER_ZCRX_IFQ`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_zcrx_ifq_reg {
    pub if_idx: __u32,
    pub if_rxq: __u32,
    pub rq_entries: __u32,
    pub flags: __u32,
    pub area_ptr: __u64,
    pub region_ptr: __u64,
    pub offsets: io_uring_zcrx_offsets,
    pub zcrx_id: __u32,
    pub rx_buf_len: __u32,
    pub __resv: [__u64; 3],
}
layout!(io_uring_zcrx_ifq_reg size 96 align 8 { if_idx 0 if_rxq 4 rq_entries 8 flags 12 area_ptr 16 region_ptr 24 offsets 32 zcrx_id 64 rx_buf_len 68 __resv 72 });

/// Argument of `ZCRX_CTRL_FLUSH_RQ`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct zcrx_ctrl_flush_rq {
    pub __resv: [__u64; 6],
}
layout!(zcrx_ctrl_flush_rq size 48 align 8 { __resv 0 });

/// Argument of `ZCRX_CTRL_EXPORT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct zcrx_ctrl_export {
    pub zcrx_fd: __u32,
    pub __resv1: [__u32; 11],
}
layout!(zcrx_ctrl_export size 48 align 4 { zcrx_fd 0 __resv1 4 });

/// Argument of `IORING_REGISTER_ZCRX_CTRL`; `zc_flush` is also zc_export.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct zcrx_ctrl {
    pub zcrx_id: __u32,
    pub op: __u32,
    pub __resv: [__u64; 2],
    pub zc_flush: zcrx_ctrl_flush_rq,
}
layout!(zcrx_ctrl size 72 align 8 { zcrx_id 0 op 4 __resv 8 zc_flush 24 });

/// Header of a query; queries chain through `next_entry`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_query_hdr {
    pub next_entry: __u64,
    pub query_data: __u64,
    pub query_op: __u32,
    pub size: __u32,
    pub result: __s32,
    pub __resv: [__u32; 3],
}
layout!(io_uring_query_hdr size 40 align 8 { next_entry 0 query_data 8 query_op 16 size 20 result 24 __resv 28 });

/// Answer to `IO_URING_QUERY_OPCODES`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_query_opcode {
    pub nr_request_opcodes: __u32,
    pub nr_register_opcodes: __u32,
    pub feature_flags: __u64,
    pub ring_setup_flags: __u64,
    pub enter_flags: __u64,
    pub sqe_flags: __u64,
    pub nr_query_opcodes: __u32,
    pub __pad: __u32,
}
layout!(io_uring_query_opcode size 48 align 8 { nr_request_opcodes 0 nr_register_opcodes 4 feature_flags 8 ring_setup_flags 16 enter_flags 24 sqe_flags 32 nr_query_opcodes 40 __pad 44 });

/// Answer to `IO_URING_QUERY_ZCRX`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_query_zcrx {
    pub register_flags: __u64,
    pub area_flags: __u64,
    pub nr_ctrl_opcodes: __u32,
    pub features: __u32,
    pub rq_hdr_size: __u32,
    pub rq_hdr_alignment: __u32,
    pub __resv2: __u64,
}
layout!(io_uring_query_zcrx size 40 align 8 { register_flags 0 area_flags 8 nr_ctrl_opcodes 16 features 20 rq_hdr_size 24 rq_hdr_alignment 28 __resv2 32 });

/// Answer to `IO_URING_QUERY_SCQ`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_query_scq {
    pub hdr_size: __u64,
    pub hdr_alignment: __u64,
}
layout!(io_uring_query_scq size 16 align 8 { hdr_size 0 hdr_alignment 8 });

/// What a BPF filter sees; `open` is also socket.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_bpf_ctx {
    pub user_data: __u64,
    pub opcode: __u8,
    pub sqe_flags: __u8,
    pub pdu_size: __u8,
    pub pad: [__u8; 5],
    pub open: io_uring_bpf_open,
}
layout!(io_uring_bpf_ctx size 40 align 8 { user_data 0 opcode 8 sqe_flags 9 pdu_size 10 pad 11 open 16 });

/// Describes a BPF filter.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_bpf_filter {
    pub opcode: __u32,
    pub flags: __u32,
    pub filter_len: __u32,
    pub pdu_size: __u8,
    pub resv: [__u8; 3],
    pub filter_ptr: __u64,
    pub resv2: [__u64; 5],
}
layout!(io_uring_bpf_filter size 64 align 8 { opcode 0 flags 4 filter_len 8 pdu_size 12 resv 13 filter_ptr 16 resv2 24 });

/// Argument of `IORING_REGISTER_BPF_FILTER`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_bpf {
    pub cmd_type: __u16,
    pub cmd_flags: __u16,
    pub resv: __u32,
    pub filter: io_uring_bpf_filter,
}
layout!(io_uring_bpf size 72 align 8 { cmd_type 0 cmd_flags 2 resv 4 filter 8 });

/// Submission side of a ring.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_sq {
    pub khead: *mut c_uint,
    pub ktail: *mut c_uint,
    pub kring_mask: *mut c_uint,
    pub kring_entries: *mut c_uint,
    pub kflags: *mut c_uint,
    pub kdropped: *mut c_uint,
    pub array: *mut c_uint,
    pub sqes: *mut io_uring_sqe,
    pub sqe_head: c_uint,
    pub sqe_tail: c_uint,
    pub ring_sz: size_t,
    pub ring_ptr: *mut c_void,
    pub ring_mask: c_uint,
    pub ring_entries: c_uint,
    pub sqes_sz: c_uint,
    pub pad: c_uint,
}
layout!(io_uring_sq size 104 align 8 { khead 0 ktail 8 kring_mask 16 kring_entries 24 kflags 32 kdropped 40 array 48 sqes 56 sqe_head 64 sqe_tail 68 ring_sz 72 ring_ptr 80 ring_mask 88 ring_entries 92 sqes_sz 96 pad 100 });

/// Completion side of a ring.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_cq {
    pub khead: *mut c_uint,
    pub ktail: *mut c_uint,
    pub kring_mask: *mut c_uint,
    pub kring_entries: *mut c_uint,
    pub kflags: *mut c_uint,
    pub koverflow: *mut c_uint,
    pub cqes: *mut io_uring_cqe,
    pub ring_sz: size_t,
    pub ring_ptr: *mut c_void,
    pub ring_mask: c_uint,
    pub ring_entries: c_uint,
    pub pad: [c_uint; 2],
}
layout!(io_uring_cq size 88 align 8 { khead 0 ktail 8 kring_mask 16 kring_entries 24 kflags 32 koverflow 40 cqes 48 ring_sz 56 ring_ptr 64 ring_mask 72 ring_entries 76 pad 80 });

/// A ring, as programs hold it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring {
    pub sq: io_uring_sq,
    pub cq: io_uring_cq,
    pub flags: c_uint,
    pub ring_fd: c_int,
    pub features: c_uint,
    pub enter_ring_fd: c_int,
    pub int_flags: __u8,
    pub pad: [__u8; 3],
    pub pad2: c_uint,
}
layout!(io_uring size 216 align 8 { sq 0 cq 104 flags 192 ring_fd 196 features 200 enter_ring_fd 204 int_flags 208 pad 209 pad2 212 });

/// Refill queue of zero-copy receive.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_zcrx_rq {
    pub khead: *mut __u32,
    pub ktail: *mut __u32,
    pub rq_tail: __u32,
    pub ring_entries: c_uint,
    pub rqes: *mut io_uring_zcrx_rqe,
    pub ring_ptr: *mut c_void,
}
layout!(io_uring_zcrx_rq size 40 align 8 { khead 0 ktail 8 rq_tail 16 ring_entries 20 rqes 24 ring_ptr 32 });

/// A walk over the completions that were ready when it began.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct io_uring_cqe_iter {
    pub cqes: *mut io_uring_cqe,
    pub mask: c_uint,
    pub shift: c_uint,
    pub head: c_uint,
    pub tail: c_uint,
}
layout!(io_uring_cqe_iter size 24 align 8 { cqes 0 mask 8 shift 12 head 16 tail 20 });
