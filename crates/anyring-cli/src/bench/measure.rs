//! Repetitions in random order, medians with their spread.

use std::time::Duration;

use anyring_bench::{Budget, Contender, Sample, Stop, Topic};
use hdrhistogram::Histogram;

use super::report::model::{Against, Group, Latency, Row, Spread};

/// How long and how often.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) repetitions: usize,
    /// Of one repetition of one contender.
    pub(crate) slice: Duration,
    /// Turns a repetition is made of: machines get slower and faster all the
    /// time, and short turns have all contenders see the same of it.
    pub(crate) turns: usize,
    /// Turns in which other programs had the processor are repeated, but only
    /// so many in a group.
    pub(crate) repeats: usize,
    /// Repetitions for latencies, apart from the others: clocks cost time.
    pub(crate) latencies: Latencies,
}

/// Where latencies come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Latencies {
    /// There are none.
    No,
    /// From so many repetitions of their own.
    Apart(usize),
    /// From every repetition.
    All,
}

impl Plan {
    /// Turns of one contender in a group, the warm-up included.
    pub(crate) fn runs(&self) -> usize {
        let apart = match self.latencies {
            Latencies::Apart(count) => count,
            _ => 0,
        };
        1 + (self.repetitions + apart) * self.turns
    }
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

/// How often a disturbed turn is repeated.
const TRIES: usize = 3;

/// The part of a turn in which other programs had the processor.
fn waited(sample: &Sample) -> f64 {
    sample.waited.as_secs_f64() / sample.elapsed.as_secs_f64()
}

fn disturbed(sample: &Sample) -> bool {
    waited(sample) > 0.02
}

fn rate(sample: &Sample) -> f64 {
    sample.operations as f64 / sample.elapsed.as_secs_f64()
}

/// What the repetitions of one contender gave.
#[derive(Default)]
struct Found {
    samples: Vec<Sample>,
    /// One for each repetition that had them.
    latencies: Vec<Histogram<u64>>,
    /// Of every turn, for the noise.
    turns: Vec<f64>,
}

/// Runs all contenders of a group, the first being the baseline.
pub(crate) fn measure(
    topic: Topic,
    contenders: &mut [Box<dyn Contender>],
    plan: Plan,
    tick: &mut dyn FnMut(&str),
) -> Result<Group, String> {
    let turn = plan.slice / plan.turns as u32;
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    let mut run = |contender: &mut Box<dyn Contender>, latency: bool| {
        let stopped = || Stop::MESSAGE.to_string();
        if Stop::asked() {
            return Err(stopped());
        }
        let sample = contender.run(Budget::Time(turn), latency);
        if Stop::asked() {
            return Err(stopped());
        }
        tick(&topic.title);
        let name = contender.name();
        match sample {
            Err(error) => Err(format!("{}: {name}: {error}", topic.title)),
            Ok(sample) if sample.operations == 0 => {
                let title = &topic.title;
                Err(format!("{title}: {name}: no operation finished in time"))
            }
            Ok(sample) => Ok(sample),
        }
    };
    fastrand::shuffle(&mut order);
    for &index in &order {
        run(&mut contenders[index], false)?; // warm-up
    }
    let apart = match plan.latencies {
        Latencies::Apart(count) => count,
        _ => 0,
    };
    let mut again = 0;
    let mut found: Vec<Found> = contenders.iter().map(|_| Found::default()).collect();
    for repetition in 0..plan.repetitions + apart {
        let for_latency = repetition >= plan.repetitions;
        let latency = for_latency || plan.latencies == Latencies::All;
        let mut sums: Vec<Sample> = contenders.iter().map(|_| Sample::default()).collect();
        for number in 0..plan.turns {
            fastrand::shuffle(&mut order);
            for &index in &order {
                let mut sample = run(&mut contenders[index], latency)?;
                // Other programs had the processor: once more, and the better one counts.
                for _ in 0..TRIES {
                    if !disturbed(&sample) || again == plan.repeats {
                        break;
                    }
                    again += 1;
                    let other = run(&mut contenders[index], latency)?;
                    if waited(&other) < waited(&sample) {
                        sample = other;
                    }
                }
                if !for_latency {
                    found[index].turns.push(rate(&sample));
                }
                if number == 0 {
                    sums[index] = sample;
                } else {
                    sums[index].add(sample);
                }
            }
        }
        for (found, mut sum) in found.iter_mut().zip(sums) {
            found.latencies.extend(sum.latency.take());
            if !for_latency {
                found.samples.push(sum);
            }
        }
    }
    let names: Vec<String> = contenders.iter().map(|c| c.name()).collect();
    Ok(Group {
        again,
        noise: noise(&found[0].turns),
        against: against(&topic, &names, &found),
        rows: names
            .iter()
            .zip(&found)
            .map(|(name, own)| row(name, own, &found[0]))
            .collect(),
        id: topic.id,
        family: topic.family.into(),
        title: topic.title,
        parameters: topic
            .parameters
            .into_iter()
            .map(|(k, v)| (k.to_string(), v))
            .collect(),
        repetitions: plan.repetitions,
    })
}

fn ratios(ours: &Found, theirs: &Found) -> Spread {
    let pairs = ours.samples.iter().zip(&theirs.samples);
    spread(pairs.map(|(a, b)| rate(a) / rate(b)).collect())
}

/// The baseline against itself: each turn to the one before.
fn noise(turns: &[f64]) -> Spread {
    let pairs = turns.chunks_exact(2).map(|pair| pair[1] / pair[0]);
    spread(pairs.collect())
}

fn against(topic: &Topic, names: &[String], found: &[Found]) -> Vec<Against> {
    let mut all: Vec<Against> = Vec::new();
    for (ours, theirs) in topic.pairs {
        let place = |name: &str| names.iter().position(|n| n == name);
        if all.iter().any(|a| a.theirs == *theirs) {
            continue;
        }
        if let (Some(a), Some(b)) = (place(ours), place(theirs)) {
            all.push(Against {
                ours: (*ours).into(),
                theirs: (*theirs).into(),
                ratio: ratios(&found[a], &found[b]),
            });
        }
    }
    all
}

fn row(name: &str, own: &Found, baseline: &Found) -> Row {
    let each = |value: fn(&Sample) -> f64| spread(own.samples.iter().map(value).collect());
    let calls: Option<Vec<f64>> = own
        .samples
        .iter()
        .map(|s| s.calls.map(|c| c as f64 / s.operations as f64))
        .collect();
    Row {
        contender: name.into(),
        per_second: each(rate),
        ratio: ratios(own, baseline),
        cpu_nanoseconds: each(|s| s.cpu.as_nanos() as f64 / s.operations as f64),
        calls: calls.map(spread),
        latency: latency(&own.latencies),
    }
}

/// Percentiles of each repetition, and the quartiles of these. A percentile
/// with fewer than ten operations above it is none.
fn latency(all: &[Histogram<u64>]) -> Option<Latency> {
    let fewest = all.iter().map(Histogram::len).min().filter(|&n| n > 0)?;
    let at = |quantile: f64| {
        let values = all.iter().map(|h| h.value_at_quantile(quantile) as f64);
        ((1.0 - quantile) * fewest as f64 >= 10.0).then(|| spread(values.collect()))
    };
    let p50 = all.iter().map(|h| h.value_at_quantile(0.5) as f64);
    Some(Latency {
        operations: all.iter().map(Histogram::len).sum(),
        repetitions: all.len(),
        p50: spread(p50.collect()),
        p99: at(0.99),
        p999: at(0.999),
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

    /// A contender with known figures.
    struct Fake {
        name: &'static str,
        rate: u64,
        /// Milliseconds of a second in which others had the processor.
        waited: u64,
    }

    impl Contender for Fake {
        fn name(&self) -> String {
            self.name.into()
        }

        fn run(&mut self, _: Budget, latency: bool) -> Result<Sample, String> {
            let mut histogram = Histogram::new(3).unwrap();
            for value in 1..=2000 {
                histogram.record(value).unwrap();
            }
            Ok(Sample {
                operations: self.rate,
                elapsed: Duration::from_secs(1),
                cpu: Duration::from_nanos(self.rate * 5),
                waited: Duration::from_millis(self.waited),
                calls: Some(self.rate / 2),
                latency: latency.then_some(histogram),
            })
        }
    }

    fn fakes() -> Vec<Box<dyn Contender>> {
        let fake = |name, rate| -> Box<dyn Contender> {
            Box::new(Fake {
                name,
                rate,
                waited: 0,
            })
        };
        vec![fake("slow", 100), fake("ours", 300), fake("theirs", 200)]
    }

    fn topic() -> Topic {
        Topic {
            id: "id".into(),
            family: "reads",
            title: "title".into(),
            parameters: vec![("depth", "1".into())],
            pairs: &[("absent", "theirs"), ("ours", "theirs"), ("slow", "theirs")],
        }
    }

    #[test]
    fn figures_are_those_of_the_contenders() {
        let plan = Plan {
            repetitions: 3,
            slice: Duration::from_millis(1),
            turns: 2,
            repeats: 0,
            latencies: Latencies::Apart(2),
        };
        let mut ticks = 0;
        let group = measure(topic(), &mut fakes(), plan, &mut |_| ticks += 1).unwrap();
        assert_eq!(ticks, 3 * plan.runs());
        let ours = group.row("ours").unwrap();
        assert_eq!((ours.per_second.median, ours.ratio.median), (300.0, 3.0));
        assert_eq!(ours.cpu_nanoseconds.median, 5.0);
        assert_eq!(ours.calls.unwrap().median, 0.5);
        let latency = ours.latency.unwrap();
        assert_eq!((latency.operations, latency.repetitions), (8000, 2));
        assert!((latency.p50.median - 1000.0).abs() < 2.0);
        assert!((latency.p99.unwrap().median - 1980.0).abs() < 2.0);
        // Four operations are above it in a repetition: too few.
        assert!(latency.p999.is_none());
        assert_eq!(group.against.len(), 1, "the first pair that is there");
        assert_eq!(group.against[0].ratio.median, 1.5);
        assert_eq!(group.noise.median, 1.0);
    }

    /// Disturbed turns are repeated, but not for ever.
    #[test]
    fn disturbed_turns_are_repeated() {
        let mut plan = Plan {
            repetitions: 3,
            slice: Duration::from_millis(1),
            turns: 2,
            repeats: 1000,
            latencies: Latencies::No,
        };
        let fake = |waited| -> Vec<Box<dyn Contender>> {
            vec![Box::new(Fake {
                name: "slow",
                rate: 100,
                waited,
            })]
        };
        for (waited, repeats, again) in [(10, 1000, 0), (500, 1000, 6 * TRIES), (500, 4, 4)] {
            plan.repeats = repeats;
            let group = measure(topic(), &mut fake(waited), plan, &mut |_| ()).unwrap();
            assert_eq!(group.again, again);
        }
    }

    /// Failures say whose they are.
    #[test]
    fn errors_name_the_contender() {
        struct Broken;
        impl Contender for Broken {
            fn name(&self) -> String {
                "broken".into()
            }
            fn run(&mut self, _: Budget, _: bool) -> Result<Sample, String> {
                Err("it broke".into())
            }
        }
        let plan = Plan {
            repetitions: 3,
            slice: Duration::from_millis(1),
            turns: 1,
            repeats: 0,
            latencies: Latencies::No,
        };
        let mut all: Vec<Box<dyn Contender>> = vec![Box::new(Broken)];
        let error = measure(topic(), &mut all, plan, &mut |_| ()).err().unwrap();
        assert_eq!(error, "title: broken: it broke");
        let mut idle: Vec<Box<dyn Contender>> = vec![Box::new(Fake {
            name: "idle",
            rate: 0,
            waited: 0,
        })];
        let error = measure(topic(), &mut idle, plan, &mut |_| ())
            .err()
            .unwrap();
        assert!(error.contains("no operation finished"), "{error}");
    }
}
