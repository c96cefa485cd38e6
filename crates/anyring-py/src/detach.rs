//! Waiting without the interpreter lock.

use pyo3::Python;
use pyo3::ffi::PyThreadState;

// Declared here because taking the lock can unwind: while the interpreter
// ends, it ends every other thread that asks for the lock (before 3.14).
unsafe extern "C-unwind" {
    fn PyEval_SaveThread() -> *mut PyThreadState;
    fn PyEval_RestoreThread(state: *mut PyThreadState);
}

/// Stops a thread that is being ended instead of letting it unwind through
/// frames that would take that for an exception of theirs and abort. The
/// process is about to exit.
struct Stop;

impl Drop for Stop {
    fn drop(&mut self) {
        loop {
            // SAFETY: only waits for a signal.
            unsafe { libc::pause() };
        }
    }
}

/// Runs something that touches no object of Python while other threads run.
#[inline]
pub(crate) fn detach<T: Send>(_py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    struct Attach(*mut PyThreadState);

    impl Drop for Attach {
        fn drop(&mut self) {
            let stop = Stop;
            // SAFETY: the state that SaveThread gave to this thread.
            unsafe { PyEval_RestoreThread(self.0) };
            std::mem::forget(stop);
        }
    }

    // SAFETY: the lock is held, as the token says.
    let attach = Attach(unsafe { PyEval_SaveThread() });
    let result = work();
    drop(attach);
    result
}
