//! Operations whose arguments are numbers.

use anyring::prep;
use pyo3::prelude::*;

use crate::args::{Data, I32, I64, Tag, U32, U64, or_zero};
use crate::sqe::{Sqe, entry};

/// `name(required; optional) => the core's function`; what is optional is zero
/// when it is None or left out.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($($need:ident: $kind:ty),*; $($may:ident: $other:ty),*)
        => $core:ident($($arg:expr),*);)*) => {
        $($(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (sqe, $($need,)* /, $($may = None),*))]
        fn $name(sqe: &Bound<'_, Sqe>, $($need: $kind,)* $($may: Option<$other>),*) -> PyResult<()> {
            $(let $need = $need.0;)*
            $(let $may = or_zero($may);)*
            entry(sqe)?.prepare(Default::default(), |raw| prep::$core(raw, $($arg),*))
        })*

        /// Adds what this file has to the module.
        pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

numbers! {
    /// Does nothing, in an entry of 128 bytes. Newer than kernel 6.18.
    io_uring_prep_nop128(;) => prep_nop128();
    /// Writes a file's data to its device. Kernel 5.1.
    io_uring_prep_fsync(fd: I32; fsync_flags: U32) => prep_fsync(fd, fsync_flags);
    /// Sets a file's size in bytes. Kernel 6.9.
    io_uring_prep_ftruncate(fd: I32; len: I64) => prep_ftruncate(fd, len);
    /// `(fd, offset, len, advice)`: announces how a file will be read. Kernel 5.6.
    _fadvise(fd: I32, offset: U64, len: U32, advice: I32;) =>
        prep_fadvise(fd, offset, len, advice);
    /// `(fd, offset, len, advice)`. Kernel 6.11.
    _fadvise64(fd: I32, offset: U64, len: I64, advice: I32;) =>
        prep_fadvise64(fd, offset, len, advice);
    /// `(fd, mode, offset, len)`: reserves space. Kernel 5.6.
    _fallocate(fd: I32, mode: I32, offset: U64, len: U64;) =>
        prep_fallocate(fd, mode, offset, len);
    /// Writes a range of a file to its device. Kernel 5.2.
    io_uring_prep_sync_file_range(fd: I32, len: U32; offset: U64, flags: I32) =>
        prep_sync_file_range(fd, len, offset, flags);
    /// Moves bytes between a pipe and a descriptor; offset -1 is the position.
    /// Kernel 5.7.
    io_uring_prep_splice(
        fd_in: I32, off_in: I64, fd_out: I32, off_out: I64, nbytes: U32, splice_flags: U32;
    ) => prep_splice(fd_in, off_in, fd_out, off_out, nbytes, splice_flags);
    /// Copies bytes between pipes. Kernel 5.8.
    io_uring_prep_tee(fd_in: I32, fd_out: I32, nbytes: U32, splice_flags: U32;) =>
        prep_tee(fd_in, fd_out, nbytes, splice_flags);
    /// Closes a descriptor. Kernel 5.6.
    io_uring_prep_close(fd: I32;) => prep_close(fd);
    /// Closes a registered file. Kernel 5.15.
    io_uring_prep_close_direct(file_index: U32;) => prep_close_direct(file_index);
    /// Listens. Kernel 6.11.
    io_uring_prep_listen(fd: I32, backlog: I32;) => prep_listen(fd, backlog);
    /// Shuts a socket down. Kernel 5.11.
    io_uring_prep_shutdown(fd: I32, how: I32;) => prep_shutdown(fd, how);
    /// Makes a socket; the result is its descriptor. Kernel 5.19.
    io_uring_prep_socket(domain: I32, r#type: I32; protocol: I32, flags: U32) =>
        prep_socket(domain, r#type, protocol, flags);
    /// `(domain, type, protocol, file_index, flags)`. Kernel 5.19.
    _socket_direct(domain: I32, kind: I32, protocol: I32, file_index: U32, flags: U32;) =>
        prep_socket_direct(domain, kind, protocol, file_index, flags);
    /// Waits for readiness, once. Kernel 5.1.
    io_uring_prep_poll_add(fd: I32, poll_mask: U32;) => prep_poll_add(fd, poll_mask);
    /// Reports readiness until cancelled. Kernel 5.13.
    io_uring_prep_poll_multishot(fd: I32, poll_mask: U32;) => prep_poll_multishot(fd, poll_mask);
    /// Ends the poll with this tag. Kernel 5.1.
    io_uring_prep_poll_remove(user_data: Data;) => prep_poll_remove(user_data);
    /// Changes what a poll waits for, or its tag, as IORING_POLL_UPDATE_* say.
    /// Kernel 5.13.
    io_uring_prep_poll_update(
        old_user_data: Data, new_user_data: Data, poll_mask: U32; flags: U32
    ) => prep_poll_update(old_user_data, new_user_data, poll_mask, flags);
    /// Removes the timeout with this tag. Kernel 5.5.
    io_uring_prep_timeout_remove(user_data: Data; flags: U32) =>
        prep_timeout_remove(user_data, flags);
    /// Cancels operations with this tag. Kernel 5.5.
    io_uring_prep_cancel(user_data: Tag; flags: I32) => prep_cancel64(user_data, flags);
    /// Cancels operations with this tag. Kernel 5.5.
    io_uring_prep_cancel64(user_data: Data; flags: I32) => prep_cancel64(user_data, flags);
    /// Cancels operations on a descriptor. Kernel 5.19.
    io_uring_prep_cancel_fd(fd: I32; flags: U32) => prep_cancel_fd(fd, flags);
    /// Posts a completion with this res and tag to another ring. Kernel 5.18.
    io_uring_prep_msg_ring(fd: I32, len: U32, data: Data; flags: U32) =>
        prep_msg_ring(fd, len, data, flags);
    /// `(fd, len, data, flags, cqe_flags)`. Kernel 6.3.
    _msg_ring_cqe_flags(fd: I32, len: U32, data: Data, flags: U32, cqe_flags: U32;) =>
        prep_msg_ring_cqe_flags(fd, len, data, flags, cqe_flags);
    /// Gives a registered file to a slot of another ring. Kernel 6.0.
    io_uring_prep_msg_ring_fd(fd: I32, source_fd: I32, target_fd: I32, data: Data; flags: U32) =>
        prep_msg_ring_fd(fd, source_fd, target_fd, data, flags);
    /// The same, into a free slot. Kernel 6.0.
    io_uring_prep_msg_ring_fd_alloc(fd: I32, source_fd: I32, data: Data; flags: U32) =>
        prep_msg_ring_fd_alloc(fd, source_fd, data, flags);
    /// Makes a descriptor of a registered file. Kernel 6.8.
    io_uring_prep_fixed_fd_install(fd: I32; flags: U32) => prep_fixed_fd_install(fd, flags);
    /// Takes buffers from a group. Kernel 5.7.
    io_uring_prep_remove_buffers(nr: I32, bgid: I32;) => prep_remove_buffers(nr, bgid);
    /// `(fd, nbytes, offset, buf_group)`: reads until stopped. Kernel 6.7.
    _read_multishot(fd: I32, nbytes: U32, offset: U64, buf_group: I32;) =>
        prep_read_multishot(fd, nbytes, offset, buf_group);
    /// Sends what provided buffers hold; a send of this length at most.
    /// Kernel 6.10.
    io_uring_prep_send_bundle(sockfd: I32; len: U64, flags: I32) =>
        prep_send_bundle(sockfd, len as usize, flags);
    /// A command of the file's own, without a payload. Kernel 5.19.
    io_uring_prep_uring_cmd(cmd_op: I32, fd: I32;) => prep_uring_cmd(cmd_op, fd);
    /// The same in an entry of 128 bytes. Newer than kernel 6.18.
    io_uring_prep_uring_cmd128(cmd_op: I32, fd: I32;) => prep_uring_cmd128(cmd_op, fd);
    /// Discards a range of a block device. Kernel 6.12.
    io_uring_prep_cmd_discard(fd: I32, offset: U64, nbytes: U64;) =>
        prep_cmd_discard(fd, offset, nbytes);
    /// Resets all zones of a block device. Newer than kernel 6.18.
    io_uring_prep_cmd_zone_reset_all(fd: I32;) => prep_cmd_zone_reset_all(fd);
}
