//! Register calls, and questions about a ring.

use std::ffi::c_void;

use anyring::Kernel;
use anyring::register::{CloneRange, register_without_ring};
use anyring_abi as abi;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::args::{Data, I32, Truth, U32};
use crate::core::{checked, raise};
use crate::handle::{Handle, native};
use crate::inflight::Token;
use crate::keep::pinned;
use crate::make::Many;
use crate::owner::Named;
use crate::pycore::tags_for;
use crate::sqe::{Sqe, entry};

/// Runs a call on the ring; `-errno` becomes an OSError.
macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $kind:ty),*) = |$ring:ident| $call:expr;)*) => {
        $($(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (ring, $($arg,)* /))]
        fn $name(ring: &Bound<'_, Handle>, $($arg: $kind),*) -> PyResult<u32> {
            let core = native(ring)?;
            let mut state = core.get().lock(ring.py())?;
            let $ring = state.queue()?.ring();
            $(let $arg = $arg.0;)*
            checked($call)
        })*

        fn add_calls(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

calls! {
    /// Registers an empty table of files. Kernel 5.19.
    io_uring_register_files_sparse(nr: U32) = |target| target.register_files_sparse(nr);
    /// Registers an empty table of buffers. Kernel 5.19.
    io_uring_register_buffers_sparse(nr: U32) =
        |target| target.register_sparse(anyring::register::Table::Buffers, nr);
    /// Where the kernel chooses slots of the file table. Kernel 6.0.
    io_uring_register_file_alloc_range(off: U32, len: U32) =
        |target| target.register_file_alloc_range(off, len);
    /// Signals the eventfd at completions that did not end at once. Kernel 5.6.
    io_uring_register_eventfd_async(fd: I32) =
        |target| target.register_eventfd(anyring::register::Signals::Async, fd);
    /// Registers the credentials of the process; their number. Kernel 5.6.
    io_uring_register_personality() =
        |target| target.register_plain(abi::IORING_REGISTER_PERSONALITY);
    /// Takes credentials back. Kernel 5.6.
    io_uring_unregister_personality(id: I32) =
        |target| target.register_number(abi::IORING_UNREGISTER_PERSONALITY, id as u32);
    /// Starts a ring made with IORING_SETUP_R_DISABLED. Kernel 5.10.
    io_uring_enable_rings() =
        |target| target.register_plain(abi::IORING_REGISTER_ENABLE_RINGS);
    /// Whether waiting counts as waiting for I/O. Kernel 6.15.
    io_uring_set_iowait(enable_iowait: Truth) = |target| target.set_iowait(enable_iowait);
    /// Enable or disable completion notifications on the eventfd. Kernel 5.8.
    io_uring_cq_eventfd_toggle(enabled: Truth) = |target| target.cq_eventfd_toggle(enabled);
    /// Registers the ring's descriptor with the thread: cheaper calls; 1.
    /// Kernel 5.18.
    io_uring_register_ring_fd() = |target| target.register_ring_fd();
    /// Takes that back; 1. Kernel 5.18.
    io_uring_unregister_ring_fd() = |target| target.unregister_ring_fd();
    /// Closes the descriptor of a ring that is registered; 1. Kernel 6.3.
    io_uring_close_ring_fd() = |target| target.close_ring_fd();
    /// Keeps the ring's memory out of forked children; 0.
    io_uring_ring_dontfork() = |target| target.dontfork();
    /// Gives the worker threads of this process their processors back.
    /// Kernel 5.14.
    io_uring_unregister_iowq_aff() =
        |target| target.register_plain(abi::IORING_UNREGISTER_IOWQ_AFF);
    /// Where the kernel takes the next entry.
    io_uring_load_sq_head() = |target| (target.sq_head() & i32::MAX as u32) as i32;
}

/// Replaces registered files, with tags if given; the number replaced.
/// Kernel 5.5, tags 5.13.
#[pyfunction]
fn _files_update(
    ring: &Bound<'_, Handle>,
    files: Many<i32>,
    offset: u32,
    tags: Option<Many<u64>>,
) -> PyResult<u32> {
    let Many(files) = files;
    let mut tags = tags_for(tags, files.len())?;
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    let target = state.queue()?.ring();
    let count = files.len() as u32;
    // SAFETY: the kernel copies both lists during the call.
    checked(unsafe {
        if tags.is_empty() {
            target.register_files_update(offset, files.as_ptr(), count)
        } else {
            tags.resize(files.len(), 0);
            let place = files.as_ptr().cast();
            let opcode = abi::IORING_REGISTER_FILES_UPDATE2;
            target.update_resources(opcode, offset, place, tags.as_ptr(), count)
        }
    })
}

/// Registers files with a tag each; 0. Kernel 5.13.
#[pyfunction]
fn _files_tags(ring: &Bound<'_, Handle>, files: Many<i32>, tags: Many<u64>) -> PyResult<u32> {
    let Many(files) = files;
    let tags = tags_for(Some(tags), files.len())?;
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    let target = state.queue()?.ring();
    // SAFETY: the kernel copies both lists during the call.
    checked(unsafe {
        target.register_files_tags(files.as_ptr(), tags.as_ptr(), files.len() as u32)
    })
}

/// Return whether completion notifications on the eventfd are enabled.
#[pyfunction]
#[pyo3(signature = (ring, /))]
fn io_uring_cq_eventfd_enabled(ring: &Bound<'_, Handle>) -> PyResult<bool> {
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    Ok(state.queue()?.ring().cq_eventfd_enabled())
}

/// Whether the kernel holds completions that did not fit.
#[pyfunction]
#[pyo3(signature = (ring, /))]
fn io_uring_cq_has_overflow(ring: &Bound<'_, Handle>) -> PyResult<bool> {
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    Ok(state.queue()?.ring().cq_has_overflow())
}

/// Waits until the kernel's thread has taken an entry of a full queue; 0
/// without IORING_SETUP_SQPOLL.
#[pyfunction]
#[pyo3(signature = (ring, /))]
fn io_uring_sqring_wait(ring: &Bound<'_, Handle>) -> PyResult<u32> {
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    let polled = state.queue()?.raw().flags & abi::IORING_SETUP_SQPOLL != 0;
    checked(state.queue()?.ring().sqring_wait()).or_else(|error| {
        ring.py().check_signals()?;
        if polled { Err(error) } else { Ok(0) }
    })
}

/// Shares the registered buffers of another ring; 0. Kernel 6.12, with
/// offsets 6.13.
#[pyfunction]
#[pyo3(signature = (dst_ring, src_ring, dst_off, src_off, nr, flags))]
fn _clone_buffers(
    dst_ring: &Bound<'_, Handle>,
    src_ring: &Bound<'_, Handle>,
    dst_off: U32,
    src_off: U32,
    nr: U32,
    flags: U32,
) -> PyResult<u32> {
    let py = dst_ring.py();
    let (dst, src) = (native(dst_ring)?, native(src_ring)?);
    let mut state = dst.get().lock(py)?;
    let target = state.queue()?.ring();
    let range = CloneRange::new(src_off.0, dst_off.0, nr.0);
    let flags = flags.0 | abi::IORING_REGISTER_SRC_REGISTERED;
    if dst.is(&src) {
        return checked(target.clone_buffers(target, range, flags));
    }
    let mut other = src.get().lock(py)?;
    let source = other.queue()?.ring();
    if !source.kernel().is_named_here() {
        return Err(raise(anyring::Errno(libc::EBADF)));
    }
    let result = checked(target.clone_buffers(source, range, flags))?;
    // Either ring may outlive the other.
    state.registered.extend(other.registered.iter().cloned());
    Ok(result)
}

/// Register calls whose argument is a block of numbers: `(opcode, size of the
/// block, number of arguments)`; 0 counts the blocks, SIZE gives their bytes.
const BLOCKS: &[(u32, usize, u32)] = &[
    (abi::IORING_REGISTER_CLOCK, 16, 0),
    (abi::IORING_REGISTER_NAPI, 16, 1),
    (abi::IORING_UNREGISTER_NAPI, 16, 1),
    (abi::IORING_REGISTER_ZCRX_CTRL, 72, 0),
    (abi::IORING_REGISTER_IOWQ_MAX_WORKERS, 8, 2),
];

/// `(ring, opcode, block)`: a register call with a block of numbers, to which
/// the kernel may write back.
#[pyfunction]
fn _register_block(
    ring: &Bound<'_, Handle>,
    opcode: u32,
    block: &Bound<'_, PyAny>,
) -> PyResult<u32> {
    let known = BLOCKS.iter().find(|(known, _, _)| *known == opcode);
    let Some(&(_, size, count)) = known else {
        return Err(crate::make::raised::<PyValueError>(
            "not a call with a block of numbers",
        ));
    };
    let pinned = pinned(block, true)?;
    if pinned.len() < size {
        return Err(crate::make::raised::<PyValueError>(
            "the block is too small",
        ));
    }
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    let place = pinned.address() as *const c_void;
    // SAFETY: a block of the size the call has, without addresses in it.
    checked(unsafe { state.queue()?.ring().register(opcode, place, count) })
}

/// `(ring, blocks)`: what the ring may do, 16 bytes each, while it is disabled.
#[pyfunction]
fn _restrictions(ring: &Bound<'_, Handle>, blocks: &[u8]) -> PyResult<u32> {
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    let words: Vec<[u8; 16]> = blocks
        .chunks_exact(16)
        .map(|block| block.try_into().unwrap_or_default())
        .collect();
    let target = state.queue()?.ring();
    let (opcode, count) = (abi::IORING_REGISTER_RESTRICTIONS, words.len() as u32);
    // SAFETY: as many blocks of the size the call has, without addresses.
    checked(unsafe { target.register(opcode, words.as_ptr().cast(), count) })
}

/// `(ring, mask)`: processors of the worker threads, a bit each. Kernel 5.14.
#[pyfunction]
fn _iowq_aff(ring: &Bound<'_, Handle>, mask: &[u8]) -> PyResult<u32> {
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    let target = state.queue()?.ring();
    // SAFETY: the kernel copies that many bytes.
    checked(unsafe { target.register_iowq_aff(mask.len(), mask.as_ptr().cast()) })
}

/// `(ring, user_data, fd, flags, seconds, nanoseconds, opcode)`: cancels and
/// waits until that is done; the number cancelled, or 0. Kernel 6.0.
#[pyfunction]
fn _sync_cancel(
    ring: &Bound<'_, Handle>,
    user_data: u64,
    fd: i32,
    flags: u32,
    seconds: i64,
    nanoseconds: i64,
    opcode: u8,
) -> PyResult<u32> {
    let py = ring.py();
    let core = native(ring)?;
    let mut state = core.get().lock(py)?;
    state.stage(py)?;
    let (by_tag, all) = crate::core::cancels_by_tag(flags);
    let tokens = if by_tag {
        state.tokens_of(user_data, all)
    } else {
        vec![Token::NOBODY]
    };
    let target = crate::core::Raw(state.queue()?.ring());
    let mut total = 0;
    for token in tokens {
        // SAFETY: plain numbers.
        let mut reg: abi::io_uring_sync_cancel_reg = unsafe { std::mem::zeroed() };
        reg.addr = token.tag();
        reg.fd = fd;
        reg.flags = flags;
        reg.timeout.tv_sec = seconds;
        reg.timeout.tv_nsec = nanoseconds as _;
        reg.opcode = opcode;
        let result = crate::detach::detach(py, move || {
            let place = (&raw const reg).cast();
            // SAFETY: valid through the call, which copies it.
            unsafe {
                target
                    .ring()
                    .register(abi::IORING_REGISTER_SYNC_CANCEL, place, 1)
            }
        });
        match checked(result) {
            Ok(count) => total += count,
            Err(error) => {
                py.check_signals()?;
                return Err(error);
            }
        }
    }
    Ok(total)
}

/// Sends the message a msg_ring function prepared, without a ring of one's
/// own; 0. Kernel 6.13.
#[pyfunction]
#[pyo3(signature = (sqe, /))]
fn io_uring_register_sync_msg(sqe: &Bound<'_, Sqe>) -> PyResult<u32> {
    let mut entry = entry(sqe)?;
    let raw = entry.open()?.raw;
    if u32::from(raw.opcode) != abi::IORING_OP_MSG_RING {
        return Err(crate::os_error(libc::EINVAL));
    }
    Data::of(raw.off)?;
    let place = (&raw const raw).cast();
    // SAFETY: valid through the call; a message holds no address.
    checked(unsafe {
        register_without_ring(crate::KERNEL, abi::IORING_REGISTER_SEND_MSG_RING, place, 1)
    })
}

/// `(ring, if_idx, if_rxq, rq_entries, flags)`: a zero-copy receive queue.
/// The kernel wants a network device that can; no memory is given here, so it
/// answers with an error where there is one. Kernel 6.15.
#[pyfunction]
fn _register_ifq(
    ring: &Bound<'_, Handle>,
    if_idx: u32,
    if_rxq: u32,
    rq_entries: u32,
    flags: u32,
) -> PyResult<u32> {
    // SAFETY: plain numbers.
    let mut reg: abi::io_uring_zcrx_ifq_reg = unsafe { std::mem::zeroed() };
    reg.if_idx = if_idx;
    reg.if_rxq = if_rxq;
    reg.rq_entries = rq_entries;
    reg.flags = flags;
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    let target = state.queue()?.ring();
    let place = (&raw const reg).cast();
    // SAFETY: valid through the call; its addresses are NULL.
    checked(unsafe { target.register(abi::IORING_REGISTER_ZCRX_IFQ, place, 1) })
}

/// `(ring or None, cmd_type, opcode, flags, filters, pdu_size)`: a filter of
/// classic BPF instructions, 8 bytes each. Newer than kernel 6.18.
#[pyfunction]
fn _bpf_filter(
    ring: Option<&Bound<'_, Handle>>,
    cmd_type: u16,
    opcode: u32,
    flags: u32,
    filters: &[u8],
    pdu_size: u8,
    py: Python<'_>,
) -> PyResult<u32> {
    let code: Vec<u64> = filters
        .chunks_exact(8)
        .map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default()))
        .collect();
    // SAFETY: plain numbers.
    let mut bpf: abi::io_uring_bpf = unsafe { std::mem::zeroed() };
    bpf.cmd_type = cmd_type;
    bpf.filter.opcode = opcode;
    bpf.filter.flags = flags;
    bpf.filter.filter_len = code.len() as u32;
    bpf.filter.pdu_size = pdu_size;
    bpf.filter.filter_ptr = code.as_ptr() as u64;
    let place = (&raw const bpf).cast();
    let opcode = abi::IORING_REGISTER_BPF_FILTER;
    match ring {
        Some(ring) => {
            let core = native(ring)?;
            let mut state = core.get().lock(py)?;
            let target = state.queue()?.ring();
            // SAFETY: the kernel copies block and instructions.
            checked(unsafe { target.register(opcode, place, 1) })
        }
        // SAFETY: the kernel copies block and instructions.
        None => checked(unsafe { register_without_ring(crate::KERNEL, opcode, place, 1) }),
    }
}

/// io_uring_register(2) without an argument.
///
/// Raises OSError as the call does, EFAULT where it needs an argument.
#[pyfunction]
fn _register(fd: U32, opcode: U32, nr_args: U32) -> PyResult<u32> {
    let by_index = opcode.0 & abi::IORING_REGISTER_USE_REGISTERED_RING != 0;
    ours(fd.0, by_index)?;
    // SAFETY: the argument is NULL.
    checked(unsafe { crate::KERNEL.register(fd.0 as i32, opcode.0, std::ptr::null(), nr_args.0) })
}

/// RuntimeError for a ring that this process did not make here: what is in its
/// queue refers to memory of another one.
fn ours(fd: u32, by_index: bool) -> PyResult<()> {
    match crate::owner::named(fd as i32, by_index) {
        Named::Ours => Ok(()),
        Named::Foreign => Err(crate::make::foreign()),
    }
}

/// `(fd, to_submit, min_complete, flags, mask)`: io_uring_enter(2).
///
/// Raises OSError as the call does.
#[pyfunction]
fn _enter(
    py: Python<'_>,
    fd: U32,
    to_submit: U32,
    min_complete: U32,
    flags: U32,
    mask: Option<u64>,
    size: usize,
) -> PyResult<u32> {
    if flags.0 & abi::IORING_ENTER_EXT_ARG != 0 && mask.is_some() {
        return Err(crate::make::raised::<PyValueError>(
            "a mask is not an extended argument",
        ));
    }
    ours(fd.0, flags.0 & abi::IORING_ENTER_REGISTERED_RING != 0)?;
    let result = crate::detach::detach(py, || {
        let place = mask
            .as_ref()
            .map_or(std::ptr::null(), |mask| std::ptr::from_ref(mask).cast());
        // SAFETY: NULL or a mask of eight bytes. What an entry of one of our
        // rings points to is kept by that ring.
        unsafe {
            let (fd, size) = (fd.0 as i32, if mask.is_some() { 8 } else { size });
            crate::KERNEL.enter(fd, to_submit.0, min_complete.0, flags.0, place, size)
        }
    });
    checked(result).or_else(|error| {
        py.check_signals()?;
        Err(error)
    })
}

/// Adds what this file has to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add_calls(module)?;
    module.add_function(wrap_pyfunction!(io_uring_cq_eventfd_enabled, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_cq_has_overflow, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_sqring_wait, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_register_sync_msg, module)?)?;
    module.add_function(wrap_pyfunction!(_files_update, module)?)?;
    module.add_function(wrap_pyfunction!(_files_tags, module)?)?;
    module.add_function(wrap_pyfunction!(_clone_buffers, module)?)?;
    module.add_function(wrap_pyfunction!(_register_block, module)?)?;
    module.add_function(wrap_pyfunction!(_restrictions, module)?)?;
    module.add_function(wrap_pyfunction!(_iowq_aff, module)?)?;
    module.add_function(wrap_pyfunction!(_sync_cancel, module)?)?;
    module.add_function(wrap_pyfunction!(_register_ifq, module)?)?;
    module.add_function(wrap_pyfunction!(_bpf_filter, module)?)?;
    module.add_function(wrap_pyfunction!(_register, module)?)?;
    module.add_function(wrap_pyfunction!(_enter, module)?)
}
