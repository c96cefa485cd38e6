//! System calls that std does not have. All unsafe code of the crate is here.

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

fn check(result: libc::c_long) -> Result<libc::c_long> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Copies memory of another process (process_vm_readv(2)); all of `to` or an error.
///
/// # Errors
/// ESRCH: the process is gone; EPERM: it may not be looked at; EFAULT: not mapped.
pub fn read_memory(pid: i32, address: u64, to: &mut [u8]) -> Result<()> {
    let local = libc::iovec {
        iov_base: to.as_mut_ptr().cast(),
        iov_len: to.len(),
    };
    let remote = libc::iovec {
        iov_base: address as usize as *mut _,
        iov_len: to.len(),
    };
    // SAFETY: the local range is `to`, which is ours to write; the remote range is
    // checked by the kernel.
    let n = check(unsafe { libc::process_vm_readv(pid, &local, 1, &remote, 1, 0) } as _)?;
    if n as usize == to.len() {
        Ok(())
    } else {
        Err(Error::from_raw_os_error(libc::EFAULT))
    }
}

/// pidfd_open(2).
///
/// # Errors
/// ESRCH: there is no such process; ENOSYS before Linux 5.3.
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: a new descriptor that is owned by no other value.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Whether the process of a pidfd has ended, reaped or not.
#[must_use]
pub fn ended(pidfd: &OwnedFd) -> bool {
    let mut poll = libc::pollfd {
        fd: pidfd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one element, which the call reads and fills.
    unsafe { libc::poll(&mut poll, 1, 0) > 0 }
}

/// pidfd_getfd(2): a duplicate of a descriptor of another process.
///
/// # Errors
/// EPERM: the process may not be traced; EBADF: no such descriptor; ENOSYS before
/// Linux 5.6.
pub fn pidfd_getfd(pidfd: &OwnedFd, fd: i32) -> Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) })?;
    // SAFETY: a new descriptor that is owned by no other value.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// A read-only mapping of a ring's memory. Another process writes it.
#[derive(Debug)]
pub struct Mapping {
    start: *const AtomicU32,
    mapped: usize,
    usable: usize,
}

impl Mapping {
    /// Maps `bytes` of what the descriptor has at `offset`. Pages that are not there
    /// (the kernel maps what it has, without an error) are left out of [`Self::usable`].
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn new(fd: &OwnedFd, offset: u64, bytes: usize) -> Result<Mapping> {
        const PAGE: usize = 4096;
        let mapped = bytes.next_multiple_of(PAGE);
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapped,
                libc::PROT_READ,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                offset as i64,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        let mut mapping = Mapping {
            start: start.cast(),
            mapped,
            usable: 0,
        };
        let me = std::process::id() as i32;
        let mut word = [0; 4];
        while mapping.usable < mapped
            && read_memory(me, (start as usize + mapping.usable) as u64, &mut word).is_ok()
        {
            mapping.usable += PAGE;
        }
        Ok(mapping)
    }

    /// Bytes that can be read.
    #[must_use]
    pub fn usable(&self) -> usize {
        self.usable
    }

    /// Copies from the mapping; false if it does not reach so far, or if the place is
    /// not a multiple of four.
    #[must_use]
    pub fn copy(&self, at: usize, to: &mut [u8]) -> bool {
        let fits = at
            .checked_add(to.len())
            .is_some_and(|end| end <= self.usable);
        if !fits || at % 4 != 0 || to.len() % 4 != 0 {
            return false;
        }
        for (i, word) in to.chunks_exact_mut(4).enumerate() {
            // SAFETY: within the pages that were found to be there, aligned; the other
            // process writes them as well, hence the atomic.
            let value = unsafe { (*self.start.add(at / 4 + i)).load(Ordering::Acquire) };
            word.copy_from_slice(&value.to_ne_bytes());
        }
        true
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range of our own mapping, to which no reference is left.
        unsafe { libc::munmap(self.start.cast_mut().cast(), self.mapped) };
    }
}

/// What one of io_uring's system calls answers to arguments that can have no effect:
/// `io_uring_setup(0, NULL)`, `io_uring_enter(-1, …)`, `io_uring_register(-1, …)`.
#[must_use]
pub fn harmless_call(nr: i64) -> i32 {
    // SAFETY: no memory is given; setup with no entries and a null pointer, and the
    // others on descriptor -1, fail before they do anything.
    let result = unsafe {
        match nr {
            anyring_abi::NR_IO_URING_SETUP => libc::syscall(nr, 0, 0),
            _ => libc::syscall(nr, -1, 0, 0, 0, 0, 0),
        }
    };
    if result < 0 {
        -Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
    } else {
        result as i32
    }
}

/// Makes a ring, only to look at what the kernel answers.
///
/// # Errors
/// Those of io_uring_setup(2).
pub fn setup(entries: u32, params: &mut anyring_abi::io_uring_params) -> Result<OwnedFd> {
    // SAFETY: `params` is the struct that the call reads and fills.
    let fd = check(unsafe {
        libc::syscall(
            anyring_abi::NR_IO_URING_SETUP,
            entries,
            std::ptr::from_mut(params),
        )
    })?;
    // SAFETY: a new descriptor that is owned by no other value.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// A zeroed params block.
#[must_use]
pub fn params() -> anyring_abi::io_uring_params {
    // SAFETY: numbers only, for which zero is a value.
    unsafe { std::mem::zeroed() }
}

/// Which opcodes the kernel has, by `IORING_REGISTER_PROBE`.
///
/// # Errors
/// Those of io_uring_register(2).
pub fn probe(ring: &OwnedFd) -> Result<Vec<u8>> {
    // struct io_uring_probe of 16 bytes, then 256 entries of 8.
    let mut block = [0u64; 2 + 256];
    // SAFETY: the block has room for the 256 entries that the call is told of.
    check(unsafe {
        libc::syscall(
            anyring_abi::NR_IO_URING_REGISTER,
            ring.as_raw_fd(),
            anyring_abi::IORING_REGISTER_PROBE,
            block.as_mut_ptr(),
            256,
        )
    })?;
    let ops = block[2..].iter().map(|entry| entry.to_ne_bytes());
    Ok(ops
        .filter(|op| u16::from_ne_bytes([op[2], op[3]]) & 1 != 0)
        .map(|op| op[0])
        .collect())
}

/// Soft and hard limit of a resource (getrlimit(2)).
#[must_use]
pub fn limit(resource: u32) -> (u64, u64) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the struct that the call fills.
    unsafe { libc::getrlimit(resource as _, &mut limit) };
    (limit.rlim_cur, limit.rlim_max)
}

// ---- ptrace(2), for `start`

/// What stopped: a value of `PTRACE_GET_SYSCALL_INFO`.
pub(crate) enum Stop {
    /// By the filter, before the call: its number and arguments.
    Before(u64, [u64; 6]),
    /// After the call: its result.
    After(i64),
    Other,
}

pub(crate) fn stop_info(tid: i32) -> Result<Stop> {
    // SAFETY: numbers only, for which zero is a value.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    // SAFETY: the size and the address of the struct that the call fills.
    check(unsafe {
        libc::ptrace(
            libc::PTRACE_GET_SYSCALL_INFO,
            tid,
            size_of_val(&info),
            std::ptr::from_mut(&mut info),
        )
    })?;
    Ok(match info.op {
        libc::PTRACE_SYSCALL_INFO_SECCOMP => {
            // SAFETY: `op` says which member the kernel filled.
            let call = unsafe { info.u.seccomp };
            Stop::Before(call.nr, call.args)
        }
        libc::PTRACE_SYSCALL_INFO_EXIT => {
            // SAFETY: `op` says which member the kernel filled.
            Stop::After(unsafe { info.u.exit.sval })
        }
        _ => Stop::Other,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Go {
    Continue,
    ToEndOfCall,
    /// Stays stopped, as the group is.
    Listen,
}

pub(crate) fn go(tid: i32, how: Go, signal: i32) -> Result<()> {
    let request = match how {
        Go::Continue => libc::PTRACE_CONT,
        Go::ToEndOfCall => libc::PTRACE_SYSCALL,
        Go::Listen => libc::PTRACE_LISTEN,
    };
    // SAFETY: takes numbers only.
    check(unsafe { libc::ptrace(request, tid, 0, signal as libc::c_long) })?;
    Ok(())
}

pub(crate) fn event_message(tid: i32) -> Result<u64> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: the call fills one word.
    check(unsafe {
        libc::ptrace(
            libc::PTRACE_GETEVENTMSG,
            tid,
            0,
            std::ptr::from_mut(&mut message),
        )
    })?;
    Ok(message)
}

/// A thread that changed its state, with the status; `None` if none has.
pub(crate) fn wait() -> Result<Option<(i32, i32)>> {
    let mut status = 0;
    // SAFETY: the call fills one word.
    let tid =
        check(unsafe { libc::waitpid(-1, &mut status, libc::__WALL | libc::WNOHANG) }.into())?;
    Ok((tid != 0).then_some((tid as i32, status)))
}

fn signals() -> libc::sigset_t {
    // SAFETY: sigemptyset and sigaddset fill the set that they are given.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in [libc::SIGCHLD, libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::sigaddset(&mut set, signal);
        }
        set
    }
}

/// Holds back SIGCHLD, SIGINT, SIGTERM and SIGHUP for [`wait_signal`].
pub fn block_signals() {
    let set = signals();
    // SAFETY: reads the set; the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
}

/// Waits for one of the signals of [`block_signals`], at most so long.
#[must_use]
pub fn wait_signal(time: std::time::Duration) -> Option<i32> {
    let set = signals();
    let time = libc::timespec {
        tv_sec: time.as_secs() as _,
        tv_nsec: time.subsec_nanos().into(),
    };
    // SAFETY: reads the set and the time; no information is asked for.
    let signal = unsafe { libc::sigtimedwait(&set, std::ptr::null_mut(), &time) };
    (signal > 0).then_some(signal)
}

/// Sends a signal to a process.
pub fn kill(pid: i32, signal: i32) {
    // SAFETY: takes numbers only.
    unsafe { libc::kill(pid, signal) };
}

/// Starts a program that is traced, stopped by a seccomp filter at the three system
/// calls and at munmap(2). It ends when this process ends.
///
/// # Errors
/// Those of fork, ptrace(2), prctl(2) and execvp(3) in the child.
pub(crate) fn start(program: &[std::ffi::CString]) -> Result<i32> {
    let mut words: Vec<*const libc::c_char> = program.iter().map(|word| word.as_ptr()).collect();
    words.push(std::ptr::null());
    let mut filter = filter();
    let code = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    let mut go_on = [0; 2];
    let mut failed = [0; 2];
    // SAFETY: both calls fill two descriptors.
    let made = unsafe {
        libc::pipe2(go_on.as_mut_ptr(), libc::O_CLOEXEC) == 0
            && libc::pipe2(failed.as_mut_ptr(), libc::O_CLOEXEC) == 0
    };
    if !made {
        return Err(Error::last_os_error());
    }
    // SAFETY: the child calls only functions that are safe after fork in a process
    // with threads, on memory made before.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: system calls on the child's own copies; execvp searches PATH in
        // memory it has; the descriptors are the pipes made above.
        unsafe {
            let mut byte = 0u8;
            libc::close(go_on[1]);
            if libc::read(go_on[0], (&raw mut byte).cast(), 1) == 1 {
                libc::signal(libc::SIGPIPE, libc::SIG_DFL);
                let ready = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                    && libc::prctl(
                        libc::PR_SET_SECCOMP,
                        libc::SECCOMP_MODE_FILTER,
                        &raw const code,
                    ) == 0;
                if ready {
                    libc::execvp(words[0], words.as_ptr());
                }
                let errno = *libc::__errno_location();
                libc::write(failed[1], (&raw const errno).cast(), 4);
            }
            libc::_exit(127);
        }
    }
    let error = Error::last_os_error();
    // SAFETY: our ends of the pipes, each owned here from now on.
    let (go_on, failed) = unsafe {
        libc::close(go_on[0]);
        libc::close(failed[1]);
        (
            OwnedFd::from_raw_fd(go_on[1]),
            OwnedFd::from_raw_fd(failed[0]),
        )
    };
    if child < 0 {
        return Err(error);
    }
    let options = libc::PTRACE_O_TRACESECCOMP
        | libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_TRACEEXIT
        | libc::PTRACE_O_EXITKILL;
    // SAFETY: takes numbers only.
    let seized = unsafe { libc::ptrace(libc::PTRACE_SEIZE, child, 0, options as libc::c_long) };
    if let Err(error) = check(seized) {
        drop(go_on);
        // SAFETY: the child ends, as its pipe is closed; the status is not asked for.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        return Err(error);
    }
    // SAFETY: one byte of a constant.
    unsafe { libc::write(go_on.as_raw_fd(), b"g".as_ptr().cast(), 1) };
    // The exec and what follows wait for the tracer: the pipe is read by `start_error`
    // once the program is gone.
    FAILED.with(|held| *held.borrow_mut() = Some(failed));
    Ok(child)
}

thread_local! {
    static FAILED: std::cell::RefCell<Option<OwnedFd>> = const { std::cell::RefCell::new(None) };
}

/// Why the program that [`start`] made did not get as far as its first instruction.
pub(crate) fn start_error() -> Option<Error> {
    let pipe = FAILED.with(|held| held.borrow_mut().take())?;
    let mut errno = [0; 4];
    // SAFETY: at most the four bytes of the array.
    let n = unsafe { libc::read(pipe.as_raw_fd(), errno.as_mut_ptr().cast(), 4) };
    (n == 4).then(|| Error::from_raw_os_error(i32::from_ne_bytes(errno)))
}

fn filter() -> Vec<libc::sock_filter> {
    const ARCH: u32 = if cfg!(target_arch = "x86_64") {
        0xc000_003e
    } else {
        0xc000_00b7
    };
    let op = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let same = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let end = libc::BPF_RET | libc::BPF_K;
    vec![
        op(load, 4, 0, 0),
        op(same, ARCH, 0, 6),
        op(load, 0, 0, 0),
        op(same, libc::SYS_munmap as u32, 3, 0),
        op(same, 425, 2, 0),
        op(same, 426, 1, 0),
        op(same, 427, 0, 1),
        op(end, libc::SECCOMP_RET_TRACE, 0, 0),
        op(end, libc::SECCOMP_RET_ALLOW, 0, 0),
    ]
}

/// The number of munmap(2).
pub(crate) const MUNMAP: i64 = libc::SYS_munmap;

/// The number of SIGCHLD.
pub const SIGCHLD: i32 = libc::SIGCHLD;

/// Soft and hard limit of locked memory, in bytes.
#[must_use]
pub fn memlock() -> (u64, u64) {
    limit(libc::RLIMIT_MEMLOCK)
}

/// Soft and hard limit of open files.
#[must_use]
pub fn nofile() -> (u64, u64) {
    limit(libc::RLIMIT_NOFILE)
}
