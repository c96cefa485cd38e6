//! What a contender is, and how a run of it is measured.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

use super::{counted, machine};

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Ctrl-C: every loop looks at it and ends early.
pub struct Stop;

impl Stop {
    /// What a run says that was stopped.
    pub const MESSAGE: &str = "stopped; nothing was left behind";

    /// Catches the signals that end a program, so that it can clean up, and
    /// the one for files that are too large, which then is an error of a write.
    ///
    /// # Errors
    /// Those of sigaction(2).
    pub fn on_signals() -> io::Result<()> {
        let asked = STOP.get_or_init(Arc::default);
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, asked.clone())?;
        }
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
        Ok(())
    }

    /// Whether a signal has come.
    pub fn asked() -> bool {
        STOP.get()
            .is_some_and(|asked| asked.load(Ordering::Relaxed))
    }
}

/// When a run is over.
#[derive(Clone, Copy)]
pub enum Budget {
    /// After this time.
    Time(Duration),
    /// After this many operations, or a few more.
    Operations(u64),
}

/// What one run gave.
#[derive(Default)]
pub struct Sample {
    /// Finished and checked.
    pub operations: u64,
    /// By the clock on the wall.
    pub elapsed: Duration,
    /// CPU time, of all that worked for it.
    pub cpu: Duration,
    /// Time in which this thread could have run and another one did.
    pub waited: Duration,
    /// System calls; `None`: they cannot be counted from inside.
    pub calls: Option<u64>,
    /// Of every operation, in nanoseconds, if it was asked for.
    pub latency: Option<Histogram<u64>>,
}

impl Sample {
    /// Adds another run of the same contender.
    pub fn add(&mut self, other: Sample) {
        self.operations += other.operations;
        self.elapsed += other.elapsed;
        self.cpu += other.cpu;
        self.waited += other.waited;
        self.calls = self.calls.zip(other.calls).map(|(a, b)| a + b);
        match (&mut self.latency, other.latency) {
            (Some(all), Some(more)) => {
                // Bounds are the same for all: see `histogram`.
                let _ = all.add(more);
            }
            (all, more) => *all = more,
        }
    }
}

/// Measures a run on this thread.
pub struct Clock {
    start: Instant,
    cpu: Duration,
    waited: Duration,
    calls: u64,
    budget: Budget,
    looked: u64,
}

impl Clock {
    /// Starts now.
    pub fn start(budget: Budget) -> Self {
        Clock {
            waited: machine::thread_waited(),
            cpu: machine::process_cpu(),
            calls: counted::calls(),
            start: Instant::now(),
            budget,
            looked: 0,
        }
    }

    /// Whether the run is over, which it is not before the first operation; the
    /// time is looked at every 32 operations.
    pub fn over(&mut self, operations: u64) -> bool {
        match self.budget {
            Budget::Operations(wanted) => operations >= wanted || Stop::asked(),
            Budget::Time(limit) => {
                if operations == 0 {
                    return Stop::asked();
                }
                if operations < self.looked {
                    return false;
                }
                self.looked = operations.saturating_add(32);
                self.start.elapsed() >= limit || Stop::asked()
            }
        }
    }

    /// The same for operations that take longer than a look at the clock.
    pub fn over_now(&mut self, operations: u64) -> bool {
        self.looked = operations;
        self.over(operations)
    }

    /// Ends it; `counts`: system calls were noted.
    pub fn stop(self, operations: u64, counts: bool) -> Sample {
        let elapsed = self.start.elapsed();
        Sample {
            operations,
            elapsed,
            cpu: machine::process_cpu().saturating_sub(self.cpu),
            waited: machine::thread_waited().saturating_sub(self.waited),
            calls: counts.then(|| counted::calls() - self.calls),
            latency: None,
        }
    }
}

/// A histogram from 1 ns to a minute, three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("valid bounds")
}

/// One way to do some work.
pub trait Contender {
    /// What tables call it.
    fn name(&self) -> String;

    /// Runs; records a latency for each operation if `latency`.
    ///
    /// # Errors
    /// What went wrong: a call that failed, a wrong result.
    fn run(&mut self, budget: Budget, latency: bool) -> Result<Sample, String>;
}
