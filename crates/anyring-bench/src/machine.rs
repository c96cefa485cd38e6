//! The machine: clocks, processors, limits, names.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getppid, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// A system call that does nothing.
#[inline]
pub fn null_call() {
    std::hint::black_box(getppid());
}

/// The number of this thread.
pub fn thread() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// CPU time of a thread of this process.
///
/// # Errors
/// Those of clock_gettime(2), as text.
pub fn thread_cpu(thread: i32) -> Result<Duration, String> {
    // As the kernel numbers the clocks of threads: CPUCLOCK_PERTHREAD_MASK and
    // CPUCLOCK_SCHED below the inverted number.
    let clock = nix::time::ClockId::from_raw(!thread << 3 | 6);
    let time = nix::time::clock_gettime(clock).map_err(|e| format!("thread clock: {e}"))?;
    Ok(time.into())
}

/// Time this thread has spent ready to run while another one ran; zero where
/// the kernel does not tell.
pub fn thread_waited() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = text.split_whitespace().nth(1).and_then(|w| w.parse().ok());
    Duration::from_nanos(waited.unwrap_or(0))
}

/// CPU time of this process, workers and SQPOLL threads of the kernel included.
pub fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The processors this thread may run on.
pub fn processors() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU)
            .filter(|&cpu| set.is_set(cpu))
            .collect(),
        Err(_) => Vec::new(),
    }
}

/// Keeps this thread on one processor; false if that is not allowed.
pub fn pin(cpu: usize) -> bool {
    let mut set = CpuSet::new();
    if cpu >= CpuSet::MAX_CPU {
        return false;
    }
    set.set(cpu);
    sched_setaffinity(None, &set).is_ok()
}

/// Lets this process open `wanted` files, or as many as it may; the limit.
pub fn raise_open_files(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let soft = limit.current.unwrap_or(u64::MAX);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    if soft >= wanted {
        return soft;
    }
    let set = |current: u64, maximum: u64| {
        let new = Rlimit {
            current: Some(current),
            maximum: (maximum != u64::MAX).then_some(maximum),
        };
        setrlimit(Resource::Nofile, new).is_ok()
    };
    // Only the administrator may go above the hard limit.
    if set(wanted, hard.max(wanted)) {
        wanted
    } else if set(hard, hard) {
        hard
    } else {
        soft
    }
}

/// Kernel release and machine, as uname(2) has them.
pub fn kernel() -> (String, String) {
    let names = rustix::system::uname();
    let text = |field: &std::ffi::CStr| field.to_string_lossy().into_owned();
    (text(names.release()), text(names.machine()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_found_and_pinned_to() {
        let found = processors();
        assert!(!found.is_empty());
        std::thread::spawn(move || {
            assert!(pin(found[0]));
            assert_eq!(processors(), [found[0]]);
            assert!(!pin(usize::MAX));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn clocks_run() {
        let (thread, process) = (thread_cpu(thread()).unwrap(), process_cpu());
        let begin = std::time::Instant::now();
        while begin.elapsed() < Duration::from_millis(5) {
            null_call();
        }
        assert!(thread_cpu(super::thread()).unwrap() > thread && process_cpu() > process);
        assert!(thread_cpu(1 << 22).is_err(), "no such thread");
    }

    #[test]
    fn limits_only_rise() {
        let before = raise_open_files(0);
        assert!(raise_open_files(before) >= before.min(1 << 20));
        assert!(!kernel().0.is_empty());
    }
}
