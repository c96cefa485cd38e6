//! Rings of provided buffers.

use std::cell::Cell;
use std::sync::Arc;

use anyring_abi as abi;
use anyring_abi::{io_uring_buf, io_uring_buf_reg, io_uring_buf_ring};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::args::{I32, U16, U32, length};
use crate::cell::Locked;
use crate::core::{checked, raise, same_place};
use crate::handle::{Handle, native};
use crate::keep::{Keep, pinned};
use crate::queue::Mapping;

/// The slots, which hold addresses and are never shown to Python, and the
/// buffers that were ever put into them.
pub(crate) struct Memory {
    slots: Mapping,
    entries: u32,
    buffers: Locked<Vec<Keep>>,
    freed: Cell<bool>,
}

// SAFETY: reached with the interpreter lock held, and by the kernel.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn place(&self) -> *mut io_uring_buf_ring {
        self.slots.address().cast()
    }
}

/// A ring of provided buffers, from io_uring_setup_buf_ring or of a BufReg.
/// Every buffer it was given is kept until it is freed or the ring is closed.
#[pyclass(module = "liburing", subclass, frozen)]
pub(crate) struct BufRing {
    memory: Option<Arc<Memory>>,
}

impl BufRing {
    fn memory(&self) -> PyResult<&Arc<Memory>> {
        self.memory
            .as_ref()
            .filter(|memory| !memory.freed.get())
            .ok_or_else(|| {
                crate::make::raised::<PyRuntimeError>(
                    "not a ring of buffers: use io_uring_setup_buf_ring()",
                )
            })
    }

    fn make(entries: u32) -> PyResult<Self> {
        if !entries.is_power_of_two() || entries > 1 << 15 {
            return Err(crate::make::raised::<PyValueError>(
                "a power of two up to 32768 is required",
            ));
        }
        let size = entries as usize * size_of::<io_uring_buf>();
        let memory = Memory {
            slots: Mapping::new(size).map_err(raise)?,
            entries,
            buffers: Locked::new(Vec::new()),
            freed: Cell::new(false),
        };
        Ok(BufRing {
            memory: Some(Arc::new(memory)),
        })
    }
}

#[pymethods]
impl BufRing {
    #[new]
    #[pyo3(signature = ())]
    fn new() -> Self {
        BufRing { memory: None }
    }

    /// Memory for `entries` buffers, to be registered.
    #[staticmethod]
    fn _make(entries: U32) -> PyResult<Self> {
        BufRing::make(entries.0)
    }
}

/// Registers the memory as the group `bgid`; 0.
#[pyfunction]
fn _register_buf_ring(
    ring: &Bound<'_, Handle>,
    br: &Bound<'_, BufRing>,
    bgid: U16,
    flags: U32,
) -> PyResult<u32> {
    let core = native(ring)?;
    let memory = br.get().memory()?;
    if flags.0 & abi::IOU_PBUF_RING_MMAP != 0 {
        return Err(crate::make::raised::<PyValueError>(
            "the memory is never the kernel's here",
        ));
    }
    if flags.0 & !abi::IOU_PBUF_RING_INC != 0 {
        return Err(raise(anyring::Errno(libc::EINVAL)));
    }
    // SAFETY: plain numbers.
    let mut reg: io_uring_buf_reg = unsafe { std::mem::zeroed() };
    reg.ring_addr = memory.place() as u64;
    reg.ring_entries = memory.entries;
    reg.bgid = bgid.0;
    let mut state = core.get().lock(ring.py())?;
    // SAFETY: the memory has that many entries and is kept below.
    let result = unsafe { state.queue()?.ring().register_buf_ring(&mut reg, flags.0) };
    let result = checked(result)?;
    // SAFETY: a mapped buffer ring.
    unsafe { anyring::buffers::init(memory.place()) };
    state.buf_rings.push((bgid.0, memory.clone()));
    Ok(result)
}

/// Unregisters the group; what operations in flight may use stays kept.
#[pyfunction]
fn io_uring_unregister_buf_ring(ring: &Bound<'_, Handle>, bgid: I32) -> PyResult<u32> {
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    let result = checked(state.queue()?.ring().unregister_buf_ring(bgid.0))?;
    let in_flight = state.in_flight() > 0;
    let (gone, kept) = std::mem::take(&mut state.buf_rings)
        .into_iter()
        .partition(|(group, _)| i32::from(*group) == bgid.0);
    state.buf_rings = kept;
    let gone: Vec<_> = gone;
    if in_flight {
        state
            .retired
            .extend(gone.into_iter().map(|(_, memory)| memory));
    } else {
        drop(state);
        drop(gone);
    }
    Ok(result)
}

/// Unregisters and frees the ring of buffers.
#[pyfunction]
fn io_uring_free_buf_ring(
    ring: &Bound<'_, Handle>,
    br: &Bound<'_, BufRing>,
    nentries: U32,
    bgid: I32,
) -> PyResult<u32> {
    let memory = br.get().memory()?;
    if memory.entries != nentries.0 {
        return Err(crate::make::raised::<PyValueError>(
            "the ring has another size",
        ));
    }
    {
        let core = native(ring)?;
        let state = core.get().lock(ring.py())?;
        let registered = state
            .buf_rings
            .iter()
            .any(|(group, held)| i32::from(*group) == bgid.0 && Arc::ptr_eq(held, memory));
        if !registered {
            return Err(raise(anyring::Errno(libc::EINVAL)));
        }
    }
    let result = io_uring_unregister_buf_ring(ring, bgid)?;
    memory.freed.set(true);
    // The program, us, and nobody for operations in flight: the buffers go.
    if Arc::strong_count(memory) == 1 {
        let buffers = std::mem::take(&mut *memory.buffers.lock(ring.py())?);
        drop(buffers);
    }
    Ok(result)
}

/// `(br, buf, len, bid, mask, offset)`: puts a buffer into the slot `offset`
/// behind the tail.
#[pyfunction]
fn _buf_ring_add(
    br: &Bound<'_, BufRing>,
    buf: &Bound<'_, PyAny>,
    len: Option<u64>,
    bid: U16,
    mask: I32,
    offset: I32,
) -> PyResult<()> {
    let memory = br.get().memory()?;
    if mask.0 != anyring::buffers::mask(memory.entries) {
        return Err(crate::make::raised::<PyValueError>(
            "not the mask of this ring",
        ));
    }
    let pinned = pinned(buf, true)?;
    let (place, len) = (pinned.address(), length(pinned.len(), len)?);
    let mut buffers = memory.buffers.lock(br.py())?;
    if !buffers.iter().any(|held| same_place(held, &pinned)) {
        buffers.push(Keep::Pinned(pinned));
    }
    // SAFETY: the memory and the mask of a buffer ring; the buffer is kept.
    unsafe {
        let place = place as *mut std::ffi::c_void;
        anyring::buffers::add(memory.place(), place, len, bid.0, mask.0, offset.0);
    }
    Ok(())
}

/// Shows `count` slots to the kernel.
#[pyfunction]
fn io_uring_buf_ring_advance(br: &Bound<'_, BufRing>, count: I32) -> PyResult<()> {
    let memory = br.get().memory()?;
    // SAFETY: a mapped buffer ring; every slot is empty or has a buffer that
    // is kept.
    unsafe { anyring::buffers::advance(memory.place(), count.0) };
    Ok(())
}

/// Shows `count` slots to the kernel and gives as many completions back.
#[pyfunction]
fn io_uring_buf_ring_cq_advance(
    ring: &Bound<'_, Handle>,
    br: &Bound<'_, BufRing>,
    count: I32,
) -> PyResult<()> {
    io_uring_buf_ring_advance(br, count)?;
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    state.advance_far(usize::try_from(count.0).unwrap_or(0))
}

/// Empties the ring of buffers, from before it is registered.
#[pyfunction]
fn io_uring_buf_ring_init(br: &Bound<'_, BufRing>) -> PyResult<()> {
    // SAFETY: a mapped buffer ring.
    unsafe { anyring::buffers::init(br.get().memory()?.place()) };
    Ok(())
}

/// What wraps slots around: one less than their number.
#[pyfunction]
fn io_uring_buf_ring_mask(ring_entries: U32) -> i32 {
    anyring::buffers::mask(ring_entries.0)
}

/// Buffers that the kernel has not used. Kernel 6.8.
#[pyfunction]
fn io_uring_buf_ring_available(
    ring: &Bound<'_, Handle>,
    br: &Bound<'_, BufRing>,
    bgid: U16,
) -> PyResult<u32> {
    let memory = br.get().memory()?;
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    // SAFETY: a mapped buffer ring.
    checked(unsafe {
        state
            .queue()?
            .ring()
            .buf_ring_available(memory.place(), bgid.0)
    })
}

/// Where the kernel takes the next buffer of the group. Kernel 6.8.
#[pyfunction]
fn _buf_ring_head(ring: &Bound<'_, Handle>, buf_group: I32) -> PyResult<u16> {
    let core = native(ring)?;
    let mut state = core.get().lock(ring.py())?;
    let head = state.queue()?.ring().buf_ring_head(buf_group.0);
    head.map_err(|error| raise(anyring::Errno(-error)))
}

/// Adds what this file has to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<BufRing>()?;
    module.add_function(wrap_pyfunction!(_register_buf_ring, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_unregister_buf_ring, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_free_buf_ring, module)?)?;
    module.add_function(wrap_pyfunction!(_buf_ring_add, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_buf_ring_advance, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_buf_ring_cq_advance, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_buf_ring_init, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_buf_ring_mask, module)?)?;
    module.add_function(wrap_pyfunction!(io_uring_buf_ring_available, module)?)?;
    module.add_function(wrap_pyfunction!(_buf_ring_head, module)?)
}
