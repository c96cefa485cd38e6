//! Whose ring it is, asked in one place: between the core and what serves rings.
//!
//! A descriptor is a number. A program can put another file behind it (dup2(2),
//! close(2) and open(2)), a forked child has it as well, and the index that
//! io_uring_register_ring_fd gives is of one thread. What a ring registers is
//! memory, which a wrong ring would go on using when it is freed. So each ring
//! knows the file it was made as, and [`Serving`] compares before it registers,
//! unregisters, maps or closes.
//!
//! # Entering is not checked
//! A system call for each enter would cost as much as the enter. It needs none: an
//! enter carries no memory. It has the kernel take what is in that file's queue;
//! and what is in the queue of any ring of this process is kept by that ring. What
//! is in a ring of the parent refers to memory of the parent, so a child that was
//! forked while there were rings pays for the comparison.
//!
//! # The memory of a ring
//! Who can map a ring's descriptor can forge its entries. So rings get memory
//! of ours (IORING_SETUP_NO_MMAP, kernel 6.5), which nothing but this process
//! has, and mapping the descriptor fails. The core maps and unmaps as ever, by
//! way of [`Serving`]. Kernels that want the memory in one piece refuse larger
//! rings; those and older kernels map the descriptor.

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

use anyring::Kernel;
use anyring::ring::setup::queue_sizes;
use anyring_abi as abi;
use anyring_abi::{io_uring_params, io_uring_rsrc_update};
use anyring_engine::{KernelOrEngine, Served};
use pyo3::prelude::*;

use crate::fork::generation;

const INNER: KernelOrEngine = KernelOrEngine::new();
/// No descriptor, no index.
const NONE: c_int = -1;

/// A ring of this process, or of one that it was forked from.
pub(crate) struct Slot {
    taken: AtomicBool,
    /// Nobody but the program refers to it: io_uring_setup gave it away.
    bare: AtomicBool,
    process: AtomicU32,
    fd: AtomicI32,
    /// Device and inode of the open file.
    device: AtomicU64,
    inode: AtomicU64,
    /// A duplicate to compare with, on kernels where all rings have one inode.
    twin: AtomicI32,
    /// The thread that registered the descriptor, and the index it got.
    thread: AtomicU64,
    index: AtomicI32,
    /// Another file was seen behind the descriptor after something was registered.
    lost: AtomicBool,
    flags: AtomicU32,
    /// Memory of the ring: addresses and sizes of the rings and of the entries.
    memory: [(AtomicPtr<c_void>, AtomicU64); 4],
    /// Where in `memory` the newest is.
    newest: AtomicUsize,
    next: AtomicPtr<Slot>,
}

impl Slot {
    const fn new() -> Self {
        Slot {
            taken: AtomicBool::new(true),
            bare: AtomicBool::new(false),
            process: AtomicU32::new(0),
            fd: AtomicI32::new(NONE),
            device: AtomicU64::new(0),
            inode: AtomicU64::new(0),
            twin: AtomicI32::new(NONE),
            thread: AtomicU64::new(0),
            index: AtomicI32::new(NONE),
            lost: AtomicBool::new(false),
            flags: AtomicU32::new(0),
            memory: [const { (AtomicPtr::new(null_mut()), AtomicU64::new(0)) }; 4],
            newest: AtomicUsize::new(0),
            next: AtomicPtr::new(null_mut()),
        }
    }

    fn fd(&self) -> c_int {
        self.fd.load(Ordering::Relaxed)
    }

    /// Gives it back; its memory, which nothing uses any more, too.
    fn release(&self) {
        for (place, size) in &self.memory {
            let address = place.swap(null_mut(), Ordering::Relaxed);
            if !address.is_null() {
                // SAFETY: mapped for this ring, which is gone.
                unsafe { INNER.munmap(address, size.load(Ordering::Relaxed) as usize) };
            }
        }
        let twin = self.twin.swap(NONE, Ordering::Relaxed);
        if twin != NONE {
            // SAFETY: ours, unless the program put another file there, which
            // goes as well.
            unsafe { libc::close(twin) };
        }
        for number in [&self.fd, &self.index] {
            number.store(NONE, Ordering::Relaxed);
        }
        self.device.store(0, Ordering::Relaxed);
        self.inode.store(0, Ordering::Relaxed);
        self.thread.store(0, Ordering::Relaxed);
        self.bare.store(false, Ordering::Relaxed);
        self.lost.store(false, Ordering::Relaxed);
        self.taken.store(false, Ordering::Release);
    }

    /// Notes which file the descriptor is of.
    fn note(&self, fd: c_int) {
        self.fd.store(fd, Ordering::Relaxed);
        self.process.store(generation(), Ordering::Relaxed);
        if let Some((device, inode)) = identity(fd) {
            self.device.store(device, Ordering::Relaxed);
            self.inode.store(inode, Ordering::Relaxed);
            if device != ENGINE && !inodes_differ((device, inode)) {
                // SAFETY: no memory is involved.
                let twin = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
                self.twin.store(twin.max(NONE), Ordering::Relaxed);
            }
        }
    }

    /// Whether this descriptor is this ring, which is of this process.
    fn is(&self, fd: c_int) -> bool {
        if self.lost.load(Ordering::Relaxed) || self.process.load(Ordering::Relaxed) != generation()
        {
            return false;
        }
        let inode = self.inode.load(Ordering::Relaxed);
        if identity(fd) != Some((self.device.load(Ordering::Relaxed), inode)) {
            return false;
        }
        match self.twin.load(Ordering::Relaxed) {
            NONE => true,
            twin => same_file(fd, twin),
        }
    }

    /// Whether it is the ring's own descriptor that still is this ring.
    fn intact(&self) -> bool {
        self.is(self.fd())
    }
}

/// Stands for a device, where the engine's number of a ring is its inode.
const ENGINE: u64 = u64::MAX;

/// Device and inode of an open file. Since Linux 5.16 every ring has an inode of
/// its own.
pub(crate) fn identity(fd: c_int) -> Option<(u64, u64)> {
    if let Some(serial) = anyring_engine::serial(fd) {
        return Some((ENGINE, serial));
    }
    // SAFETY: all zeroes is a valid struct stat.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the struct is valid for the call.
    let found = fd >= 0 && unsafe { libc::fstat(fd, &raw mut stat) } == 0;
    let shared = stat.st_mode & libc::S_IFMT == 0 && SHARED.load(Ordering::Relaxed);
    let inode = if shared { 1 } else { stat.st_ino as u64 };
    found.then_some((stat.st_dev as u64, inode))
}

/// Rings seem to have one inode, as on kernels before 5.16.
static SHARED: AtomicBool = AtomicBool::new(false);

/// Has all files without an inode of their own (rings, eventfds) seem to have one
/// inode, as on kernels before 5.16, so that rings are told apart by kcmp(2): for tests,
/// before the first ring is made.
#[pyfunction]
pub(crate) fn _share_an_inode() {
    SHARED.store(true, Ordering::Relaxed);
}

/// Whether rings have inodes of their own: on kernels before 5.16 they have that
/// of every eventfd.
fn inodes_differ(ring: (u64, u64)) -> bool {
    static KNOWN: AtomicU32 = AtomicU32::new(0);
    if KNOWN.load(Ordering::Relaxed) == 0 {
        // SAFETY: no memory is involved.
        let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        let Some(other) = identity(event) else {
            // Not to be known now; the duplicate does no harm.
            return false;
        };
        // SAFETY: opened above.
        unsafe { libc::close(event) };
        KNOWN.store(1 + u32::from(other != ring), Ordering::Relaxed);
    }
    KNOWN.load(Ordering::Relaxed) == 2
}

/// kcmp(2): whether two descriptors are one open file. Where the call is denied
/// (seccomp, no CONFIG_KCMP), the inode has to do.
fn same_file(one: c_int, other: c_int) -> bool {
    const KCMP_FILE: c_int = 0;
    // SAFETY: no memory is involved.
    let result = unsafe {
        let pid = libc::getpid();
        libc::syscall(libc::SYS_kcmp, pid, pid, KCMP_FILE, one, other)
    };
    if result >= 0 {
        return result == 0;
    }
    let error = std::io::Error::last_os_error().raw_os_error();
    error != Some(libc::EBADF)
}

/// Every slot there is, the newest first; none is ever freed.
static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(null_mut());
/// What calls that name no ring have.
static NOBODY: Slot = Slot::new();
/// This process was forked while there were rings.
static INHERITED: AtomicBool = AtomicBool::new(false);

fn slots() -> impl Iterator<Item = &'static Slot> {
    let mut place = SLOTS.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        // SAFETY: NULL, or a slot, which is never freed.
        let slot = unsafe { place.as_ref() }?;
        place = slot.next.load(Ordering::Relaxed);
        Some(slot)
    })
}

/// Called in a child.
pub(crate) fn forked() {
    if slots().any(|slot| slot.taken.load(Ordering::Relaxed)) {
        INHERITED.store(true, Ordering::Relaxed);
    }
}

/// A number for each thread that no other one has had.
fn thread() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static NUMBER: Cell<u64> = const { Cell::new(0) };
    }
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(COUNT.fetch_add(1, Ordering::Relaxed) + 1);
        }
        // A child of fork has no index of its parent.
        number.get() | u64::from(generation()) << 40
    })
}

/// What serves one ring, and knows which.
#[derive(Clone, Copy)]
pub(crate) struct Serving(&'static Slot);

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Serving").field(&self.0.fd()).finish()
    }
}

/// For calls that name no ring.
pub(crate) const KERNEL: Serving = Serving(&NOBODY);

impl Serving {
    /// For a ring that is about to be made; [`Serving::unused`] if it is not.
    pub(crate) fn fresh() -> Self {
        for slot in slots() {
            let bare = slot.bare.load(Ordering::Relaxed);
            if bare && slot.process.load(Ordering::Relaxed) == generation() && !slot.intact() {
                // The program closed what io_uring_setup gave it.
                slot.release();
            }
            let claimed =
                slot.taken
                    .compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed);
            if claimed.is_ok() {
                return Serving(slot);
            }
        }
        let slot: &'static Slot = Box::leak(Box::new(Slot::new()));
        let place = std::ptr::from_ref(slot).cast_mut();
        let mut first = SLOTS.load(Ordering::Acquire);
        loop {
            slot.next.store(first, Ordering::Relaxed);
            match SLOTS.compare_exchange(first, place, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Serving(slot),
                Err(other) => first = other,
            }
        }
    }

    /// No ring was made.
    pub(crate) fn unused(self) {
        if !self.is_nobody() {
            self.0.release();
        }
    }

    /// The ring was never the module's to close, and the descriptor stays open:
    /// only its mappings are gone.
    pub(crate) fn give_away(self) {
        self.0.bare.store(true, Ordering::Relaxed);
    }

    /// Whether a descriptor is this ring.
    pub(crate) fn is(self, fd: c_int) -> bool {
        self.0.is(fd)
    }

    /// The ring has another descriptor from now on.
    pub(crate) fn move_to(self, fd: c_int) {
        self.0.fd.store(fd, Ordering::Relaxed);
    }

    /// Whether all that was registered is known to be gone with the ring: not
    /// if another file was found behind its descriptor.
    pub(crate) fn intact(self) -> bool {
        !self.0.lost.load(Ordering::Relaxed) && (self.is_named_here() || self.0.intact())
    }

    /// Whether the module mapped the ring's memory itself.
    fn has_memory(self) -> bool {
        let newest = self.0.newest.load(Ordering::Relaxed);
        !self.0.memory[newest].0.load(Ordering::Relaxed).is_null()
    }

    /// Whether the number that the core has for the ring names it on this thread
    /// even inside the argument of another ring's call.
    pub(crate) fn is_named_here(self) -> bool {
        match self.0.index.load(Ordering::Relaxed) {
            NONE => self.0.intact(),
            _ => self.0.thread.load(Ordering::Relaxed) == thread(),
        }
    }

    fn is_nobody(self) -> bool {
        std::ptr::eq(self.0, &NOBODY)
    }

    /// The number to call the kernel with, and whether it is an index: the index
    /// on the thread that registered it, the descriptor on all others.
    fn number(self, given: c_int, by_index: bool) -> (c_int, bool) {
        if !by_index {
            return (given, false);
        }
        if self.0.thread.load(Ordering::Relaxed) == thread() {
            return (given, true);
        }
        (self.0.fd(), false)
    }

    /// Has the kernel fill `params` for a ring in memory of our own.
    ///
    /// # Safety
    /// As [`Kernel::setup`].
    unsafe fn setup_privately(
        self,
        entries: c_uint,
        params: *mut io_uring_params,
    ) -> Option<c_int> {
        // SAFETY: valid, the caller says.
        let given = unsafe { *params };
        let memory = Memory::new(entries, &given)?;
        let mut asked = given;
        asked.flags |= abi::IORING_SETUP_NO_MMAP;
        memory.put(&mut asked);
        // SAFETY: valid, and the memory is what it says.
        let fd = unsafe { INNER.setup(entries, &raw mut asked) };
        if fd < 0 {
            return None;
        }
        memory.keep(self.0);
        self.0.flags.store(asked.flags, Ordering::Relaxed);
        asked.flags &= !abi::IORING_SETUP_NO_MMAP;
        asked.sq_off.user_addr = 0;
        asked.cq_off.user_addr = 0;
        // SAFETY: valid, the caller says.
        unsafe { *params = asked };
        Some(fd)
    }

    /// Other sizes, in memory of our own where the ring has that.
    ///
    /// # Safety
    /// `params` is valid for reads and writes.
    unsafe fn resize(self, fd: c_int, opcode: c_uint, params: *mut io_uring_params) -> c_int {
        let flags = self.0.flags.load(Ordering::Relaxed);
        // SAFETY: valid, the caller says.
        let params = unsafe { &mut *params };
        let mut sized = *params;
        sized.flags |= flags & (abi::IORING_SETUP_SQE128 | abi::IORING_SETUP_CQE32);
        if queue_sizes(sized.sq_entries, &sized).is_err() {
            return -libc::EINVAL;
        }
        let Some(memory) = Memory::new(sized.sq_entries, &sized) else {
            return -libc::ENOMEM;
        };
        memory.put(params);
        // SAFETY: valid, and the memory is what it says.
        let result = unsafe { INNER.register(fd, opcode, (&raw const *params).cast(), 1) };
        if result >= 0 {
            memory.keep(self.0);
        }
        params.flags &= !abi::IORING_SETUP_NO_MMAP;
        params.sq_off.user_addr = 0;
        params.cq_off.user_addr = 0;
        result
    }
}

/// Memory for rings and entries, unmapped again unless it is kept.
struct Memory {
    rings: (*mut c_void, usize),
    sqes: (*mut c_void, usize),
}

impl Memory {
    fn new(entries: c_uint, params: &io_uring_params) -> Option<Self> {
        let (sq, cq) = queue_sizes(entries, params).ok()?;
        let page = INNER.page_size();
        let (sq, cq) = (sq as usize, cq as usize);
        let wide = |bits: u32| usize::from(params.flags & bits != 0);
        let sqes = (sq * size_of::<abi::io_uring_sqe>()) << wide(abi::IORING_SETUP_SQE128);
        // The header, the completions, the index array.
        let cqes = (cq * size_of::<abi::io_uring_cqe>()) << wide(abi::IORING_SETUP_CQE32);
        let rings = 64 + cqes + sq * 4;
        let mut memory = Memory {
            rings: (null_mut(), rings.next_multiple_of(page)),
            sqes: (null_mut(), sqes.next_multiple_of(page)),
        };
        for part in [&mut memory.rings, &mut memory.sqes] {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: a new anonymous mapping.
            part.0 = unsafe { INNER.mmap(part.1, flags, -1, 0) }.ok()?;
        }
        Some(memory)
    }

    fn put(&self, params: &mut io_uring_params) {
        params.sq_off.user_addr = self.sqes.0 as u64;
        params.cq_off.user_addr = self.rings.0 as u64;
    }

    /// The ring has it from now on. What it had before stays until it is
    /// unmapped.
    fn keep(self, slot: &Slot) {
        for at in (0..slot.memory.len()).step_by(2) {
            if !slot.memory[at].0.load(Ordering::Relaxed).is_null()
                || !slot.memory[at + 1].0.load(Ordering::Relaxed).is_null()
            {
                continue;
            }
            for (place, (address, size)) in slot.memory[at..].iter().zip([self.rings, self.sqes]) {
                place.0.store(address, Ordering::Relaxed);
                place.1.store(size as u64, Ordering::Relaxed);
            }
            slot.newest.store(at, Ordering::Relaxed);
            break;
        }
        std::mem::forget(self);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for (address, size) in [self.rings, self.sqes] {
            if !address.is_null() {
                // SAFETY: mapped by `new`, and no ring has it.
                unsafe { INNER.munmap(address, size) };
            }
        }
    }
}

/// Calls that leave memory with the ring.
const GIVES_MEMORY: &[c_uint] = &[
    abi::IORING_REGISTER_BUFFERS,
    abi::IORING_REGISTER_BUFFERS2,
    abi::IORING_REGISTER_BUFFERS_UPDATE,
    abi::IORING_REGISTER_PBUF_RING,
    abi::IORING_REGISTER_MEM_REGION,
    abi::IORING_REGISTER_CLONE_BUFFERS,
];
/// Calls after which memory is freed.
const TAKES_MEMORY: &[c_uint] = &[
    abi::IORING_UNREGISTER_BUFFERS,
    abi::IORING_UNREGISTER_PBUF_RING,
];

// SAFETY: that of what serves the ring, which is asked with a descriptor or index
// of that ring only. Memory that `mmap` gives is what the kernel was given for the
// ring, and stays until `munmap`.
unsafe impl Kernel for Serving {
    unsafe fn setup(self, entries: c_uint, params: *mut io_uring_params) -> c_int {
        if self.is_nobody() {
            // SAFETY: handed on from the caller.
            return unsafe { INNER.setup(entries, params) };
        }
        // SAFETY: valid, the caller says.
        let flags = unsafe { (*params).flags };
        let private = flags & abi::IORING_SETUP_NO_MMAP == 0
            && anyring_engine::choice() != anyring_engine::Choice::Userspace;
        // SAFETY: handed on from the caller.
        let made = private.then(|| unsafe { self.setup_privately(entries, params) });
        let fd = match made.flatten() {
            Some(fd) => fd,
            // SAFETY: handed on from the caller.
            None => unsafe { INNER.setup(entries, params) },
        };
        if fd >= 0 && flags & abi::IORING_SETUP_REGISTERED_FD_ONLY == 0 {
            self.0.note(fd);
        }
        fd
    }

    #[inline(always)]
    unsafe fn enter(
        self,
        fd: c_int,
        to_submit: c_uint,
        min_complete: c_uint,
        flags: c_uint,
        arg: *const c_void,
        size: usize,
    ) -> c_int {
        if flags & abi::IORING_ENTER_REGISTERED_RING != 0 || INHERITED.load(Ordering::Relaxed) {
            // SAFETY: handed on from the caller.
            return unsafe { enter_with_care(self, fd, to_submit, min_complete, flags, arg, size) };
        }
        // SAFETY: handed on from the caller.
        unsafe { INNER.enter(fd, to_submit, min_complete, flags, arg, size) }
    }

    unsafe fn register(
        self,
        fd: c_int,
        opcode: c_uint,
        arg: *const c_void,
        nr_args: c_uint,
    ) -> c_int {
        if self.is_nobody() {
            // SAFETY: handed on from the caller.
            return unsafe { INNER.register(fd, opcode, arg, nr_args) };
        }
        let by_index = opcode & abi::IORING_REGISTER_USE_REGISTERED_RING;
        let plain = opcode & !by_index;
        let (fd, by_index) = self.number(fd, by_index != 0);
        if !by_index && !self.0.is(fd) {
            return -libc::EBADF;
        }
        let opcode = match by_index {
            true => opcode,
            false => plain,
        };
        if plain == abi::IORING_UNREGISTER_RING_FDS
            && self.0.thread.load(Ordering::Relaxed) != thread()
        {
            // Another thread's index, or none.
            return -libc::EINVAL;
        }
        if plain == abi::IORING_REGISTER_RESIZE_RINGS
            && self.0.flags.load(Ordering::Relaxed) & abi::IORING_SETUP_NO_MMAP != 0
            && self.has_memory()
        {
            // SAFETY: the argument of this call, which is the core's.
            return unsafe { self.resize(fd, opcode, arg.cast_mut().cast()) };
        }
        // SAFETY: handed on from the caller.
        let result = unsafe { INNER.register(fd, opcode, arg, nr_args) };
        if result < 0 {
            return result;
        }
        match plain {
            abi::IORING_REGISTER_RING_FDS => {
                // SAFETY: the argument of this call, which the kernel filled.
                let index = unsafe { (*arg.cast::<io_uring_rsrc_update>()).offset };
                self.0.index.store(index as c_int, Ordering::Relaxed);
                self.0.thread.store(thread(), Ordering::Relaxed);
                if !self.0.is(fd) {
                    self.0.lost.store(true, Ordering::Relaxed);
                }
            }
            abi::IORING_UNREGISTER_RING_FDS => {
                self.0.index.store(NONE, Ordering::Relaxed);
                self.0.thread.store(0, Ordering::Relaxed);
            }
            // Between the comparison and the call another thread may have put
            // another file there. What it got stays, for good; what was not
            // taken from this ring stays as well.
            _ if by_index => {}
            _ if GIVES_MEMORY.contains(&plain) && !self.0.is(fd) => {
                self.0.lost.store(true, Ordering::Relaxed);
            }
            _ if TAKES_MEMORY.contains(&plain) && !self.0.is(fd) => {
                self.0.lost.store(true, Ordering::Relaxed);
                return -libc::EBADF;
            }
            _ => {}
        }
        result
    }

    unsafe fn mmap(
        self,
        length: usize,
        flags: c_int,
        fd: c_int,
        offset: u64,
    ) -> Result<*mut c_void, c_int> {
        if fd < 0 || self.is_nobody() {
            // SAFETY: handed on from the caller.
            return unsafe { INNER.mmap(length, flags, fd, offset) };
        }
        let part = usize::from(offset == abi::IORING_OFF_SQES);
        let (place, size) = &self.0.memory[self.0.newest.load(Ordering::Relaxed) + part];
        let address = place.load(Ordering::Relaxed);
        if !address.is_null() {
            return if length as u64 <= size.load(Ordering::Relaxed) {
                Ok(address)
            } else {
                Err(-libc::EINVAL)
            };
        }
        if !self.0.is(fd) {
            return Err(-libc::EBADF);
        }
        // SAFETY: handed on from the caller.
        unsafe { INNER.mmap(length, flags, fd, offset) }
    }

    unsafe fn munmap(self, address: *mut c_void, length: usize) -> c_int {
        let mut length = length;
        if !self.is_nobody() {
            for (place, size) in &self.0.memory {
                if place.load(Ordering::Relaxed) == address {
                    place.store(null_mut(), Ordering::Relaxed);
                    length = size.load(Ordering::Relaxed) as usize;
                }
            }
        }
        // SAFETY: handed on from the caller.
        unsafe { INNER.munmap(address, length) }
    }

    unsafe fn madvise(self, address: *mut c_void, length: usize, advice: c_int) -> c_int {
        // SAFETY: handed on from the caller.
        unsafe { INNER.madvise(address, length, advice) }
    }

    unsafe fn close(self, fd: c_int) -> c_int {
        if self.is_nobody() {
            // SAFETY: handed on from the caller.
            return unsafe { INNER.close(fd) };
        }
        let result = if self.0.is(fd) {
            // SAFETY: the ring's own descriptor.
            unsafe { INNER.close(fd) }
        } else {
            // Another file is there, which is the program's.
            -libc::EBADF
        };
        if self.0.index.load(Ordering::Relaxed) == NONE {
            self.0.release();
        } else {
            self.0.fd.store(NONE, Ordering::Relaxed);
        }
        result
    }

    fn open_files_limit(self) -> Result<(u64, u64), c_int> {
        INNER.open_files_limit()
    }

    fn set_open_files_limit(self, soft: u64, hard: u64) -> c_int {
        INNER.set_open_files_limit(soft, hard)
    }

    fn page_size(self) -> usize {
        INNER.page_size()
    }
}

/// Enters by an index, or in a child of a process with rings.
///
/// # Safety
/// As [`Kernel::enter`].
#[cold]
unsafe fn enter_with_care(
    serving: Serving,
    fd: c_int,
    to_submit: c_uint,
    min_complete: c_uint,
    flags: c_uint,
    arg: *const c_void,
    size: usize,
) -> c_int {
    let registered = flags & abi::IORING_ENTER_REGISTERED_RING;
    let (fd, by_index) = serving.number(fd, registered != 0);
    let flags = if by_index { flags } else { flags & !registered };
    let checked = INHERITED.load(Ordering::Relaxed) && !serving.is_nobody();
    if !by_index && checked && !serving.0.is(fd) {
        return -libc::EBADF;
    }
    // SAFETY: handed on from the caller.
    unsafe { INNER.enter(fd, to_submit, min_complete, flags, arg, size) }
}

/// What a number that the program gave is.
pub(crate) enum Named {
    /// A ring of this process, or no ring at all, which the kernel says.
    Ours,
    /// A ring that this module did not make in this process.
    Foreign,
}

/// Looks a number up that the program gave to io_uring_enter or
/// io_uring_register.
pub(crate) fn named(fd: c_int, by_index: bool) -> Named {
    // Only what this module registers is in the table of a thread, and a child
    // begins with an empty one.
    if by_index || fd < 0 || !matches!(anyring_engine::served(fd), Served::Kernel) {
        return Named::Ours;
    }
    let taken = |slot: &&Slot| slot.taken.load(Ordering::Relaxed) && slot.fd() != NONE;
    if slots().filter(taken).any(|slot| slot.is(fd)) {
        return Named::Ours;
    }
    // An enter that asks for nothing says whether it is a ring.
    // SAFETY: no memory is involved.
    match unsafe { INNER.enter(fd, 0, 0, 0, std::ptr::null(), 0) } {
        result if result < 0 => Named::Ours,
        _ => Named::Foreign,
    }
}
