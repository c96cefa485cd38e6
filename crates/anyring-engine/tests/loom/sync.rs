//! The engine's `sync` module, made of loom's parts, and weaker ones.
//!
//! A futex sleeps until it is woken. One with a time limit also ends when the
//! model says that it is late: as long as it does not, a lost wake-up is a
//! deadlock, which loom reports.

pub(crate) mod base {
    use std::ops::Deref;

    use loom::cell::{MutPtr, UnsafeCell};
    use loom::sync::atomic::AtomicU32;
    use loom::sync::atomic::Ordering::Relaxed;
    use loom::sync::{Condvar, Mutex};

    pub(crate) use loom::hint::spin_loop;

    /// Once is as good as often.
    pub(crate) const SPINS: u32 = 1;
    /// So that the driver also lets go of rings.
    pub(crate) const WAITER_TICKS: u32 = 2;

    macro_rules! constant {
        ($visible:vis fn $($rest:tt)*) => { $visible fn $($rest)* };
    }
    pub(crate) use constant;

    /// The models have no signals.
    #[derive(Debug)]
    pub(crate) struct NoSignals;

    impl NoSignals {
        pub(crate) fn new() -> Self {
            NoSignals
        }
    }

    /// A cell that refuses two threads at a time.
    #[derive(Debug)]
    pub(crate) struct Cell<T>(UnsafeCell<T>);

    impl<T> Cell<T> {
        pub(crate) fn new(value: T) -> Self {
            Cell(UnsafeCell::new(value))
        }

        pub(crate) fn reach(&self) -> Reach<T> {
            Reach(self.0.get_mut())
        }
    }

    /// Loom takes it for an access as long as it lives.
    #[derive(Debug)]
    pub(crate) struct Reach<T>(MutPtr<T>);

    impl<T> Reach<T> {
        pub(crate) fn pointer(&self) -> *mut T {
            self.0.with(|pointer| pointer)
        }
    }

    #[derive(Debug)]
    pub(crate) struct Futex {
        word: AtomicU32,
        /// Whether time limits are over; its lock is the kernel's.
        late: Mutex<bool>,
        sleepers: Condvar,
    }

    impl Deref for Futex {
        type Target = AtomicU32;

        fn deref(&self) -> &AtomicU32 {
            &self.word
        }
    }

    impl Futex {
        pub(crate) fn new(value: u32) -> Self {
            Futex {
                word: AtomicU32::new(value),
                late: Mutex::new(false),
                sleepers: Condvar::new(),
            }
        }

        pub(crate) fn wait(&self, value: u32, nanos: Option<u64>) {
            let late = self.late.lock().unwrap();
            if *late && nanos.is_some() {
                drop(late);
                loom::thread::yield_now();
            } else if self.word.load(Relaxed) == value {
                drop(self.sleepers.wait(late).unwrap());
            }
        }

        pub(crate) fn wake(&self, count: u32) {
            let _late = self.late.lock().unwrap();
            if count == 1 {
                self.sleepers.notify_one();
            } else {
                self.sleepers.notify_all();
            }
        }

        /// Ends sleeps, as a time limit (or a signal) does; with `stays`, later
        /// ones that have a limit as well.
        pub(crate) fn expire(&self, stays: bool) {
            *self.late.lock().unwrap() |= stays;
            self.sleepers.notify_all();
        }
    }
}

/// As the engine has it.
pub(crate) mod strict {
    pub(crate) use super::base::*;
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, Ordering, fence};
}

/// No access orders any other.
pub(crate) mod relaxed {
    pub(crate) use super::base::*;
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, fence};

    pub(crate) struct Ordering;

    #[allow(non_upper_case_globals, reason = "named as the real ones")]
    impl Ordering {
        pub(crate) const Relaxed: loom::sync::atomic::Ordering =
            loom::sync::atomic::Ordering::Relaxed;
        pub(crate) const Acquire: loom::sync::atomic::Ordering = Self::Relaxed;
        pub(crate) const Release: loom::sync::atomic::Ordering = Self::Relaxed;
        pub(crate) const AcqRel: loom::sync::atomic::Ordering = Self::Relaxed;
        pub(crate) const SeqCst: loom::sync::atomic::Ordering =
            loom::sync::atomic::Ordering::SeqCst;
    }
}

/// Fences do nothing.
pub(crate) mod unfenced {
    pub(crate) use super::base::*;
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

    pub(crate) fn fence(_: Ordering) {}
}

/// Nobody is ever woken.
pub(crate) mod silent {
    use std::ops::Deref;

    pub(crate) use super::base::{
        Cell, NoSignals, Reach, SPINS, WAITER_TICKS, constant, spin_loop,
    };
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, Ordering, fence};

    #[derive(Debug)]
    pub(crate) struct Futex(super::base::Futex);

    impl Deref for Futex {
        type Target = super::base::Futex;

        fn deref(&self) -> &Self::Target {
            &self.0
        }
    }

    impl Futex {
        pub(crate) fn new(value: u32) -> Self {
            Futex(super::base::Futex::new(value))
        }

        pub(crate) fn wake(&self, _: u32) {}
    }
}
