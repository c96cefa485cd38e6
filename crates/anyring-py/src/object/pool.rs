//! Provided buffers: memory the kernel takes buffers from as data arrives.

use std::sync::{Arc, Mutex, PoisonError};

use anyring::buffers;
use anyring_abi as abi;
use anyring_abi::io_uring_buf_ring;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PySlice};

use super::engine::Engine;
use super::files::Pinned;
use crate::core::raise;
use crate::make;

/// The ring of slots, and which buffer is in which.
struct Slots {
    /// None when the group was taken back.
    ring: Option<*mut io_uring_buf_ring>,
    /// The buffer in each slot.
    buffers: Vec<u16>,
    /// The slot of each buffer, where it was put last.
    places: Vec<u16>,
    tail: u16,
}

// SAFETY: the mapping belongs to no thread; a mutex is around it.
unsafe impl Send for Slots {}

/// A pool, shared by the ring, by operations in flight and by the program.
pub(super) struct Shared {
    pub(super) group: u16,
    /// Bytes of one buffer.
    pub(super) size: usize,
    count: u16,
    memory: Py<PyByteArray>,
    pinned: Pinned,
    slots: Mutex<Slots>,
}

impl Shared {
    /// The buffer of the pool that a completion names, None when it names none.
    pub(super) fn chosen(&self, flags: u32) -> Option<u16> {
        let id = (flags >> abi::IORING_CQE_BUFFER_SHIFT) as u16;
        (flags & abi::IORING_CQE_F_BUFFER != 0 && id < self.count).then_some(id)
    }

    /// Gives buffers back to the kernel.
    pub(super) fn recycle(&self, ids: &[u16]) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ring) = slots.ring else {
            return;
        };
        let mask = buffers::mask(u32::from(self.count));
        for (place, id) in ids.iter().enumerate() {
            let slot = slots.tail.wrapping_add(place as u16) & (self.count - 1);
            slots.buffers[usize::from(slot)] = *id;
            slots.places[usize::from(*id)] = slot;
            let address = self.pinned.address + u64::from(*id) * self.size as u64;
            // SAFETY: mapped until the slots are gone, which the lock rules
            // out; the buffer lies in the pinned memory.
            unsafe {
                buffers::add(
                    ring,
                    address as *mut libc::c_void,
                    self.size as u32,
                    *id,
                    mask,
                    place as i32,
                );
            }
        }
        slots.tail = slots.tail.wrapping_add(ids.len() as u16);
        // SAFETY: as above.
        unsafe { buffers::advance(ring, ids.len() as i32) };
    }

    /// The buffers that a bundle filled, in their order. To be asked when its
    /// completion arrives: later another one may be in their slots.
    pub(super) fn bundle(&self, res: i32, flags: u32) -> Vec<u16> {
        let Some(first) = self.chosen(flags) else {
            return Vec::new();
        };
        let filled = usize::try_from(res).unwrap_or(0).div_ceil(self.size).max(1);
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let start = usize::from(slots.places[usize::from(first)]);
        let mask = usize::from(self.count) - 1;
        (0..filled.min(mask + 1))
            .map(|step| slots.buffers[(start + step) & mask])
            .collect()
    }

    /// A copy of what a bundle brought; its buffers go back.
    pub(super) fn copy_bundle<'py>(
        &self,
        py: Python<'py>,
        res: i32,
        ids: &[u16],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let length = usize::try_from(res).unwrap_or(0).min(ids.len() * self.size);
        let bytes = PyBytes::new_with(py, length, |bytes| {
            for (part, id) in bytes.chunks_mut(self.size).zip(ids) {
                let from = usize::from(*id) * self.size;
                // SAFETY: inside the pinned memory, which is initialised; the
                // kernel is done with this buffer and has not got it back.
                let filled = unsafe {
                    let first = (self.pinned.address as *const u8).add(from);
                    std::slice::from_raw_parts(first, part.len())
                };
                part.copy_from_slice(filled);
            }
            Ok(())
        })?;
        self.recycle(ids);
        Ok(bytes)
    }

    /// A copy of what arrived, None without a buffer; the buffer goes back.
    pub(super) fn copy<'py>(
        &self,
        py: Python<'py>,
        res: i32,
        flags: u32,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let Some(id) = self.chosen(flags) else {
            return Ok(None);
        };
        let from = usize::from(id) * self.size;
        let length = usize::try_from(res).unwrap_or(0).min(self.size);
        // SAFETY: inside the pinned memory, which is initialised; the kernel
        // is done with this buffer and has not got it back.
        let filled = unsafe {
            let first = (self.pinned.address as *const u8).add(from);
            std::slice::from_raw_parts(first, length)
        };
        let bytes = crate::make::bytes(py, filled)?;
        self.recycle(&[id]);
        Ok(Some(bytes))
    }

    /// A view of what arrived; the buffer stays out until `recycle`.
    pub(super) fn view<'py>(
        &self,
        py: Python<'py>,
        res: i32,
        id: u16,
    ) -> PyResult<Bound<'py, PyAny>> {
        let from = usize::from(id) * self.size;
        let length = usize::try_from(res).unwrap_or(0).min(self.size);
        let whole = PyMemoryView::from(self.memory.bind(py).as_any())?;
        let part = PySlice::new(py, from as isize, (from + length) as isize, 1);
        whole
            .get_item(part)?
            .call_method0(make::names(py)?.toreadonly.bind(py))
    }

    /// Takes the group back and unmaps its slots.
    pub(super) fn detach(&self, ring: &mut crate::OwnRing) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mapped) = slots.ring.take() {
            // SAFETY: it came from setup_buf_ring with this count, and nobody
            // else has it any more.
            unsafe {
                ring.as_ring_ref().free_buf_ring(
                    mapped,
                    u32::from(self.count),
                    i32::from(self.group),
                );
            }
        }
    }
}

/// Buffers of a ring from which the kernel takes one when data arrives.
#[pyclass(module = "liburing", frozen)]
pub(crate) struct BufferPool {
    engine: Py<Engine>,
    shared: Arc<Shared>,
}

impl BufferPool {
    /// The pool, if it is that ring's.
    pub(super) fn of(&self, engine: &Bound<'_, Engine>) -> PyResult<Arc<Shared>> {
        if !self.engine.is(engine) {
            return Err(make::raised::<PyValueError>(
                "the pool belongs to another ring",
            ));
        }
        Ok(Arc::clone(&self.shared))
    }
}

#[pymethods]
impl BufferPool {
    /// The buffer group.
    #[getter]
    fn group(&self) -> u16 {
        self.shared.group
    }

    /// Bytes of one buffer.
    #[getter]
    fn size(&self) -> usize {
        self.shared.size
    }

    /// How many buffers it has.
    fn __len__(&self) -> usize {
        usize::from(self.shared.count)
    }

    /// How many buffers the kernel can take now. Kernel 6.8.
    #[getter]
    fn available(&self, py: Python<'_>) -> PyResult<i32> {
        let mut engine = self.engine.bind(py).try_borrow_mut()?;
        let slots = self
            .shared
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mapped = slots
            .ring
            .ok_or_else(|| make::raised::<PyRuntimeError>("the pool is closed"))?;
        // SAFETY: mapped until the slots are gone, which the lock rules out.
        let found = unsafe {
            engine
                .ring()?
                .as_ring_ref()
                .buf_ring_available(mapped, self.shared.group)
        };
        anyring::check(found).map_err(raise)?;
        Ok(found)
    }

    /// Takes the buffers back. What is in flight with them ends with ENOBUFS
    /// when it needs the next one.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let mut engine = self.engine.bind(py).try_borrow_mut()?;
        engine.ring()?;
        engine.pools.retain(|pool| !Arc::ptr_eq(pool, &self.shared));
        self.shared.detach(engine.ring()?);
        Ok(())
    }

    fn __repr__(&self) -> String {
        let Shared {
            group, size, count, ..
        } = &*self.shared;
        format!("<BufferPool {group}: {count} buffers of {size} bytes>")
    }

    fn __traverse__(&self, visit: pyo3::gc::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.engine)
    }
}

#[pymethods]
impl Engine {
    /// Makes a pool of `count` buffers, a power of two up to 32768, of `size`
    /// bytes. Kernel 5.19.
    fn buffer_pool(slf: &Bound<'_, Self>, count: u16, size: usize) -> PyResult<BufferPool> {
        let py = slf.py();
        let mut engine = slf.try_borrow_mut()?;
        if !count.is_power_of_two() || count > 1 << 15 {
            return Err(make::raised::<PyValueError>(
                "a power of two up to 32768 buffers",
            ));
        }
        if size == 0 || size > 1 << 30 {
            return Err(make::raised::<PyValueError>("a buffer has 1 byte to 1 GiB"));
        }
        let group = (0..u16::MAX)
            .find(|group| engine.pools.iter().all(|pool| pool.group != *group))
            .ok_or_else(|| make::raised::<PyRuntimeError>("too many pools"))?;
        let length = size * usize::from(count);
        // By its type: the C function of that name frees what it never made
        // when memory is short.
        let memory = py
            .get_type::<PyByteArray>()
            .call1((length,))?
            .cast_into::<PyByteArray>()?;
        let pinned = Pinned::new(memory.as_any(), true)?;
        // SAFETY: used within this call only.
        let ring = unsafe { engine.ring()?.as_ring_ref() };
        let mapped = ring
            .setup_buf_ring(u32::from(count), i32::from(group), 0)
            .map_err(|error| raise(anyring::Errno(-error)))?;
        let shared = Arc::new(Shared {
            group,
            size,
            count,
            memory: memory.unbind(),
            pinned,
            slots: Mutex::new(Slots {
                ring: Some(mapped),
                buffers: vec![0; usize::from(count)],
                places: vec![0; usize::from(count)],
                tail: 0,
            }),
        });
        shared.recycle(&(0..count).collect::<Vec<_>>());
        engine.pools.push(Arc::clone(&shared));
        Ok(BufferPool {
            engine: slf.clone().unbind(),
            shared,
        })
    }
}
