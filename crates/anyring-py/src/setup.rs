//! Making rings with parameters, in other memory, or in steps; put_sqe, and
//! waits by registered blocks.

use anyring_abi as abi;
use anyring_abi::{io_uring_params, io_uring_reg_wait};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::args::{I32, U32, U64};
use crate::cell::Locked;
use crate::core::{Raw, checked, raise};
use crate::cqe::Found;
use crate::handle::{Handle, native};
use crate::keep::Keep;
use crate::pycore::Core;
use crate::queue::{Mapping, Queue};
use crate::sqe::SqeArray;

struct Given {
    raw: io_uring_params,
    known: bool,
    /// The ring that io_uring_setup made, until io_uring_queue_mmap hands it over.
    ring: Option<Queue>,
}

impl Drop for Given {
    fn drop(&mut self) {
        if let Some(ring) = self.ring.take() {
            // The descriptor is the program's.
            ring.give_away();
        }
    }
}

/// Parameters of a ring: what is asked for, then what the kernel gave.
/// Reading one raises RuntimeError until one is set or a ring was made.
#[pyclass(module = "liburing", subclass, frozen)]
pub(crate) struct Param {
    given: Locked<Given>,
}

impl Param {
    fn known(&self, py: Python<'_>) -> PyResult<io_uring_params> {
        let given = self.given.lock(py)?;
        if given.known {
            return Ok(given.raw);
        }
        Err(crate::make::raised::<PyRuntimeError>(
            "no ring was made with these yet",
        ))
    }
}

/// Attributes that are one number.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident, $set:ident;)*) => {
        #[pymethods]
        impl Param {
            #[new]
            #[pyo3(signature = ())]
            fn new() -> Self {
                let raw = anyring::ring::setup::params(0);
                let given = Given { raw, known: false, ring: None };
                Param { given: Locked::new(given) }
            }

            $($(#[$doc])*
            #[getter]
            fn $name(&self, py: Python<'_>) -> PyResult<u32> {
                Ok(self.known(py)?.$name)
            }

            #[setter]
            fn $set(&self, py: Python<'_>, value: U32) -> PyResult<()> {
                let mut given = self.given.lock(py)?;
                given.known = true;
                given.raw.$name = value.0;
                Ok(())
            })*
        }
    };
}

numbers! {
    /// Entries of the submission queue.
    sq_entries, set_sq_entries;
    /// Entries of the completion queue (with IORING_SETUP_CQSIZE).
    cq_entries, set_cq_entries;
    /// IORING_SETUP_*.
    flags, set_flags;
    /// Processor of the kernel's thread (with IORING_SETUP_SQ_AFF).
    sq_thread_cpu, set_sq_thread_cpu;
    /// Milliseconds until the kernel's thread sleeps.
    sq_thread_idle, set_sq_thread_idle;
    /// IORING_FEAT_* of the kernel.
    features, set_features;
    /// The ring whose workers are shared (with IORING_SETUP_ATTACH_WQ).
    wq_fd, set_wq_fd;
}

/// `(entries, param, old)`: a ring as the parameters say, which the kernel
/// fills.
#[pyfunction]
fn _init_params(
    py: Python<'_>,
    entries: U32,
    param: &Bound<'_, Param>,
    old: bool,
) -> PyResult<Core> {
    let mut given = param.get().given.lock(py)?;
    let mut raw = given.raw;
    let queue = Queue::new(entries.0, &mut raw).map_err(raise)?;
    given.raw = raw;
    given.known = true;
    Core::of(queue, old)
}

/// `(entries, param, size, old)`: a ring in private memory of that size, and
/// the bytes used.
#[pyfunction]
fn _init_mem(
    py: Python<'_>,
    entries: U32,
    param: &Bound<'_, Param>,
    size: U64,
    old: bool,
) -> PyResult<(Core, u32)> {
    let mut given = param.get().given.lock(py)?;
    let mut raw = given.raw;
    let size = usize::try_from(size.0)?;
    if size == 0 {
        return Err(raise(anyring::Errno(libc::EINVAL)));
    }
    let memory = Mapping::new(size).map_err(raise)?;
    let (queue, used) = Queue::in_memory(entries.0, &mut raw, memory).map_err(raise)?;
    given.raw = raw;
    given.known = true;
    Ok((Core::of(queue, old)?, used))
}

/// io_uring_setup(2): the descriptor, to be given to io_uring_queue_mmap or
/// closed.
#[pyfunction]
#[pyo3(signature = (entries, p, /))]
fn io_uring_setup(py: Python<'_>, entries: U32, p: &Bound<'_, Param>) -> PyResult<u32> {
    let mut given = p.get().given.lock(py)?;
    let mut raw = given.raw;
    let own = abi::IORING_SETUP_NO_MMAP | abi::IORING_SETUP_REGISTERED_FD_ONLY;
    if raw.flags & own != 0 {
        return Err(raise(anyring::Errno(libc::EINVAL)));
    }
    if anyring_engine::choice() == anyring_engine::Choice::Userspace {
        // The bare call is the kernel's alone.
        return Err(raise(anyring::Errno(libc::ENOSYS)));
    }
    let queue = Queue::bare(entries.0, &mut raw).map_err(raise)?;
    let fd = queue.raw().ring_fd;
    if let anyring_engine::Served::Userspace(reason) = anyring_engine::served(fd) {
        return Err(raise(anyring::Errno(reason)));
    }
    if let Some(ring) = given.ring.replace(queue) {
        ring.give_away();
    }
    given.raw = raw;
    given.known = true;
    Ok(fd as u32)
}

/// `(fd, param, old)`: the ring of a descriptor that io_uring_setup made with
/// these parameters. From then on the ring owns the descriptor.
///
/// Raises ValueError for parameters of no ring.
#[pyfunction]
fn _mmap(py: Python<'_>, fd: I32, param: &Bound<'_, Param>, old: bool) -> PyResult<Core> {
    let mut given = param.get().given.lock(py)?;
    let Some(mut queue) = given.ring.take() else {
        return Err(crate::make::raised::<PyValueError>(
            "io_uring_setup() made no ring with these parameters",
        ));
    };
    if !queue.adopt(fd.0) {
        given.ring = Some(queue);
        return Err(crate::make::raised::<PyValueError>(
            "not the descriptor of the ring that io_uring_setup() made with these parameters",
        ));
    }
    Core::of(queue, old)
}

/// Other sizes for a ring in use, as the parameters say; 0. Kernel 6.13, with
/// IORING_SETUP_DEFER_TASKRUN.
#[pyfunction]
#[pyo3(signature = (ring, p, /))]
fn io_uring_resize_rings(ring: &Bound<'_, Handle>, p: &Bound<'_, Param>) -> PyResult<u32> {
    let py = ring.py();
    let core = native(ring)?;
    let mut state = core.get().lock(py)?;
    let mut given = p.get().given.lock(py)?;
    let mut raw = given.raw;
    // One mapping or two, as the ring was made.
    raw.features = state.queue()?.raw().features;
    let result = state.resize(&mut raw)?;
    raw.features = 0;
    given.raw = raw;
    given.known = true;
    Ok(result)
}

/// Copies entries of one's own to the queue; False when there is less room
/// than len(sqe).
#[pyfunction]
#[pyo3(signature = (ring, sqe, /))]
fn put_sqe(ring: &Bound<'_, Handle>, sqe: &Bound<'_, SqeArray>) -> PyResult<bool> {
    let py = ring.py();
    let core = native(ring)?;
    let mut state = core.get().lock(py)?;
    let entries = SqeArray::each(sqe);
    if entries.len() > state.space_left()? {
        return Ok(false);
    }
    for entry in entries {
        let (raw, keep) = {
            let mut entry = crate::sqe::entry(&entry)?;
            let entry = entry.open()?;
            (entry.raw, entry.keep.clone())
        };
        state.put(py, raw, keep)?;
    }
    Ok(true)
}

/// `(entries, flags)`: bytes of locked memory such a ring needs.
#[pyfunction]
fn _mlock_size(entries: u32, flags: u32) -> PyResult<isize> {
    let params = anyring::ring::setup::params(flags);
    match anyring::ring::setup::mlock_size(crate::KERNEL, entries, &params) {
        error if error < 0 => Err(raise(anyring::Errno(-error as i32))),
        size => Ok(size),
    }
}

/// Blocks that waits refer to by number, shared with the kernel.
#[pyclass(module = "liburing._liburing", frozen)]
pub(crate) struct Region {
    memory: std::sync::Arc<Keep>,
    place: u64,
    count: usize,
}

#[pymethods]
impl Region {
    /// Memory for `count` blocks.
    #[new]
    fn new(count: usize) -> PyResult<Self> {
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let size = count
            .checked_mul(size_of::<io_uring_reg_wait>())
            .map(|size| size.next_multiple_of(page).max(page))
            .ok_or_else(|| crate::make::raised::<PyValueError>("too many blocks"))?;
        let memory = Mapping::new(size).map_err(raise)?;
        let (place, count) = (memory.address() as u64, count);
        let memory = std::sync::Arc::new(Keep::Pages(memory));
        Ok(Region {
            memory,
            place,
            count,
        })
    }

    /// `(index, seconds, nanoseconds, least_usec)`: how long the wait with
    /// this number lasts; None for ever.
    fn set(
        &self,
        index: usize,
        seconds: Option<i64>,
        nanoseconds: i64,
        least_usec: u32,
    ) -> PyResult<()> {
        if index >= self.count {
            return Err(crate::make::raised::<PyValueError>("no such block"));
        }
        // SAFETY: plain numbers.
        let mut block: io_uring_reg_wait = unsafe { std::mem::zeroed() };
        if let Some(seconds) = seconds {
            block.flags = abi::IORING_REG_WAIT_TS;
            block.ts.tv_sec = seconds;
            block.ts.tv_nsec = nanoseconds as _;
        }
        block.min_wait_usec = least_usec;
        let place = self.place as *mut io_uring_reg_wait;
        // SAFETY: inside the mapping; the kernel reads it during a wait only.
        unsafe { place.add(index).write_volatile(block) };
        Ok(())
    }
}

/// `(ring, region, flags)`: registers the memory; 0. Kernel 6.13, while the
/// ring is disabled.
#[pyfunction]
fn _register_region(
    ring: &Bound<'_, Handle>,
    region: &Bound<'_, Region>,
    flags: u64,
) -> PyResult<u32> {
    let Keep::Pages(memory) = &*region.get().memory else {
        return Err(crate::make::raised::<PyValueError>("no memory"));
    };
    // SAFETY: plain numbers.
    let mut about: abi::io_uring_region_desc = unsafe { std::mem::zeroed() };
    about.user_addr = memory.address() as u64;
    about.size = memory.size() as u64;
    about.flags = abi::IORING_MEM_REGION_TYPE_USER;
    // SAFETY: plain numbers.
    let mut reg: abi::io_uring_mem_region_reg = unsafe { std::mem::zeroed() };
    reg.region_uptr = &raw const about as u64;
    reg.flags = flags;
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    let target = state.queue()?.ring();
    let place = (&raw const reg).cast();
    // SAFETY: both blocks are valid through the call, the memory is kept.
    let result = unsafe { target.register(abi::IORING_REGISTER_MEM_REGION, place, 1) };
    let result = checked(result)?;
    state.registered.push(region.get().memory.clone());
    Ok(result)
}

/// Submits and waits as the registered block says; the number taken.
///
/// Raises OSError (ETIME) when the time is over. Kernel 6.13.
#[pyfunction]
#[pyo3(signature = (ring, cqe, wait_nr, reg_index, /))]
fn io_uring_submit_and_wait_reg(
    ring: &Bound<'_, Handle>,
    cqe: &Bound<'_, Found>,
    wait_nr: U32,
    reg_index: I32,
) -> PyResult<u32> {
    let py = ring.py();
    let core = native(ring)?;
    let mut state = core.get().lock(py)?;
    state.stage(py)?;
    let held = u32::try_from(state.ready()).unwrap_or(u32::MAX);
    let wait = wait_nr.0.saturating_sub(held);
    let target = Raw(state.queue()?.ring());
    let result = crate::detach::detach(py, move || {
        let waited = target.ring().submit_and_wait_reg(wait, reg_index.0);
        match waited {
            Ok(waited) => waited.result,
            Err(error) => error,
        }
    });
    state.harvest()?;
    cqe.get()._empty(py)?;
    if result == -libc::EINTR {
        py.check_signals()?;
    }
    if state.ready() > 0 {
        cqe.get().fill(&core, &mut state)?;
        if state.ready() >= wait_nr.0 as usize {
            return Ok(result.max(0) as u32);
        }
    }
    checked(result)
}

/// Adds what this file has to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Param>()?;
    module.add_class::<Region>()?;
    module.add_function(wrap_pyfunction!(_init_params, module)?)?;
    module.add_function(wrap_pyfunction!(_mlock_size, module)?)?;
    module.add_function(wrap_pyfunction!(_init_mem, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_setup, module)?)?;
    module.add_function(wrap_pyfunction!(_mmap, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_resize_rings, module)?)?;
    module.add_function(wrap_pyfunction!(put_sqe, module)?)?;
    module.add_function(wrap_pyfunction!(_register_region, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_submit_and_wait_reg, module)?)
}
