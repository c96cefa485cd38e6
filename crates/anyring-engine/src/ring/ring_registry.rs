//! The rings of this process, by descriptor and by registered index.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::c_int;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::os::cells::Cells;
use crate::os::lock::Mutex;
use crate::os::sys::{self, Anonymous};
use crate::ring::Ring;

/// Registered indices of the engine start here: those of the kernel are below
/// 16, so that both kinds can be told apart.
pub(crate) const INDEX_BASE: c_int = 0x4000_0000;
/// How deep epolls can be in one another, as in the kernel.
const EPOLL_LEVELS: u32 = 5;
/// Registered rings at a time, as many as the kernel has for a thread.
pub(crate) const INDICES: usize = 16;

/// What a number stands for.
#[derive(Debug)]
pub(crate) enum Found {
    /// A ring of the engine.
    Ring(Arc<Ring>),
    /// A ring of the parent, inherited by fork.
    Inherited,
    /// Not ours.
    Unknown,
}

#[derive(Debug)]
struct Entry {
    fd: c_int,
    ring: Arc<Ring>,
}

#[derive(Debug)]
struct Table {
    /// Sorted by descriptor.
    rings: Vec<Entry>,
    inherited: Vec<c_int>,
    registered: [Option<Arc<Ring>>; INDICES],
}

static TABLE: Mutex<Table> = Mutex::new(Table {
    rings: Vec::new(),
    inherited: Vec::new(),
    registered: [const { None }; INDICES],
});
/// The rings by descriptor and index, for lookups without the lock.
static CELLS: [Cells<Ring>; LISTS] = [const { Cells::new() }; LISTS];
const LISTS: usize = 64;
/// How many of the numbers are inherited ones.
static INHERITED: AtomicUsize = AtomicUsize::new(0);
/// Descriptors and indices that the engine answers for; while it is zero
/// nothing of the engine runs.
static COUNT: AtomicUsize = AtomicUsize::new(0);
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// Whether the engine serves any ring.
#[inline(always)]
pub(crate) fn any() -> bool {
    COUNT.load(Ordering::Relaxed) != 0
}

fn cells(fd: c_int) -> &'static Cells<Ring> {
    &CELLS[fd as usize % LISTS]
}

/// A number no other ring has had.
pub(crate) fn serial() -> u64 {
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

/// Enters a ring under its descriptor. A ring that had the number before was
/// closed behind our back, and is returned to be taken down.
pub(crate) fn add(fd: c_int, ring: Arc<Ring>) -> Result<Option<Arc<Ring>>, c_int> {
    let mut table = TABLE.lock_without_signals();
    match table.rings.binary_search_by_key(&fd, |entry| entry.fd) {
        Ok(at) => {
            cells(fd).withdraw(fd as u32);
            cells(fd).publish(fd as u32, Arc::clone(&ring))?;
            Ok(Some(core::mem::replace(&mut table.rings[at].ring, ring)))
        }
        Err(at) => {
            table.rings.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
            cells(fd).publish(fd as u32, Arc::clone(&ring))?;
            table.rings.insert(at, Entry { fd, ring });
            COUNT.fetch_add(1, Ordering::Relaxed);
            Ok(None)
        }
    }
}

/// The ring of a descriptor or, from [`INDEX_BASE`] on, of an index.
#[inline]
pub(crate) fn find(fd: c_int) -> Found {
    crate::os::fork::notice();
    if fd < 0 {
        return Found::Unknown;
    }
    match cells(fd).find(fd as u32) {
        Some(ring) => Found::Ring(ring),
        None if is_inherited(fd) => Found::Inherited,
        None => Found::Unknown,
    }
}

fn is_inherited(fd: c_int) -> bool {
    INHERITED.load(Ordering::Relaxed) != 0 && TABLE.lock_without_signals().inherited.contains(&fd)
}

/// Removes a descriptor; its ring, to be taken down unless an index holds it.
pub(crate) fn remove(fd: c_int) -> Option<Arc<Ring>> {
    crate::os::fork::notice();
    let mut table = TABLE.lock_without_signals();
    if let Some(at) = table.inherited.iter().position(|other| *other == fd) {
        table.inherited.swap_remove(at);
        INHERITED.store(table.inherited.len(), Ordering::Relaxed);
        COUNT.fetch_sub(1, Ordering::Relaxed);
        return None;
    }
    let at = table
        .rings
        .binary_search_by_key(&fd, |entry| entry.fd)
        .ok()?;
    let entry = table.rings.remove(at);
    cells(fd).withdraw(fd as u32);
    COUNT.fetch_sub(1, Ordering::Relaxed);
    Some(entry.ring)
}

/// Whether a registered index holds the ring.
pub(crate) fn is_registered(ring: &Arc<Ring>) -> bool {
    let table = TABLE.lock_without_signals();
    table
        .registered
        .iter()
        .flatten()
        .any(|other| Arc::ptr_eq(other, ring))
}

/// Whether a descriptor holds the ring.
pub(crate) fn has_fd(ring: &Arc<Ring>) -> bool {
    let table = TABLE.lock_without_signals();
    table
        .rings
        .iter()
        .any(|entry| Arc::ptr_eq(&entry.ring, ring))
}

/// The number of a ring's descriptor.
pub(crate) fn number_of(ring: &Arc<Ring>) -> Option<c_int> {
    let table = TABLE.lock_without_signals();
    table
        .rings
        .iter()
        .find(|entry| Arc::ptr_eq(&entry.ring, ring))
        .map(|entry| entry.fd)
}

/// Gives a ring an index: the wanted one or, below zero, the first free.
pub(crate) fn register(ring: Arc<Ring>, wanted: Option<usize>) -> Result<c_int, c_int> {
    let mut table = TABLE.lock_without_signals();
    let at = match wanted {
        Some(at) if at >= INDICES => return Err(-libc::EINVAL),
        Some(at) if table.registered[at].is_some() => return Err(-libc::EBUSY),
        Some(at) => at,
        None => table
            .registered
            .iter()
            .position(Option::is_none)
            .ok_or(-libc::EBUSY)?,
    };
    let index = INDEX_BASE + at as c_int;
    cells(index).publish(index as u32, Arc::clone(&ring))?;
    table.registered[at] = Some(ring);
    COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(index)
}

/// Frees an index.
pub(crate) fn unregister(index: c_int) -> Result<Option<Arc<Ring>>, c_int> {
    if (0..INDICES as c_int).contains(&index) {
        // One of the kernel's numbers, where nothing of ours is.
        return Ok(None);
    }
    let at = index.checked_sub(INDEX_BASE).ok_or(-libc::EINVAL)?;
    let mut table = TABLE.lock_without_signals();
    let slot = table.registered.get_mut(at as usize).ok_or(-libc::EINVAL)?;
    let ring = slot.take();
    if ring.is_some() {
        cells(index).withdraw(index as u32);
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
    Ok(ring)
}

/// The ring whose memory the program unmaps at this address, and whether the
/// engine mapped that.
pub(crate) fn by_memory(address: usize) -> Option<(Arc<Ring>, bool)> {
    crate::os::fork::notice();
    let owner = |ring: Arc<Ring>| {
        let owned = ring.give_up(address)?;
        Some((ring, owned))
    };
    // Never a ring's lock under the table's: a ring looks things up here.
    let mut last = -1;
    while let Some((fd, ring)) = after(last) {
        if let Some(found) = owner(ring) {
            return Some(found);
        }
        last = fd;
    }
    (0..INDICES).find_map(|at| {
        let ring = TABLE.lock_without_signals().registered[at].clone();
        owner(ring?)
    })
}

/// The ring with the next higher descriptor.
fn after(fd: c_int) -> Option<(c_int, Arc<Ring>)> {
    let table = TABLE.lock_without_signals();
    let at = table.rings.partition_point(|entry| entry.fd <= fd);
    let entry = table.rings.get(at)?;
    Some((entry.fd, Arc::clone(&entry.ring)))
}

/// The ring behind any descriptor of it, such as a duplicate.
pub(crate) fn by_any(fd: c_int) -> Option<Arc<Ring>> {
    let table = TABLE.lock_without_signals();
    table
        .rings
        .iter()
        .map(|entry| &entry.ring)
        .find(|ring| ring.is_at(fd))
        .cloned()
}

/// Whether a descriptor is an eventfd that a ring has signalled since a poll last asked.
/// A ring that is being worked on is left out: it may be the caller's own.
pub(crate) fn any_has_notified(fd: c_int) -> bool {
    let table = TABLE.lock_without_signals();
    let has = |entry: &Entry| entry.ring.try_peek(|state| state.has_notified(fd));
    table.rings.iter().any(|entry| has(entry) == Some(true))
}

/// Whether a descriptor is a ring, or an epoll that watches one, or such an epoll.
pub(crate) fn holds_ring(fd: c_int) -> bool {
    let table = TABLE.lock_without_signals();
    table.rings.iter().any(|entry| entry.ring.is_at(fd)) || table.is_above_ring(fd, EPOLL_LEVELS)
}

impl Table {
    fn is_above_ring(&self, epoll: c_int, levels: u32) -> bool {
        sys::watched_by(epoll, |watched| {
            let found = self.rings.binary_search_by_key(&watched, |entry| entry.fd);
            found.is_ok()
                || levels > 1
                    && sys::anonymous(watched) == Some(Anonymous::Epoll)
                    && self.is_above_ring(watched, levels - 1)
        })
    }
}

/// Rings whose descriptor was closed without the engine: they are removed
/// and returned, to be taken down.
pub(crate) fn sweep() -> Vec<Arc<Ring>> {
    let mut gone = Vec::new();
    let mut table = TABLE.lock_without_signals();
    table.rings.retain(|entry| {
        if entry.ring.is_at(entry.fd) || gone.try_reserve(1).is_err() {
            return true;
        }
        gone.push(Arc::clone(&entry.ring));
        cells(entry.fd).withdraw(entry.fd as u32);
        COUNT.fetch_sub(1, Ordering::Relaxed);
        false
    });
    gone
}

/// Makes all rings inherited ones.
///
/// # Safety
/// This is a forked child, and no other thread of it uses the table.
pub(crate) unsafe fn begin_child() {
    // SAFETY: the caller is alone. The parent's rings are leaked, not dropped:
    // their state was copied at an arbitrary moment.
    unsafe {
        let mut inherited = Vec::new();
        {
            TABLE.reset_lock();
            let table = TABLE.lock();
            for entry in &table.rings {
                if inherited.try_reserve(1).is_ok() {
                    inherited.push(entry.fd);
                }
            }
            for fd in &table.inherited {
                if inherited.try_reserve(1).is_ok() {
                    inherited.push(*fd);
                }
            }
        }
        for cells in &CELLS {
            cells.reset();
        }
        COUNT.store(inherited.len(), Ordering::Relaxed);
        INHERITED.store(inherited.len(), Ordering::Relaxed);
        TABLE.reset(Table {
            rings: Vec::new(),
            inherited,
            registered: [const { None }; INDICES],
        });
    }
}
