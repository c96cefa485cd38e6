//! Repetitions in random order, medians with their spread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::report::model::{Group, Latency, Row, Spread};
use super::{counted, sys};

static STOP: AtomicBool = AtomicBool::new(false);

/// Ctrl-C.
pub(crate) struct Stop;

impl Stop {
    pub(crate) const MESSAGE: &str = "stopped; nothing was left behind";

    pub(crate) fn ask() {
        STOP.store(true, Ordering::Relaxed);
    }

    pub(crate) fn asked() -> bool {
        STOP.load(Ordering::Relaxed)
    }
}

/// When a run is over.
#[derive(Clone, Copy)]
pub(crate) enum Budget {
    /// After this time.
    Time(Duration),
    /// After this many operations, or a few more.
    Operations(u64),
}

/// What one run gave.
#[derive(Default)]
pub(crate) struct Sample {
    pub(crate) operations: u64,
    pub(crate) elapsed: Duration,
    pub(crate) cpu: Duration,
    /// `None`: the contender's calls cannot be counted from inside.
    pub(crate) calls: Option<u64>,
    pub(crate) latency: Option<Histogram<u64>>,
}

/// Measures a run on this thread.
pub(crate) struct Clock {
    start: Instant,
    cpu: Duration,
    calls: u64,
    budget: Budget,
    looked: u64,
}

impl Clock {
    pub(crate) fn start(budget: Budget) -> Self {
        Clock {
            cpu: sys::process_cpu(),
            calls: counted::calls(),
            start: Instant::now(),
            budget,
            looked: 0,
        }
    }

    /// Whether the run is over; the time is looked at every 32 operations.
    pub(crate) fn over(&mut self, operations: u64) -> bool {
        match self.budget {
            Budget::Operations(wanted) => operations >= wanted || Stop::asked(),
            Budget::Time(limit) => {
                if operations < self.looked {
                    return false;
                }
                self.looked = operations.saturating_add(32);
                self.start.elapsed() >= limit || Stop::asked()
            }
        }
    }

    pub(crate) fn stop(self, operations: u64, counts: bool) -> Sample {
        let elapsed = self.start.elapsed();
        Sample {
            operations,
            elapsed,
            cpu: sys::process_cpu().saturating_sub(self.cpu),
            calls: counts.then(|| counted::calls() - self.calls),
            latency: None,
        }
    }
}

/// A histogram from 1 ns to a minute, three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("valid bounds")
}

/// One way to do the work of a group.
pub(crate) trait Contender {
    fn name(&self) -> String;
    /// Runs; records a latency for each operation if `latency`.
    fn run(&mut self, budget: Budget, latency: bool) -> Result<Sample, String>;
}

/// How long and how often.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) repetitions: usize,
    pub(crate) slice: Duration,
    pub(crate) latency: bool,
}

/// What a group is about.
pub(crate) struct Topic {
    pub(crate) id: String,
    pub(crate) family: &'static str,
    pub(crate) title: String,
    pub(crate) parameters: Vec<(&'static str, String)>,
}

/// The quartiles of some values.
pub(crate) fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * (values.len() - 1) as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        values[low] + (values[high] - values[low]) * (place - low as f64)
    };
    Spread {
        low: at(0.25),
        median: at(0.5),
        high: at(0.75),
    }
}

/// Runs all contenders of a group, the first being the baseline.
pub(crate) fn measure(
    topic: Topic,
    contenders: &mut [Box<dyn Contender>],
    plan: Plan,
    tick: &mut dyn FnMut(&str),
) -> Result<Group, String> {
    let count = contenders.len();
    let mut samples: Vec<Vec<Sample>> = (0..count).map(|_| Vec::new()).collect();
    let mut latencies: Vec<Option<Histogram<u64>>> = vec![None; count];
    let with = |contender: &dyn Contender, error: String| format!("{}: {error}", contender.name());
    let mut order: Vec<usize> = (0..count).collect();
    for round in 0..=plan.repetitions + usize::from(plan.latency) {
        fastrand::shuffle(&mut order);
        for &index in &order {
            if Stop::asked() {
                return Err(Stop::MESSAGE.into());
            }
            let contender = &mut contenders[index];
            let for_latency = round > plan.repetitions;
            let sample = contender
                .run(Budget::Time(plan.slice), for_latency)
                .map_err(|error| with(contender.as_ref(), error))?;
            tick(&topic.title);
            if Stop::asked() {
                return Err(Stop::MESSAGE.into());
            }
            if sample.operations == 0 {
                return Err(with(
                    contender.as_ref(),
                    "no operation finished in time".into(),
                ));
            }
            match round {
                0 => {} // warm-up
                _ if for_latency => latencies[index] = sample.latency,
                _ => samples[index].push(sample),
            }
        }
    }
    let rate = |s: &Sample| s.operations as f64 / s.elapsed.as_secs_f64();
    let rows = contenders.iter().enumerate().map(|(index, contender)| {
        let own = &samples[index];
        Row {
            contender: contender.name(),
            per_second: spread(own.iter().map(rate).collect()),
            ratio: spread(
                own.iter()
                    .zip(&samples[0])
                    .map(|(a, b)| rate(a) / rate(b))
                    .collect(),
            ),
            cpu_nanoseconds: spread(
                own.iter()
                    .map(|s| s.cpu.as_nanos() as f64 / s.operations as f64)
                    .collect(),
            ),
            calls: own
                .iter()
                .map(|s| s.calls.map(|c| c as f64 / s.operations as f64))
                .collect::<Option<Vec<_>>>()
                .map(spread),
            latency: latencies[index].as_ref().map(|h| Latency {
                p50: h.value_at_quantile(0.5),
                p99: h.value_at_quantile(0.99),
                p999: h.value_at_quantile(0.999),
            }),
        }
    });
    Ok(Group {
        id: topic.id,
        family: topic.family.into(),
        title: topic.title,
        parameters: topic
            .parameters
            .into_iter()
            .map(|(k, v)| (k.to_string(), v))
            .collect(),
        repetitions: plan.repetitions,
        rows: rows.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles() {
        let s = spread(vec![4.0, 1.0, 3.0, 2.0, 5.0]);
        assert_eq!((s.low, s.median, s.high), (2.0, 3.0, 4.0));
        let s = spread(vec![7.0]);
        assert_eq!((s.low, s.median, s.high), (7.0, 7.0, 7.0));
    }
}
