//! The register calls: opcode, what it does, first kernel.

use anyring_abi as abi;

/// A register call of io_uring_register(2).
#[derive(Clone, Copy, Debug)]
pub struct RegisterCall {
    /// Its opcode.
    pub opcode: u32,
    /// Name of the opcode in C.
    pub name: &'static str,
    /// First kernel that has it, as (major, minor); `None` when it is newer
    /// than every released kernel known here (6.18).
    pub kernel: Option<(u8, u8)>,
    /// Functions of the library that make this call.
    pub functions: &'static [&'static str],
}

/// All register calls in the order of their opcodes.
#[rustfmt::skip]
pub static REGISTER_CALLS: &[RegisterCall] = &[
    RegisterCall { opcode: abi::IORING_REGISTER_BUFFERS, name: "IORING_REGISTER_BUFFERS", kernel: Some((5, 1)), functions: &["io_uring_register_buffers"] },
    RegisterCall { opcode: abi::IORING_UNREGISTER_BUFFERS, name: "IORING_UNREGISTER_BUFFERS", kernel: Some((5, 1)), functions: &["io_uring_unregister_buffers"] },
    RegisterCall { opcode: abi::IORING_REGISTER_FILES, name: "IORING_REGISTER_FILES", kernel: Some((5, 1)), functions: &["io_uring_register_files"] },
    RegisterCall { opcode: abi::IORING_UNREGISTER_FILES, name: "IORING_UNREGISTER_FILES", kernel: Some((5, 1)), functions: &["io_uring_unregister_files"] },
    RegisterCall { opcode: abi::IORING_REGISTER_EVENTFD, name: "IORING_REGISTER_EVENTFD", kernel: Some((5, 2)), functions: &["io_uring_register_eventfd"] },
    RegisterCall { opcode: abi::IORING_UNREGISTER_EVENTFD, name: "IORING_UNREGISTER_EVENTFD", kernel: Some((5, 2)), functions: &["io_uring_unregister_eventfd"] },
    RegisterCall { opcode: abi::IORING_REGISTER_FILES_UPDATE, name: "IORING_REGISTER_FILES_UPDATE", kernel: Some((5, 5)), functions: &["io_uring_register_files_update"] },
    RegisterCall { opcode: abi::IORING_REGISTER_EVENTFD_ASYNC, name: "IORING_REGISTER_EVENTFD_ASYNC", kernel: Some((5, 6)), functions: &["io_uring_register_eventfd_async"] },
    RegisterCall { opcode: abi::IORING_REGISTER_PROBE, name: "IORING_REGISTER_PROBE", kernel: Some((5, 6)), functions: &["io_uring_register_probe", "io_uring_get_probe_ring", "io_uring_get_probe"] },
    RegisterCall { opcode: abi::IORING_REGISTER_PERSONALITY, name: "IORING_REGISTER_PERSONALITY", kernel: Some((5, 6)), functions: &["io_uring_register_personality"] },
    RegisterCall { opcode: abi::IORING_UNREGISTER_PERSONALITY, name: "IORING_UNREGISTER_PERSONALITY", kernel: Some((5, 6)), functions: &["io_uring_unregister_personality"] },
    RegisterCall { opcode: abi::IORING_REGISTER_RESTRICTIONS, name: "IORING_REGISTER_RESTRICTIONS", kernel: Some((5, 10)), functions: &["io_uring_register_restrictions"] },
    RegisterCall { opcode: abi::IORING_REGISTER_ENABLE_RINGS, name: "IORING_REGISTER_ENABLE_RINGS", kernel: Some((5, 10)), functions: &["io_uring_enable_rings"] },
    RegisterCall { opcode: abi::IORING_REGISTER_FILES2, name: "IORING_REGISTER_FILES2", kernel: Some((5, 13)), functions: &["io_uring_register_files_tags", "io_uring_register_files_sparse"] },
    RegisterCall { opcode: abi::IORING_REGISTER_FILES_UPDATE2, name: "IORING_REGISTER_FILES_UPDATE2", kernel: Some((5, 13)), functions: &["io_uring_register_files_update_tag"] },
    RegisterCall { opcode: abi::IORING_REGISTER_BUFFERS2, name: "IORING_REGISTER_BUFFERS2", kernel: Some((5, 13)), functions: &["io_uring_register_buffers_tags", "io_uring_register_buffers_sparse"] },
    RegisterCall { opcode: abi::IORING_REGISTER_BUFFERS_UPDATE, name: "IORING_REGISTER_BUFFERS_UPDATE", kernel: Some((5, 13)), functions: &["io_uring_register_buffers_update_tag"] },
    RegisterCall { opcode: abi::IORING_REGISTER_IOWQ_AFF, name: "IORING_REGISTER_IOWQ_AFF", kernel: Some((5, 14)), functions: &["io_uring_register_iowq_aff"] },
    RegisterCall { opcode: abi::IORING_UNREGISTER_IOWQ_AFF, name: "IORING_UNREGISTER_IOWQ_AFF", kernel: Some((5, 14)), functions: &["io_uring_unregister_iowq_aff"] },
    RegisterCall { opcode: abi::IORING_REGISTER_IOWQ_MAX_WORKERS, name: "IORING_REGISTER_IOWQ_MAX_WORKERS", kernel: Some((5, 15)), functions: &["io_uring_register_iowq_max_workers"] },
    RegisterCall { opcode: abi::IORING_REGISTER_RING_FDS, name: "IORING_REGISTER_RING_FDS", kernel: Some((5, 18)), functions: &["io_uring_register_ring_fd"] },
    RegisterCall { opcode: abi::IORING_UNREGISTER_RING_FDS, name: "IORING_UNREGISTER_RING_FDS", kernel: Some((5, 18)), functions: &["io_uring_unregister_ring_fd"] },
    RegisterCall { opcode: abi::IORING_REGISTER_PBUF_RING, name: "IORING_REGISTER_PBUF_RING", kernel: Some((5, 19)), functions: &["io_uring_register_buf_ring", "io_uring_setup_buf_ring"] },
    RegisterCall { opcode: abi::IORING_UNREGISTER_PBUF_RING, name: "IORING_UNREGISTER_PBUF_RING", kernel: Some((5, 19)), functions: &["io_uring_unregister_buf_ring", "io_uring_free_buf_ring"] },
    RegisterCall { opcode: abi::IORING_REGISTER_SYNC_CANCEL, name: "IORING_REGISTER_SYNC_CANCEL", kernel: Some((6, 0)), functions: &["io_uring_register_sync_cancel"] },
    RegisterCall { opcode: abi::IORING_REGISTER_FILE_ALLOC_RANGE, name: "IORING_REGISTER_FILE_ALLOC_RANGE", kernel: Some((6, 0)), functions: &["io_uring_register_file_alloc_range"] },
    RegisterCall { opcode: abi::IORING_REGISTER_PBUF_STATUS, name: "IORING_REGISTER_PBUF_STATUS", kernel: Some((6, 8)), functions: &["io_uring_buf_ring_head"] },
    RegisterCall { opcode: abi::IORING_REGISTER_NAPI, name: "IORING_REGISTER_NAPI", kernel: Some((6, 9)), functions: &["io_uring_register_napi"] },
    RegisterCall { opcode: abi::IORING_UNREGISTER_NAPI, name: "IORING_UNREGISTER_NAPI", kernel: Some((6, 9)), functions: &["io_uring_unregister_napi"] },
    RegisterCall { opcode: abi::IORING_REGISTER_CLOCK, name: "IORING_REGISTER_CLOCK", kernel: Some((6, 12)), functions: &["io_uring_register_clock"] },
    RegisterCall { opcode: abi::IORING_REGISTER_CLONE_BUFFERS, name: "IORING_REGISTER_CLONE_BUFFERS", kernel: Some((6, 12)), functions: &["__io_uring_clone_buffers_offset", "io_uring_clone_buffers_offset", "__io_uring_clone_buffers", "io_uring_clone_buffers"] },
    RegisterCall { opcode: abi::IORING_REGISTER_SEND_MSG_RING, name: "IORING_REGISTER_SEND_MSG_RING", kernel: Some((6, 13)), functions: &["io_uring_register_sync_msg"] },
    RegisterCall { opcode: abi::IORING_REGISTER_ZCRX_IFQ, name: "IORING_REGISTER_ZCRX_IFQ", kernel: Some((6, 15)), functions: &["io_uring_register_ifq"] },
    RegisterCall { opcode: abi::IORING_REGISTER_RESIZE_RINGS, name: "IORING_REGISTER_RESIZE_RINGS", kernel: Some((6, 13)), functions: &["io_uring_resize_rings"] },
    RegisterCall { opcode: abi::IORING_REGISTER_MEM_REGION, name: "IORING_REGISTER_MEM_REGION", kernel: Some((6, 13)), functions: &["io_uring_register_region"] },
    RegisterCall { opcode: abi::IORING_REGISTER_QUERY, name: "IORING_REGISTER_QUERY", kernel: Some((6, 18)), functions: &["io_uring_register_query"] },
    RegisterCall { opcode: abi::IORING_REGISTER_ZCRX_CTRL, name: "IORING_REGISTER_ZCRX_CTRL", kernel: None, functions: &["io_uring_register_zcrx_ctrl"] },
    RegisterCall { opcode: abi::IORING_REGISTER_BPF_FILTER, name: "IORING_REGISTER_BPF_FILTER", kernel: None, functions: &["io_uring_register_bpf_filter", "io_uring_register_bpf_filter_task"] },
];
