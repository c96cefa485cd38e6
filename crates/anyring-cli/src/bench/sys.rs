//! System calls that neither std nor the core has.
//!
//! # Safety
//! Every function here passes pointers to memory that lives through the call,
//! except [`Aio::push`], whose contract is its own.
#![allow(unsafe_code, reason = "system calls; see above")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::io;
use std::ptr;
use std::time::Duration;

/// Page-aligned memory, as O_DIRECT wants it.
pub(crate) struct Aligned {
    start: *mut u8,
    layout: Layout,
}

// SAFETY: plain owned memory.
unsafe impl Send for Aligned {}

impl Aligned {
    pub(crate) fn new(bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes.max(4096), 4096).expect("a sane size");
        // SAFETY: the size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        assert!(!start.is_null(), "out of memory");
        Aligned { start, layout }
    }

    pub(crate) fn as_mut_ptr(&self) -> *mut u8 {
        self.start
    }

    /// The bytes; nothing may be writing them.
    pub(crate) fn bytes(&self, from: usize, count: usize) -> &[u8] {
        assert!(from + count <= self.layout.size());
        // SAFETY: inside the allocation; callers look only at finished reads.
        unsafe { std::slice::from_raw_parts(self.start.add(from), count) }
    }
}

impl Drop for Aligned {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start, self.layout) };
    }
}

/// The result of a libc call.
pub(crate) fn check(result: libc::c_long) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// A system call that does nothing.
pub(crate) fn null_call() {
    // SAFETY: no argument.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

/// CPU time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    cpu_clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time of this process, workers and SQPOLL threads of the kernel included.
pub(crate) fn process_cpu() -> Duration {
    cpu_clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn cpu_clock(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: valid for the call.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The processors this thread may run on.
pub(crate) fn processors() -> Vec<usize> {
    // SAFETY: a bit set; all zeroes is the empty one.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set);
        (0..libc::CPU_SETSIZE as usize)
            .filter(|&cpu| libc::CPU_ISSET(cpu, &set))
            .collect()
    }
}

/// Keeps this thread on one processor; false if that is not allowed.
pub(crate) fn pin(cpu: usize) -> bool {
    // SAFETY: as above.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) == 0
    }
}

/// Lets this process open as many files as it may; the limit.
pub(crate) fn raise_open_files() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: valid for both calls.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max.min(65536);
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
    limit.rlim_cur
}

/// A write beyond the file-size limit is to be an error, not a signal.
pub(crate) fn ignore_file_size_signal() {
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Kernel release and machine, as uname(2) has them.
pub(crate) fn kernel() -> (String, String) {
    // SAFETY: filled by the call; the fields are terminated strings.
    unsafe {
        let mut names: libc::utsname = std::mem::zeroed();
        libc::uname(&raw mut names);
        let text = |field: &[libc::c_char]| {
            std::ffi::CStr::from_ptr(field.as_ptr())
                .to_string_lossy()
                .into_owned()
        };
        (text(&names.release), text(&names.machine))
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Iocb {
    data: u64,
    key: u32,
    rw_flags: i32,
    opcode: u16,
    priority: i16,
    fd: u32,
    buf: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event_fd: u32,
}
const _: () = assert!(size_of::<Iocb>() == 64);

/// A completion of Linux AIO.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct IoEvent {
    pub(crate) data: u64,
    object: u64,
    pub(crate) result: i64,
    result2: i64,
}

/// Linux AIO, through its system calls.
pub(crate) struct Aio {
    context: u64,
    blocks: Vec<Iocb>,
    queued: Vec<*mut Iocb>,
    events: Vec<IoEvent>,
}

impl Aio {
    pub(crate) fn new(depth: usize) -> io::Result<Self> {
        let mut context = 0u64;
        // SAFETY: valid for the call.
        check(unsafe { libc::syscall(libc::SYS_io_setup, depth, &raw mut context) })?;
        // SAFETY: integers.
        let empty: Iocb = unsafe { std::mem::zeroed() };
        Ok(Aio {
            context,
            blocks: vec![empty; depth],
            queued: Vec::with_capacity(depth),
            events: vec![IoEvent::default(); depth],
        })
    }

    /// Queues a read.
    ///
    /// # Safety
    /// `buf` is writable for `bytes` until the read has completed, and the
    /// slot is not in flight.
    pub(crate) unsafe fn push(
        &mut self,
        slot: usize,
        fd: i32,
        buf: *mut u8,
        bytes: usize,
        offset: u64,
    ) {
        let block = &mut self.blocks[slot];
        block.data = slot as u64;
        block.opcode = 0; // IOCB_CMD_PREAD
        block.fd = fd as u32;
        block.buf = buf as u64;
        block.bytes = bytes as u64;
        block.offset = offset as i64;
        self.queued.push(block);
    }

    /// Submits what is queued; system calls made.
    pub(crate) fn submit(&mut self) -> io::Result<u64> {
        let mut calls = 0;
        while !self.queued.is_empty() {
            // SAFETY: the blocks live in `self`, whose vector does not grow.
            let taken = check(unsafe {
                libc::syscall(
                    libc::SYS_io_submit,
                    self.context,
                    self.queued.len(),
                    self.queued.as_ptr(),
                )
            })?;
            calls += 1;
            self.queued.drain(..taken);
        }
        Ok(calls)
    }

    /// Waits for one completion at least.
    pub(crate) fn wait(&mut self) -> io::Result<&[IoEvent]> {
        // SAFETY: room for as many events as are given.
        let found = check(unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.context,
                1usize,
                self.events.len(),
                self.events.as_mut_ptr(),
                ptr::null::<libc::timespec>(),
            )
        })?;
        Ok(&self.events[..found])
    }
}

impl Drop for Aio {
    fn drop(&mut self) {
        // SAFETY: waits for what is in flight; used by nobody afterwards.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.context) };
    }
}
