//! Which engine serves a ring: chosen explicitly, visible afterwards.
//!
//! # Safety
//! The environment is read through getenv(3), once, before the first ring.
//! The kernel's side of the interface is that of [`Linux`] for its rings and
//! that of this crate for ours; descriptors tell them apart.

use core::ffi::{c_int, c_uint, c_void};
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering};

use anyring::Linux;
use anyring::kernel::Kernel;
use anyring_abi::{
    IORING_ENTER_REGISTERED_RING, IORING_REGISTER_LAST, IORING_REGISTER_SEND_MSG_RING,
    IORING_REGISTER_USE_REGISTERED_RING, io_uring_params,
};

use crate::api::{API, Api, INHERITED, NOT_OURS};
use crate::os::environment::variable;
use crate::os::log::{log, wants_log};
use crate::os::sys;

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

    /// The choice of this name, in small or capital letters.
    fn from_name(name: &[u8]) -> Option<Choice> {
        [
            (b"kernel".as_slice(), Choice::Kernel),
            (b"auto", Choice::Auto),
            (b"userspace", Choice::Userspace),
        ]
        .into_iter()
        .find_map(|(known, choice)| name.eq_ignore_ascii_case(known).then_some(choice))
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
        b"kernel" | b"" => Choice::Kernel,
        _ => panic!("ANYRING_DEFAULT_ENGINE is none of kernel, auto, userspace"),
    },
    None => Choice::Kernel,
};

/// 0: not looked up yet.
static CHOICE: AtomicU8 = AtomicU8::new(0);
/// What the program chose, 0 for nothing.
static PROGRAM_CHOICE: AtomicU8 = AtomicU8::new(0);
static DEFAULT: AtomicU8 = AtomicU8::new(BUILT_IN as u8);

/// What holds for the next ring: the program's wish, else `ANYRING_ENGINE`,
/// else the default.
pub fn choice() -> Choice {
    if let Some(program_choice) = Choice::from_number(PROGRAM_CHOICE.load(Ordering::Relaxed)) {
        return program_choice;
    }
    if let Some(found) = Choice::from_number(CHOICE.load(Ordering::Relaxed)) {
        return found;
    }
    let default = Choice::from_number(DEFAULT.load(Ordering::Relaxed)).unwrap_or(Choice::Kernel);
    let chosen = match variable(c"ANYRING_ENGINE") {
        None | Some(b"") => default,
        Some(name) => Choice::from_name(name).unwrap_or_else(|| {
            log(&[b"ANYRING_ENGINE is none of kernel, auto, userspace: ignored"]);
            default
        }),
    };
    CHOICE.store(chosen as u8, Ordering::Relaxed);
    chosen
}

/// Chooses for the rings made from now on, whatever the environment says;
/// `None` leaves it to that again.
pub fn choose(program_choice: Option<Choice>) {
    PROGRAM_CHOICE.store(
        program_choice.map_or(0, |program_choice| program_choice as u8),
        Ordering::Relaxed,
    );
}

/// What the program chose itself.
pub fn chosen() -> Option<Choice> {
    Choice::from_number(PROGRAM_CHOICE.load(Ordering::Relaxed))
}

/// Sets what holds where neither program nor environment say anything.
pub fn set_default(default: Choice) {
    DEFAULT.store(default as u8, Ordering::Relaxed);
    CHOICE.store(0, Ordering::Relaxed);
}

/// Whether `ANYRING_LOG` asks for lines; 0: not looked up yet, 1: no, 2: yes.
static LOGGED: AtomicU8 = AtomicU8::new(0);

/// Notes a ring that the kernel made: that some exist, and in the log which.
#[inline]
fn made_by_kernel(fd: c_int) {
    KERNEL_SERVES.store(true, Ordering::Relaxed);
    if LOGGED.load(Ordering::Relaxed) != 1 {
        log_made_by_kernel(fd);
    }
}

#[cold]
#[inline(never)]
fn log_made_by_kernel(fd: c_int) {
    if wants_log() {
        let ring = sys::Decimal::of(fd.unsigned_abs());
        log(&[b"ring ", ring.text(), b": the kernel's io_uring"]);
        LOGGED.store(2, Ordering::Relaxed);
    } else {
        LOGGED.store(1, Ordering::Relaxed);
    }
}

/// Where the engine's code comes from when it is needed.
///
/// # Safety
/// The functions of the table uphold the contracts that [`Api`] states: rings
/// of this kernel trust them with their memory.
pub unsafe trait Source: Copy {
    /// The engine, or `None` if it cannot be had.
    fn load() -> Option<&'static Api>;
}

/// It is part of this program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuiltIn;

// SAFETY: the engine's own table.
unsafe impl Source for BuiltIn {
    fn load() -> Option<&'static Api> {
        Some(&API)
    }
}

/// The kernel that serves rings by the [`choice`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelOrEngine<S: Source = BuiltIn>(PhantomData<S>);

/// Whether the kernel made a ring for this process.
static KERNEL_SERVES: AtomicBool = AtomicBool::new(false);
/// The engine, once it was needed: until then nothing of it runs.
static ENGINE: AtomicPtr<Api> = AtomicPtr::new(ptr::null_mut());

/// The engine, if it serves (or served) any ring.
#[inline(always)]
fn engine() -> Option<&'static Api> {
    let api = ENGINE.load(Ordering::Acquire);
    // SAFETY: NULL, or what a source gave: for good.
    unsafe { api.as_ref() }
}

/// The engine, brought in if need be.
#[cold]
fn need<S: Source>() -> Option<&'static Api> {
    if let Some(api) = engine() {
        return Some(api);
    }
    let Some(api) = S::load() else {
        log(&[b"the userspace engine cannot be loaded"]);
        return None;
    };
    ENGINE.store(ptr::from_ref(api).cast_mut(), Ordering::Release);
    Some(api)
}

/// Who serves the ring of this descriptor (or registered index).
pub fn served(fd: c_int) -> Served {
    match engine().map(|api| (api.served)(fd)) {
        Some(reason) if reason >= 0 => Served::Userspace(reason),
        Some(INHERITED) => Served::Inherited,
        _ => Served::Kernel,
    }
}

/// A call on what is no ring of the engine's.
#[derive(Clone, Copy, Debug)]
struct Stray {
    /// A descriptor, or a registered index.
    fd: c_int,
    registered: bool,
    /// What else it asks for exists.
    known: bool,
}

impl Stray {
    /// What the kernel would say, where it must not be asked: no ring of this
    /// process is the kernel's, and none shall be.
    #[cold]
    fn unasked(self) -> Option<c_int> {
        let asks = KERNEL_SERVES.load(Ordering::Relaxed) || choice() != Choice::Userspace;
        (!asks).then(|| self.answer())
    }

    /// The kernel's answer, or what stands for it where io_uring is denied.
    #[cold]
    fn asked(self, answer: c_int) -> c_int {
        // An index is EINVAL to the kernel as long as the thread has no ring of its.
        let differs = self.registered || is_refusal(answer);
        if differs && !KERNEL_SERVES.load(Ordering::Relaxed) && engine().is_some() {
            self.answer()
        } else {
            answer
        }
    }

    fn answer(self) -> c_int {
        // Indices that the kernel has for each thread.
        const INDICES: c_int = 16;
        if !self.known || self.registered && !(0..INDICES).contains(&self.fd) {
            -libc::EINVAL
        } else if !self.registered && sys::is_open(self.fd) {
            -libc::EOPNOTSUPP
        } else {
            -libc::EBADF
        }
    }
}

/// Errors of io_uring_setup(2) that mean that io_uring cannot be had here.
fn is_refusal(error: c_int) -> bool {
    [
        -libc::EPERM,
        -libc::EACCES,
        -libc::ENOSYS,
        -libc::EOPNOTSUPP,
    ]
    .contains(&error)
}

/// Enters a ring of the engine, or of the kernel where there are both. Out of
/// line, with the arguments where they are: where there is no engine, all that
/// an enter pays for it is a branch.
///
/// # Safety
/// As [`Kernel::enter`].
#[cold]
#[inline(never)]
unsafe fn enter_beside_engine(
    fd: c_int,
    to_submit: c_uint,
    min_complete: c_uint,
    flags: c_uint,
    arg: *const c_void,
    size: usize,
) -> c_int {
    if let Some(api) = engine() {
        // SAFETY: the arguments keep the contract of `Kernel::enter`, which this function has.
        let result = unsafe { (api.enter)(fd, to_submit, min_complete, flags, arg, size) };
        if result != NOT_OURS {
            return result;
        }
    }
    let stray = Stray {
        fd,
        registered: flags & IORING_ENTER_REGISTERED_RING != 0,
        known: flags & !crate::wait::enter::ENTER_FLAGS == 0,
    };
    if let Some(error) = stray.unasked() {
        return error;
    }
    // SAFETY: the arguments keep the contract of `Kernel::enter`, which this function has.
    stray.asked(unsafe { Linux.enter(fd, to_submit, min_complete, flags, arg, size) })
}

/// Calls register of the kernel where the engine serves rings, too.
///
/// # Safety
/// As [`Kernel::register`].
#[cold]
unsafe fn register_beside_engine(
    fd: c_int,
    opcode: c_uint,
    arg: *const c_void,
    nr_args: c_uint,
) -> c_int {
    let registered = opcode & IORING_REGISTER_USE_REGISTERED_RING != 0;
    let stray = Stray {
        fd,
        registered,
        known: opcode & !IORING_REGISTER_USE_REGISTERED_RING < IORING_REGISTER_LAST,
    };
    if let Some(error) = stray.unasked() {
        return error;
    }
    // SAFETY: the arguments keep the contract of `Kernel::register`, which this function has.
    stray.asked(unsafe { Linux.register(fd, opcode, arg, nr_args) })
}

// SAFETY: rings of the kernel are served by the kernel; the engine upholds the
// same contract for its own: see `memory` and `ring`.
unsafe impl<S: Source> Kernel for KernelOrEngine<S> {
    unsafe fn setup(self, entries: c_uint, params: *mut io_uring_params) -> c_int {
        // SAFETY: `params` is valid for reads and writes: the contract of this function.
        unsafe { set_up::<S>(entries, params, false) }
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
        if engine().is_some() {
            // SAFETY: the arguments keep the contract of `Kernel::enter`, which this function has.
            return unsafe { enter_beside_engine(fd, to_submit, min_complete, flags, arg, size) };
        }
        // SAFETY: the arguments keep the contract of `Kernel::enter`, which this function has.
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
        if fd == -1 {
            // SAFETY: the arguments keep the contract of `Kernel::register`, which this function has.
            return unsafe { register_without_ring::<S>(fd, opcode, arg, nr_args) };
        }
        if let Some(api) = engine() {
            // SAFETY: the arguments keep the contract of `Kernel::register`, which this function has.
            let result = unsafe { (api.register)(fd, opcode, arg, nr_args) };
            if result != NOT_OURS {
                return result;
            }
            // SAFETY: the arguments keep the contract of `Kernel::register`, which this function has.
            return unsafe { register_beside_engine(fd, opcode, arg, nr_args) };
        }
        // SAFETY: the arguments keep the contract of `Kernel::register`, which this function has.
        unsafe { Linux.register(fd, opcode, arg, nr_args) }
    }

    unsafe fn mmap(
        self,
        length: usize,
        flags: c_int,
        fd: c_int,
        offset: u64,
    ) -> Result<*mut c_void, c_int> {
        if let (true, Some(api)) = (fd >= 0, engine()) {
            let mut address = ptr::null_mut();
            // SAFETY: the address is written.
            let result = unsafe { (api.mmap)(fd, offset, length, &raw mut address) };
            match result {
                NOT_OURS => {}
                0 => return Ok(address),
                error => return Err(error),
            }
        }
        // SAFETY: the arguments keep the contract of `Kernel::mmap`, which this function has.
        unsafe { Linux.mmap(length, flags, fd, offset) }
    }

    unsafe fn munmap(self, address: *mut c_void, length: usize) -> c_int {
        if let Some(api) = engine() {
            // SAFETY: the arguments keep the contract of `Kernel::munmap`, which this function has.
            if unsafe { (api.munmap)(address) } != NOT_OURS {
                return 0;
            }
        }
        // SAFETY: the arguments keep the contract of `Kernel::munmap`, which this function has.
        unsafe { Linux.munmap(address, length) }
    }

    unsafe fn madvise(self, address: *mut c_void, length: usize, advice: c_int) -> c_int {
        // SAFETY: the arguments keep the contract of `Kernel::madvise`, which this function has.
        unsafe { Linux.madvise(address, length, advice) }
    }

    unsafe fn close(self, fd: c_int) -> c_int {
        if let Some(api) = engine() {
            // SAFETY: the caller owns the descriptor: the contract of `Kernel::close`.
            unsafe { (api.closing)(fd) };
        }
        // SAFETY: the arguments keep the contract of `Kernel::close`, which this function has.
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

/// io_uring_setup(2) by the choice; `bare` if the program maps the descriptor itself.
///
/// # Safety
/// `params` is NULL or valid for reads and writes.
unsafe fn set_up<S: Source>(entries: c_uint, params: *mut io_uring_params, bare: bool) -> c_int {
    let choice = choice();
    let mut reason = 0;
    if choice != Choice::Userspace {
        // SAFETY: `params` is valid for reads and writes: the contract of this function.
        reason = unsafe { Linux.setup(entries, params) };
        if choice != Choice::Auto || !is_refusal(reason) {
            if reason >= 0 {
                made_by_kernel(reason);
            }
            return reason;
        }
    }
    if params.is_null() {
        return -libc::EFAULT;
    }
    match need::<S>() {
        // SAFETY: `params` is valid for reads and writes: the contract of this function.
        Some(api) if bare => unsafe { (api.bare_setup)(entries, params, reason) },
        // SAFETY: `params` is valid for reads and writes: the contract of this function.
        Some(api) => unsafe { (api.setup)(entries, params, reason) },
        // The kernel's own answer, or that of a kernel without io_uring.
        None if reason != 0 => reason,
        None => -libc::ENOSYS,
    }
}

/// A register call that names no ring.
///
/// # Safety
/// `arg` is valid for what `opcode` and `nr_args` say it is.
unsafe fn register_without_ring<S: Source>(
    fd: c_int,
    opcode: c_uint,
    arg: *const c_void,
    nr_args: c_uint,
) -> c_int {
    let choice = choice();
    let mut result = -libc::ENOSYS;
    if let (true, Some(api)) = (opcode == IORING_REGISTER_SEND_MSG_RING, engine()) {
        // It names a ring all the same, inside its argument.
        // SAFETY: the arguments keep the contract of `Kernel::register`, which this function has.
        result = unsafe { (api.register)(fd, opcode, arg, nr_args) };
        if result != NOT_OURS {
            return result;
        }
        result = -libc::EBADFD;
    }
    if choice != Choice::Userspace {
        // SAFETY: the arguments keep the contract of `Kernel::register`, which this function has.
        result = unsafe { Linux.register(fd, opcode, arg, nr_args) };
        if choice != Choice::Auto || !is_refusal(result) {
            return result;
        }
    }
    match need::<S>() {
        // SAFETY: the arguments keep the contract of `Kernel::register`, which this function has.
        Some(api) => match unsafe { (api.register)(fd, opcode, arg, nr_args) } {
            NOT_OURS => result,
            answer => answer,
        },
        None => result,
    }
}

impl<S: Source> KernelOrEngine<S> {
    /// This kernel.
    #[must_use]
    pub const fn new() -> Self {
        KernelOrEngine(PhantomData)
    }

    /// io_uring_setup(2) for a program that maps the descriptor itself, by its
    /// documented offsets. -ENOSYS, or the kernel's answer, where there is no engine
    /// or it can make no memory that can be mapped.
    ///
    /// # Safety
    /// `params` is NULL or valid for reads and writes.
    pub unsafe fn bare_setup(self, entries: c_uint, params: *mut io_uring_params) -> c_int {
        // SAFETY: `params` is valid for reads and writes: the contract of this function.
        unsafe { set_up::<S>(entries, params, true) }
    }
}
