//! Which engine serves a ring: chosen explicitly, visible afterwards.
//!
//! # Safety
//! The environment is read through getenv(3), once, before the first ring.
//! The kernel's side of the interface is that of [`Linux`] for its rings and
//! that of this crate for ours; descriptors tell them apart.

use core::ffi::{CStr, c_int, c_uint, c_void};
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use anyring::kernel::Kernel;
use anyring::{Linux, abi};
use anyring_abi::io_uring_params;

use crate::ring::Ring;
use crate::table::{self, Found};
use crate::{enter, register, sys};

/// What a program, its user or its packager chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Choice {
    /// The kernel's io_uring and nothing else.
    Kernel = 1,
    /// The kernel's where setup allows it, otherwise the engine.
    Auto = 2,
    /// The engine; no io_uring call is made.
    Userspace = 3,
}

impl Choice {
    fn from_number(number: u8) -> Option<Choice> {
        match number {
            1 => Some(Choice::Kernel),
            2 => Some(Choice::Auto),
            3 => Some(Choice::Userspace),
            _ => None,
        }
    }

    fn from_name(name: &[u8]) -> Option<Choice> {
        match name {
            b"kernel" => Some(Choice::Kernel),
            b"auto" => Some(Choice::Auto),
            b"userspace" => Some(Choice::Userspace),
            _ => None,
        }
    }
}

/// Who serves a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// The kernel.
    Kernel,
    /// The engine, because it was chosen (0) or because io_uring_setup(2)
    /// failed with this errno.
    Userspace(c_int),
    /// A ring of the parent process, which this one cannot use.
    Inherited,
}

/// What a build without another wish does: exactly what the reference does.
const BUILT_IN: Choice = match option_env!("ANYRING_DEFAULT_ENGINE") {
    Some(name) => match name.as_bytes() {
        b"auto" => Choice::Auto,
        b"userspace" => Choice::Userspace,
        _ => Choice::Kernel,
    },
    None => Choice::Kernel,
};

/// 0: not looked up yet.
static CHOICE: AtomicU8 = AtomicU8::new(0);
/// What the program chose, 0 for nothing.
static WISH: AtomicU8 = AtomicU8::new(0);
static DEFAULT: AtomicU8 = AtomicU8::new(BUILT_IN as u8);
/// 0: not looked up; 1: none; otherwise the seed.
static SEED: AtomicU64 = AtomicU64::new(0);

/// A variable of the environment, unless the program runs with somebody
/// else's rights.
fn variable(name: &CStr) -> Option<&'static [u8]> {
    // SAFETY: both read what does not change while a program is single-minded
    // about its environment; the text lives as long as the variable.
    unsafe {
        if libc::getauxval(libc::AT_SECURE) != 0 {
            return None;
        }
        let value = libc::getenv(name.as_ptr());
        if value.is_null() {
            None
        } else {
            Some(CStr::from_ptr(value).to_bytes())
        }
    }
}

/// What holds for the next ring: the program's wish, else `ANYRING_ENGINE`,
/// else the default.
pub fn choice() -> Choice {
    if let Some(wish) = Choice::from_number(WISH.load(Ordering::Relaxed)) {
        return wish;
    }
    if let Some(found) = Choice::from_number(CHOICE.load(Ordering::Relaxed)) {
        return found;
    }
    let default = Choice::from_number(DEFAULT.load(Ordering::Relaxed)).unwrap_or(Choice::Kernel);
    let chosen = match variable(c"ANYRING_ENGINE") {
        None | Some(b"") => default,
        Some(name) => Choice::from_name(name).unwrap_or_else(|| {
            log(format_args!(
                "ANYRING_ENGINE is none of kernel, auto, userspace: ignored"
            ));
            default
        }),
    };
    CHOICE.store(chosen as u8, Ordering::Relaxed);
    chosen
}

/// Chooses for the rings made from now on, whatever the environment says;
/// `None` leaves it to that again.
pub fn choose(wish: Option<Choice>) {
    WISH.store(wish.map_or(0, |wish| wish as u8), Ordering::Relaxed);
}

/// Sets what holds where neither program nor environment say anything.
pub fn set_default(default: Choice) {
    DEFAULT.store(default as u8, Ordering::Relaxed);
    CHOICE.store(0, Ordering::Relaxed);
}

/// The seed of `ANYRING_ENGINE_SEED`, 0 without one.
pub(crate) fn seed() -> u64 {
    let seed = match SEED.load(Ordering::Relaxed) {
        0 => {
            let digits = variable(c"ANYRING_ENGINE_SEED").unwrap_or(b"");
            let seed = digits
                .iter()
                .take_while(|digit| digit.is_ascii_digit())
                .fold(0_u64, |seed, digit| {
                    seed.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
                });
            let seed = if seed <= 1 { 1 } else { seed };
            SEED.store(seed, Ordering::Relaxed);
            seed
        }
        seed => seed,
    };
    if seed == 1 { 0 } else { seed }
}

/// Who serves the ring of this descriptor (or registered index).
pub fn served(fd: c_int) -> Served {
    if !table::any() {
        return Served::Kernel;
    }
    match table::find(fd) {
        Found::Ring(ring) => Served::Userspace(ring.reason),
        Found::Inherited => Served::Inherited,
        Found::Unknown => Served::Kernel,
    }
}

/// A line for whoever asked by `ANYRING_LOG=stderr`.
fn log(line: core::fmt::Arguments<'_>) {
    if variable(c"ANYRING_LOG") != Some(b"stderr") {
        return;
    }
    let mut text = Line {
        bytes: [0; 256],
        len: 0,
    };
    let _ = core::fmt::write(&mut text, format_args!("anyring: {line}\n"));
    // SAFETY: so many bytes are there.
    let _ = unsafe {
        sys::raw(
            libc::SYS_write,
            &[2, text.bytes.as_ptr() as usize, text.len],
        )
    };
}

struct Line {
    bytes: [u8; 256],
    len: usize,
}

impl core::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = self.bytes.len() - self.len;
        let count = text.len().min(room);
        self.bytes[self.len..self.len + count].copy_from_slice(&text.as_bytes()[..count]);
        self.len += count;
        Ok(())
    }
}

/// The kernel that serves rings by the [`choice`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selected;

/// Errors of io_uring_setup(2) that mean "not here, for nobody".
fn is_refusal(error: c_int) -> bool {
    [
        -libc::EPERM,
        -libc::EACCES,
        -libc::ENOSYS,
        -libc::EOPNOTSUPP,
    ]
    .contains(&error)
}

/// Makes a ring of the engine.
///
/// # Safety
/// `params` is valid for reads and writes.
#[cold]
unsafe fn own_setup(entries: c_uint, params: *mut io_uring_params, reason: c_int) -> c_int {
    // SAFETY: handed on from the caller.
    let mut p = unsafe { params.read() };
    match Ring::setup(entries, &mut p, -reason) {
        Ok(fd) => {
            // SAFETY: handed on from the caller.
            unsafe { params.write(p) };
            match reason {
                0 => log(format_args!("ring {fd}: userspace engine, as chosen")),
                _ => log(format_args!(
                    "ring {fd}: userspace engine, since io_uring_setup(2) failed with errno {}",
                    -reason
                )),
            }
            fd
        }
        Err(error) => error,
    }
}

#[cold]
fn own_enter(
    fd: c_int,
    to_submit: c_uint,
    min_complete: c_uint,
    flags: c_uint,
    arg: *const c_void,
    size: usize,
) -> Option<c_int> {
    match table::find(fd) {
        Found::Ring(ring) => Some(enter::enter(
            &ring,
            to_submit,
            min_complete,
            flags,
            arg as u64,
            size,
        )),
        Found::Inherited => Some(inherited(fd)),
        Found::Unknown if choice() == Choice::Userspace => Some(-libc::EBADF),
        Found::Unknown => None,
    }
}

fn inherited(fd: c_int) -> c_int {
    log(format_args!(
        "ring {fd}: made by the parent process; a forked child has to make its own"
    ));
    -libc::EOWNERDEAD
}

#[cold]
fn own_register(fd: c_int, opcode: c_uint, arg: *const c_void, nr: c_uint) -> Option<c_int> {
    match table::find(fd) {
        Found::Ring(ring) => Some(register::register(&ring, opcode, arg as u64, nr)),
        Found::Inherited => Some(inherited(fd)),
        Found::Unknown if choice() == Choice::Userspace => Some(-libc::EBADF),
        Found::Unknown => None,
    }
}

#[cold]
fn own_mmap(fd: c_int, offset: u64, length: usize) -> Option<Result<*mut c_void, c_int>> {
    let ring = match table::find(fd) {
        Found::Ring(ring) => ring,
        Found::Inherited => return Some(Err(-libc::EOWNERDEAD)),
        Found::Unknown => return None,
    };
    let found = ring.peek(|state| match offset {
        abi::IORING_OFF_SQ_RING | abi::IORING_OFF_CQ_RING => Some(state.memory.region(false)),
        abi::IORING_OFF_SQES => Some(state.memory.region(true)),
        register::rings::REGION_OFFSET => state
            .region
            .filter(|(at, _)| *at != 0)
            .map(|(at, size)| (at as *mut u8, size)),
        offset if offset & abi::IORING_OFF_MMAP_MASK == abi::IORING_OFF_PBUF_RING => {
            let group = (offset & !abi::IORING_OFF_MMAP_MASK) >> abi::IORING_OFF_PBUF_SHIFT;
            state.groups.memory(group as u16)
        }
        _ => None,
    });
    Some(match found {
        Some((at, size)) if length <= size.next_multiple_of(4096) => Ok(at.cast()),
        _ => Err(-libc::EINVAL),
    })
}

// SAFETY: rings of the kernel are served by the kernel; the engine upholds the
// same contract for its own: see `memory` and `ring`.
unsafe impl Kernel for Selected {
    unsafe fn setup(self, entries: c_uint, params: *mut io_uring_params) -> c_int {
        let choice = choice();
        if choice == Choice::Userspace {
            // SAFETY: handed on from the caller.
            return unsafe { own_setup(entries, params, 0) };
        }
        // SAFETY: handed on from the caller.
        let result = unsafe { Linux.setup(entries, params) };
        if choice == Choice::Auto && is_refusal(result) {
            // SAFETY: handed on from the caller.
            return unsafe { own_setup(entries, params, result) };
        }
        result
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
        if table::any() {
            if let Some(result) = own_enter(fd, to_submit, min_complete, flags, arg, size) {
                return result;
            }
        }
        // SAFETY: handed on from the caller.
        unsafe { Linux.enter(fd, to_submit, min_complete, flags, arg, size) }
    }

    #[inline]
    unsafe fn register(
        self,
        fd: c_int,
        opcode: c_uint,
        arg: *const c_void,
        nr_args: c_uint,
    ) -> c_int {
        if table::any() && fd >= 0 {
            if let Some(result) = own_register(fd, opcode, arg, nr_args) {
                return result;
            }
        }
        if fd < 0 {
            let choice = choice();
            if choice == Choice::Userspace {
                return register::without_ring(opcode, arg as u64, nr_args);
            }
            // SAFETY: handed on from the caller.
            let result = unsafe { Linux.register(fd, opcode, arg, nr_args) };
            return if choice == Choice::Auto && is_refusal(result) {
                register::without_ring(opcode, arg as u64, nr_args)
            } else {
                result
            };
        }
        // SAFETY: handed on from the caller.
        unsafe { Linux.register(fd, opcode, arg, nr_args) }
    }

    unsafe fn mmap(
        self,
        length: usize,
        flags: c_int,
        fd: c_int,
        offset: u64,
    ) -> Result<*mut c_void, c_int> {
        if fd >= 0 && table::any() {
            if let Some(result) = own_mmap(fd, offset, length) {
                return result;
            }
        }
        // SAFETY: handed on from the caller.
        unsafe { Linux.mmap(length, flags, fd, offset) }
    }

    unsafe fn munmap(self, address: *mut c_void, length: usize) -> c_int {
        if table::any() && table::by_memory(address as usize).is_some() {
            // The engine's threads may look at it until the ring is closed;
            // then it goes.
            return 0;
        }
        // SAFETY: handed on from the caller.
        unsafe { Linux.munmap(address, length) }
    }

    unsafe fn madvise(self, address: *mut c_void, length: usize, advice: c_int) -> c_int {
        // SAFETY: handed on from the caller.
        unsafe { Linux.madvise(address, length, advice) }
    }

    unsafe fn close(self, fd: c_int) -> c_int {
        if table::any() {
            if let Some(ring) = table::remove(fd) {
                if !table::is_registered(&ring) {
                    ring.close();
                }
            }
        }
        // SAFETY: handed on from the caller.
        unsafe { Linux.close(fd) }
    }

    fn open_files_limit(self) -> Result<(u64, u64), c_int> {
        Linux.open_files_limit()
    }

    fn set_open_files_limit(self, soft: u64, hard: u64) -> c_int {
        Linux.set_open_files_limit(soft, hard)
    }

    fn page_size(self) -> usize {
        Linux.page_size()
    }
}

/// The bare io_uring_setup(2) of a program that maps the fd itself: the
/// engine cannot serve it, so with `userspace` it is refused.
///
/// # Safety
/// `params` is NULL or valid for reads and writes.
pub unsafe fn bare_setup(entries: c_uint, params: *mut io_uring_params) -> c_int {
    if choice() == Choice::Userspace {
        return -libc::ENOSYS;
    }
    // SAFETY: handed on from the caller.
    unsafe { Linux.setup(entries, params) }
}
