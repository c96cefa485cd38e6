//! A kernel in memory that follows a script: for failure behaviour, old kernels
//! and leaks, without Linux.
//!
//! A [`Machine`] makes real ring memory, takes SQEs out of it and posts CQEs, as
//! a kernel of the chosen features would, and answers calls from its script as
//! long as there is one. It records every call and counts what is open.
//!
//! # Safety
//! Ring memory is heap memory of the machine that lives as long as the machine;
//! offsets and sizes handed out lie inside it. One thread uses a machine.

use core::ffi::{c_int, c_uint, c_void};
use core::ptr;
use std::boxed::Box;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::vec;
use std::vec::Vec;

use anyring_abi::*;

use super::Kernel;

/// A call the machine received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// io_uring_setup: entries and flags.
    Setup(u32, u32),
    /// io_uring_enter: fd, to_submit, min_complete, flags, size of the argument.
    Enter(c_int, u32, u32, u32, usize),
    /// io_uring_register: fd, opcode, nr_args, and the bytes of the argument as
    /// far as the machine knows its size.
    Register(c_int, u32, u32, Vec<u8>),
    /// mmap: length, fd, offset.
    Mmap(usize, c_int, u64),
    /// munmap: length.
    Munmap(usize),
    /// madvise: length.
    Madvise(usize),
    /// close.
    Close(c_int),
}

/// How the next enter ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Enter {
    /// With this error; nothing is consumed.
    Fails(c_int),
    /// After consuming at most so many entries.
    Takes(u32),
    /// After consuming everything, with so many completions held back.
    Holds(u32),
    /// After consuming everything, with the completions in reverse order.
    Reverses,
}

/// What the machine can do: [`new`](Features::new) or [`first`](Features::first), and
/// changes to that.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Features {
    /// `IORING_FEAT_*` it reports.
    pub bits: u32,
    /// `IORING_SETUP_*` it refuses with -EINVAL.
    pub refused: u32,
    /// Whether the CQ ring has a flags word (Linux 5.8).
    pub cq_flags: bool,
}

impl Features {
    /// A kernel like Linux 6.18.
    #[must_use]
    pub const fn new() -> Self {
        Features {
            bits: 0x3ffff,
            refused: !0x7ffff,
            cq_flags: true,
        }
    }

    /// A kernel like Linux 5.1: no features, no NO_SQARRAY.
    #[must_use]
    pub const fn first() -> Self {
        Features {
            bits: 0,
            refused: !0x7,
            cq_flags: false,
        }
    }
}

impl Features {
    /// The same, reporting these `IORING_FEAT_*`.
    #[must_use]
    pub const fn with_bits(mut self, bits: u32) -> Self {
        self.bits = bits;
        self
    }

    /// The same, refusing these `IORING_SETUP_*`.
    #[must_use]
    pub const fn with_refused(mut self, refused: u32) -> Self {
        self.refused = refused;
        self
    }
}

impl Default for Features {
    fn default() -> Self {
        Self::new()
    }
}

const SQ_HEAD: usize = 0;
const SQ_TAIL: usize = 4;
const CQ_HEAD: usize = 8;
const CQ_TAIL: usize = 12;
const SQ_MASK: usize = 16;
const CQ_MASK: usize = 20;
const SQ_ENTRIES: usize = 24;
const CQ_ENTRIES: usize = 28;
const SQ_DROPPED: usize = 32;
const SQ_FLAGS: usize = 36;
const CQ_FLAGS: usize = 40;
const CQ_OVERFLOW: usize = 44;
const CQES: usize = 64;

/// One ring: where its memory is, and completions that wait for room.
#[derive(Debug)]
struct RingMemory {
    rings: *mut u8,
    /// Where the CQ ring is: the same, unless the two are mapped apart.
    cq: *mut u8,
    array: usize,
    sqes: *mut u8,
    flags: u32,
    backlog: VecDeque<(u64, i32, u32)>,
    held: VecDeque<(u64, i32, u32)>,
    timers: Vec<u64>,
}

#[derive(Debug, Default)]
struct State {
    features: Features,
    calls: Vec<Call>,
    setups: VecDeque<c_int>,
    enters: VecDeque<Enter>,
    registers: VecDeque<c_int>,
    results: VecDeque<(i32, u32)>,
    bytes: VecDeque<u8>,
    mmap_failures: VecDeque<Option<c_int>>,
    rings: BTreeMap<c_int, RingMemory>,
    mapped: BTreeMap<usize, usize>,
    open: Vec<c_int>,
    memory: Vec<Box<[u64]>>,
    limit: (u64, u64),
    page: usize,
}

/// The machine; `&Machine` is the kernel.
#[derive(Debug)]
pub struct Machine(RefCell<State>);

impl Machine {
    /// A machine with these features.
    #[must_use]
    pub fn new(features: Features) -> Self {
        Machine(RefCell::new(State {
            features,
            limit: (1024, 4096),
            page: 4096,
            ..State::default()
        }))
    }

    /// The results of the next setups that are not to succeed.
    pub fn script_setup(&self, results: &[c_int]) {
        self.0.borrow_mut().setups.extend(results);
    }

    /// How the next enters end.
    pub fn script_enter(&self, script: &[Enter]) {
        self.0.borrow_mut().enters.extend(script);
    }

    /// The results of the next register calls.
    pub fn script_register(&self, results: &[c_int]) {
        self.0.borrow_mut().registers.extend(results);
    }

    /// Results and flags of the next completions. One with `IORING_CQE_F_MORE` is followed
    /// by the next for the same entry. A result that is a descriptor (of an accept, an
    /// open, a socket) is a new one of /dev/null, whatever number the script has.
    pub fn script_results(&self, results: &[(i32, u32)]) {
        self.0.borrow_mut().results.extend(results);
    }

    /// Bytes for the next reads and receives (messages too) to find, in their order: each gets as many as
    /// it has room for, as its scripted result says, and as are left.
    pub fn script_bytes(&self, bytes: &[u8]) {
        self.0.borrow_mut().bytes.extend(bytes);
    }

    /// Which of the next mappings fail, and how.
    pub fn script_mmap(&self, failures: &[Option<c_int>]) {
        self.0.borrow_mut().mmap_failures.extend(failures);
    }

    /// The calls since the last look.
    pub fn calls(&self) -> Vec<Call> {
        core::mem::take(&mut self.0.borrow_mut().calls)
    }

    /// Open descriptors and mappings.
    pub fn open(&self) -> (usize, usize) {
        let state = self.0.borrow();
        (state.open.len(), state.mapped.len())
    }

    /// The limit on open files.
    pub fn limit(&self) -> (u64, u64) {
        self.0.borrow().limit
    }

    /// Sets bits in the SQ flags word of a ring.
    pub fn set_sq_flags(&self, fd: c_int, bits: u32) {
        self.0.borrow().rings[&fd].set(SQ_FLAGS, bits);
    }

    /// Lets an SQPOLL thread consume what is published, without an enter.
    pub fn run_sq_thread(&self, fd: c_int) {
        let state = &mut *self.0.borrow_mut();
        let pending = state.rings[&fd].pending();
        consume(state, fd, pending, 0, false);
    }

    /// Posts what was held back.
    pub fn release(&self, fd: c_int) {
        let state = &mut *self.0.borrow_mut();
        if let Some(ring) = state.rings.get_mut(&fd) {
            while let Some(cqe) = ring.held.pop_front() {
                ring.post(state.features.bits, cqe);
            }
        }
    }
}

impl RingMemory {
    fn place(&self, offset: usize) -> *mut u32 {
        let base = match offset {
            CQ_HEAD | CQ_TAIL | CQ_MASK | CQ_ENTRIES | CQ_FLAGS | CQ_OVERFLOW => self.cq,
            _ => self.rings,
        };
        base.wrapping_add(offset).cast()
    }

    fn word(&self, offset: usize) -> u32 {
        // SAFETY: the offsets are inside the ring memory.
        unsafe { self.place(offset).read_volatile() }
    }

    fn set(&self, offset: usize, value: u32) {
        // SAFETY: the offsets are inside the ring memory.
        unsafe { self.place(offset).write_volatile(value) }
    }

    fn pending(&self) -> u32 {
        self.word(SQ_TAIL).wrapping_sub(self.word(SQ_HEAD))
    }

    /// The SQE at a position of the submission queue.
    fn sqe(&self, index: u32) -> io_uring_sqe {
        let slot = index & self.word(SQ_MASK);
        let slot = if self.flags & IORING_SETUP_NO_SQARRAY == 0 {
            self.word(self.array + 4 * slot as usize)
        } else {
            slot
        };
        // SAFETY: the slot is masked.
        unsafe { self.sqe_at(slot).cast::<io_uring_sqe>().read() }
    }

    /// The place of an SQE.
    fn sqe_at(&self, slot: u32) -> *mut u8 {
        let size = if self.flags & IORING_SETUP_SQE128 == 0 {
            64
        } else {
            128
        };
        self.sqes.wrapping_add(slot as usize * size)
    }

    /// The place of a CQE at a position of the completion queue.
    fn cqe_at(&self, index: u32) -> *mut io_uring_cqe {
        let slot = (index & self.word(CQ_MASK)) as usize;
        let large = self.flags & IORING_SETUP_CQE32 != 0;
        let place = CQES + (slot << (4 + usize::from(large)));
        self.cq.wrapping_add(place).cast()
    }

    /// Goes on where another ring was, with what that had queued and posted.
    fn take_over(&mut self, old: RingMemory) {
        for word in [
            SQ_HEAD,
            SQ_TAIL,
            SQ_FLAGS,
            SQ_DROPPED,
            CQ_HEAD,
            CQ_TAIL,
            CQ_OVERFLOW,
        ] {
            self.set(word, old.word(word));
        }
        let bytes = if self.flags & IORING_SETUP_SQE128 == 0 {
            64
        } else {
            128
        };
        for at in 0..old.pending() {
            let index = old.word(SQ_HEAD).wrapping_add(at);
            let (from, to) = (index & old.word(SQ_MASK), index & self.word(SQ_MASK));
            // SAFETY: masked slots of two rings with entries of one size.
            unsafe { ptr::copy_nonoverlapping(old.sqe_at(from), self.sqe_at(to), bytes) };
        }
        let bytes = if self.flags & IORING_SETUP_CQE32 == 0 {
            16
        } else {
            32
        };
        for at in 0..old.word(CQ_ENTRIES) - old.room() {
            let index = old.word(CQ_HEAD).wrapping_add(at);
            let (from, to) = (old.cqe_at(index), self.cqe_at(index));
            // SAFETY: as above.
            unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), bytes) };
        }
        self.backlog = old.backlog;
        self.held = old.held;
        self.timers = old.timers;
    }

    fn room(&self) -> u32 {
        let used = self.word(CQ_TAIL).wrapping_sub(self.word(CQ_HEAD));
        self.word(CQ_ENTRIES).saturating_sub(used)
    }

    fn post(&mut self, features: u32, cqe: (u64, i32, u32)) {
        let slots = if cqe.2 & IORING_CQE_F_32 != 0 { 2 } else { 1 };
        if self.room() < slots || !self.backlog.is_empty() {
            if features & IORING_FEAT_NODROP != 0 {
                self.backlog.push_back(cqe);
                self.set(SQ_FLAGS, self.word(SQ_FLAGS) | IORING_SQ_CQ_OVERFLOW);
            } else {
                self.set(CQ_OVERFLOW, self.word(CQ_OVERFLOW).wrapping_add(1));
            }
            return;
        }
        let tail = self.word(CQ_TAIL);
        let entry = io_uring_cqe {
            user_data: cqe.0,
            res: cqe.1,
            flags: cqe.2,
            big_cqe: [],
        };
        // SAFETY: the slot is masked.
        unsafe { self.cqe_at(tail).write(entry) };
        self.set(CQ_TAIL, tail.wrapping_add(slots));
    }

    fn flush(&mut self, features: u32) {
        let waiting = core::mem::take(&mut self.backlog);
        self.set(SQ_FLAGS, self.word(SQ_FLAGS) & !IORING_SQ_CQ_OVERFLOW);
        for cqe in waiting {
            self.post(features, cqe);
        }
    }
}

/// Puts bytes of the script where a read has room for them, at most `most`; how many.
///
/// # Safety
/// The vectors are valid for writes.
unsafe fn scatter(bytes: &mut VecDeque<u8>, vectors: &[libc::iovec], most: u32) -> i32 {
    let mut count = 0;
    for vector in vectors {
        let room = vector.iov_len.min(most as usize - count).min(bytes.len());
        for (at, byte) in bytes.drain(..room).enumerate() {
            // SAFETY: inside the vector, the caller says.
            unsafe { vector.iov_base.cast::<u8>().add(at).write(byte) };
        }
        count += room;
    }
    count as i32
}

/// What becomes of an entry, given what the script has for it.
fn result(bytes: &mut VecDeque<u8>, sqe: &io_uring_sqe, scripted: Option<i32>) -> i32 {
    let selects = u32::from(sqe.flags) & IOSQE_BUFFER_SELECT != 0;
    if !selects && !bytes.is_empty() && scripted.is_none_or(|res| res >= 0) {
        let most = scripted.map_or(i32::MAX as u32, |res| res as u32);
        // SAFETY: the memory of an entry is valid for what it says: its submitter said so.
        unsafe {
            match u32::from(sqe.opcode) {
                IORING_OP_READ | IORING_OP_RECV => {
                    let vector = libc::iovec {
                        iov_base: ptr::with_exposed_provenance_mut(sqe.addr as usize),
                        iov_len: sqe.len as usize,
                    };
                    return scatter(bytes, &[vector], most);
                }
                IORING_OP_RECVMSG => {
                    let header = ptr::with_exposed_provenance::<libc::msghdr>(sqe.addr as usize);
                    let count = (*header).msg_iovlen as usize;
                    if count != 0 {
                        let vectors = core::slice::from_raw_parts((*header).msg_iov, count);
                        return scatter(bytes, vectors, most);
                    }
                }
                _ => {}
            }
        }
    }
    let opens = matches!(
        u32::from(sqe.opcode),
        IORING_OP_ACCEPT | IORING_OP_OPENAT | IORING_OP_OPENAT2 | IORING_OP_SOCKET
    );
    match scripted.unwrap_or(0) {
        // SAFETY: opens a file by a constant name.
        0.. if opens && sqe.file_index == 0 => unsafe {
            libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC)
        },
        res => res,
    }
}

/// Consumes up to `count` SQEs, holding back the last `held` completions.
fn consume(state: &mut State, fd: c_int, count: u32, held: u32, reverses: bool) {
    let features = state.features.bits;
    let Some(ring) = state.rings.get_mut(&fd) else {
        return;
    };
    let mut posts = VecDeque::new();
    for position in 0..count {
        let head = ring.word(SQ_HEAD);
        let sqe = ring.sqe(head);
        ring.set(SQ_HEAD, head.wrapping_add(1));
        if u32::from(sqe.opcode) == IORING_OP_TIMEOUT {
            ring.timers.push(sqe.user_data);
            continue;
        }
        loop {
            let scripted = state.results.pop_front();
            let flags = scripted.map_or(0, |(_, flags)| flags);
            let res = result(&mut state.bytes, &sqe, scripted.map(|(res, _)| res));
            let cqe = (sqe.user_data, res, flags);
            if position >= count - held.min(count) {
                ring.held.push_back(cqe);
            } else if reverses {
                posts.push_front(cqe);
            } else {
                ring.post(features, cqe);
            }
            if flags & IORING_CQE_F_MORE == 0 || state.results.is_empty() {
                break;
            }
        }
    }
    for cqe in posts {
        ring.post(features, cqe);
    }
}

/// Bytes of the argument of a register call, as far as it is one struct.
fn argument_size(opcode: u32, nr_args: u32) -> usize {
    match opcode & !IORING_REGISTER_USE_REGISTERED_RING {
        IORING_REGISTER_FILES2
        | IORING_REGISTER_BUFFERS2
        | IORING_REGISTER_FILES_UPDATE2
        | IORING_REGISTER_BUFFERS_UPDATE => nr_args as usize,
        IORING_REGISTER_EVENTFD | IORING_REGISTER_EVENTFD_ASYNC => 4,
        IORING_REGISTER_FILES_UPDATE
        | IORING_REGISTER_RING_FDS
        | IORING_UNREGISTER_RING_FDS
        | IORING_REGISTER_FILE_ALLOC_RANGE => 16,
        IORING_REGISTER_PBUF_RING | IORING_UNREGISTER_PBUF_RING | IORING_REGISTER_PBUF_STATUS => 40,
        IORING_REGISTER_CLONE_BUFFERS => 32,
        _ => 0,
    }
}

impl State {
    fn allocate(&mut self, bytes: usize) -> *mut u8 {
        self.memory
            .push(vec![0_u64; bytes.div_ceil(8) + 1].into_boxed_slice());
        self.memory
            .last_mut()
            .map_or(ptr::null_mut(), |memory| memory.as_mut_ptr().cast())
    }

    fn setup(&mut self, entries: u32, p: &mut io_uring_params) -> c_int {
        if p.flags & self.features.refused != 0 || entries == 0 || entries > 32768 {
            return -libc::EINVAL;
        }
        let sq = entries.next_power_of_two();
        let cq = if p.flags & IORING_SETUP_CQSIZE != 0 {
            if p.cq_entries == 0 || p.cq_entries > 65536 || p.cq_entries < entries {
                return -libc::EINVAL;
            }
            p.cq_entries.next_power_of_two()
        } else {
            2 * sq
        };
        let cqe_bytes = if p.flags & IORING_SETUP_CQE32 != 0 {
            32
        } else {
            16
        };
        let array = CQES + cq as usize * cqe_bytes;
        let (rings, sqes) = if p.flags & IORING_SETUP_NO_MMAP != 0 {
            (p.cq_off.user_addr as *mut u8, p.sq_off.user_addr as *mut u8)
        } else {
            (
                self.allocate(array + 4 * sq as usize),
                self.allocate(128 * sq as usize),
            )
        };
        let apart = p.flags & IORING_SETUP_NO_MMAP == 0
            && self.features.bits & IORING_FEAT_SINGLE_MMAP == 0;
        let cq_ring = if apart { self.allocate(array) } else { rings };
        let fd = 100 + self.rings.len() as c_int;
        p.sq_entries = sq;
        p.cq_entries = cq;
        p.features = self.features.bits;
        p.sq_off.head = SQ_HEAD as u32;
        p.sq_off.tail = SQ_TAIL as u32;
        p.sq_off.ring_mask = SQ_MASK as u32;
        p.sq_off.ring_entries = SQ_ENTRIES as u32;
        p.sq_off.flags = SQ_FLAGS as u32;
        p.sq_off.dropped = SQ_DROPPED as u32;
        p.sq_off.array = if p.flags & IORING_SETUP_NO_SQARRAY == 0 {
            array as u32
        } else {
            0
        };
        p.cq_off.head = CQ_HEAD as u32;
        p.cq_off.tail = CQ_TAIL as u32;
        p.cq_off.ring_mask = CQ_MASK as u32;
        p.cq_off.ring_entries = CQ_ENTRIES as u32;
        p.cq_off.overflow = CQ_OVERFLOW as u32;
        p.cq_off.cqes = CQES as u32;
        p.cq_off.flags = if self.features.cq_flags {
            CQ_FLAGS as u32
        } else {
            0
        };
        let ring = RingMemory {
            rings,
            cq: cq_ring,
            array,
            sqes,
            flags: p.flags,
            backlog: VecDeque::new(),
            held: VecDeque::new(),
            timers: Vec::new(),
        };
        ring.set(SQ_MASK, sq - 1);
        ring.set(SQ_ENTRIES, sq);
        ring.set(CQ_MASK, cq - 1);
        ring.set(CQ_ENTRIES, cq);
        self.rings.insert(fd, ring);
        if p.flags & IORING_SETUP_REGISTERED_FD_ONLY == 0 {
            self.open.push(fd);
        }
        fd
    }

    fn enter(&mut self, fd: c_int, to_submit: u32, min_complete: u32, flags: u32) -> c_int {
        let step = self.enters.pop_front();
        if let Some(Enter::Fails(error)) = step {
            return error;
        }
        let features = self.features.bits;
        // Registered indices start at 0, ring descriptors at 100.
        let fd = if flags & IORING_ENTER_REGISTERED_RING != 0 {
            self.rings.keys().next().copied().unwrap_or(-1)
        } else {
            fd
        };
        let Some(ring) = self.rings.get_mut(&fd) else {
            return -libc::EBADF;
        };
        let sqpoll = ring.flags & IORING_SETUP_SQPOLL != 0;
        if flags & IORING_ENTER_SQ_WAKEUP != 0 {
            ring.set(SQ_FLAGS, ring.word(SQ_FLAGS) & !IORING_SQ_NEED_WAKEUP);
        }
        let rewind = ring.flags & IORING_SETUP_SQ_REWIND != 0;
        let available = if rewind { to_submit } else { ring.pending() };
        let mut count = to_submit.min(available);
        let mut held = 0;
        match step {
            Some(Enter::Takes(most)) => count = count.min(most),
            Some(Enter::Holds(back)) => held = back,
            _ => {}
        }
        if flags & IORING_ENTER_GETEVENTS != 0 {
            ring.flush(features);
        }
        if !sqpoll {
            consume(self, fd, count, held, step == Some(Enter::Reverses));
        }
        let Some(ring) = self.rings.get_mut(&fd) else {
            return -libc::EBADF;
        };
        let ready = ring.word(CQ_TAIL).wrapping_sub(ring.word(CQ_HEAD));
        if flags & IORING_ENTER_GETEVENTS != 0 && ready < min_complete {
            // Nothing more will come: the waits of old kernels end by their
            // timers, others by their timeout.
            if let Some(user_data) = ring.timers.pop() {
                ring.post(features, (user_data, -libc::ETIME, 0));
            } else if count == 0 && step.is_none() {
                return -libc::ETIME;
            }
        }
        count as c_int
    }
}

// SAFETY: ring memory belongs to the machine and outlives what it handed out;
// sizes and offsets are consistent. One thread, so no ordering is needed.
unsafe impl Kernel for &Machine {
    unsafe fn setup(self, entries: c_uint, params: *mut io_uring_params) -> c_int {
        let mut state = self.0.borrow_mut();
        // SAFETY: valid, the caller says.
        let p = unsafe { &mut *params };
        state.calls.push(Call::Setup(entries, p.flags));
        match state.setups.pop_front() {
            Some(error) if error < 0 => error,
            _ => state.setup(entries, p),
        }
    }

    unsafe fn enter(
        self,
        fd: c_int,
        to_submit: c_uint,
        min_complete: c_uint,
        flags: c_uint,
        _arg: *const c_void,
        size: usize,
    ) -> c_int {
        let mut state = self.0.borrow_mut();
        state
            .calls
            .push(Call::Enter(fd, to_submit, min_complete, flags, size));
        state.enter(fd, to_submit, min_complete, flags)
    }

    unsafe fn register(
        self,
        fd: c_int,
        opcode: c_uint,
        arg: *const c_void,
        nr_args: c_uint,
    ) -> c_int {
        let mut state = self.0.borrow_mut();
        let mut bytes = vec![0; argument_size(opcode, nr_args)];
        let wants = |opcode: u32| {
            matches!(
                opcode & !IORING_REGISTER_USE_REGISTERED_RING,
                IORING_REGISTER_RING_FDS
                    | IORING_REGISTER_PBUF_STATUS
                    | IORING_REGISTER_RESIZE_RINGS
            )
        };
        if arg.is_null() && wants(opcode) {
            return -libc::EFAULT;
        }
        if !arg.is_null() {
            // SAFETY: the argument has that size, the caller says.
            unsafe { ptr::copy_nonoverlapping(arg.cast(), bytes.as_mut_ptr(), bytes.len()) };
        }
        state.calls.push(Call::Register(fd, opcode, nr_args, bytes));
        let result = state.registers.pop_front();
        match opcode & !IORING_REGISTER_USE_REGISTERED_RING {
            IORING_REGISTER_RING_FDS if result.is_none_or(|result| result == 1) => {
                // SAFETY: the update struct of the caller.
                unsafe { (*arg.cast_mut().cast::<io_uring_rsrc_update>()).offset = 0 };
                1
            }
            IORING_UNREGISTER_RING_FDS => result.unwrap_or(1),
            IORING_REGISTER_PBUF_STATUS if result.is_none() => {
                // SAFETY: the status struct of the caller.
                unsafe { (*arg.cast_mut().cast::<io_uring_buf_status>()).head = 0x1_0005 };
                0
            }
            IORING_REGISTER_RESIZE_RINGS if result.is_none() => {
                // SAFETY: the params of the caller.
                let p = unsafe { &mut *arg.cast_mut().cast::<io_uring_params>() };
                let Some(ring) = state.rings.get(&fd) else {
                    return -libc::EBADF;
                };
                let (old, ready) = (ring.flags, ring.word(CQ_ENTRIES) - ring.room());
                let room = |entries: u32| entries.checked_next_power_of_two().unwrap_or(0);
                if ring.pending() > room(p.sq_entries) || ready > room(p.cq_entries) {
                    return -libc::EOVERFLOW;
                }
                let mut fresh = *p;
                fresh.flags |= old;
                let count = state.rings.len() as c_int;
                let made = state.setup(p.sq_entries, &mut fresh);
                if made >= 0 {
                    // The new memory takes the place of the old behind the fd.
                    if let Some(mut memory) = state.rings.remove(&(100 + count)) {
                        if let Some(old) = state.rings.remove(&fd) {
                            memory.take_over(old);
                        }
                        state.rings.insert(fd, memory);
                    }
                    state.open.retain(|open| *open != 100 + count);
                    fresh.features = p.features;
                    *p = fresh;
                    0
                } else {
                    made
                }
            }
            _ => result.unwrap_or(0),
        }
    }

    unsafe fn mmap(
        self,
        length: usize,
        flags: c_int,
        fd: c_int,
        offset: u64,
    ) -> Result<*mut c_void, c_int> {
        let mut state = self.0.borrow_mut();
        state.calls.push(Call::Mmap(length, fd, offset));
        if let Some(Some(error)) = state.mmap_failures.pop_front() {
            return Err(error);
        }
        if length == 0 {
            return Err(-libc::EINVAL);
        }
        let address = if flags & libc::MAP_ANONYMOUS != 0 {
            state.allocate(length)
        } else {
            let Some(ring) = state.rings.get(&fd) else {
                return Err(-libc::EBADF);
            };
            match offset {
                IORING_OFF_SQ_RING => ring.rings,
                IORING_OFF_CQ_RING => ring.cq,
                _ => ring.sqes,
            }
        };
        // Two mappings of one memory are two mappings.
        let mut key = address as usize;
        while state.mapped.contains_key(&key) {
            key += 1;
        }
        state.mapped.insert(key, length);
        Ok(address.cast())
    }

    unsafe fn munmap(self, address: *mut c_void, length: usize) -> c_int {
        let mut state = self.0.borrow_mut();
        state.calls.push(Call::Munmap(length));
        let start = address as usize;
        let key = (start..start + 4).find(|key| state.mapped.get(key) == Some(&length));
        match key.and_then(|key| state.mapped.remove(&key)) {
            Some(_) => 0,
            None => -libc::EINVAL,
        }
    }

    unsafe fn madvise(self, _address: *mut c_void, length: usize, _advice: c_int) -> c_int {
        let mut state = self.0.borrow_mut();
        state.calls.push(Call::Madvise(length));
        match state.mmap_failures.pop_front() {
            Some(Some(error)) => error,
            _ => 0,
        }
    }

    unsafe fn close(self, fd: c_int) -> c_int {
        let mut state = self.0.borrow_mut();
        state.calls.push(Call::Close(fd));
        let before = state.open.len();
        state.open.retain(|open| *open != fd);
        if state.open.len() == before {
            -libc::EBADF
        } else {
            0
        }
    }

    fn open_files_limit(self) -> Result<(u64, u64), c_int> {
        Ok(self.0.borrow().limit)
    }

    fn set_open_files_limit(self, soft: u64, hard: u64) -> c_int {
        self.0.borrow_mut().limit = (soft, hard);
        0
    }

    fn page_size(self) -> usize {
        self.0.borrow().page
    }
}
