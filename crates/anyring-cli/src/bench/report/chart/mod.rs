//! Charts, in light and dark.

use plotters::prelude::*;

use super::model::{Group, Latency, Report, Spread};

mod bars;
mod lines;
mod theme;

pub(crate) use theme::{DARK, LIGHT, Theme};

/// A chart: file name, title, SVG.
pub(crate) struct Chart {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) svg: String,
}

type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

const WIDTH: u32 = 920;

/// Collects the charts of a theme.
struct Charts<'a> {
    report: &'a Report,
    theme: Theme,
    all: Vec<Chart>,
}

impl<'a> Charts<'a> {
    fn add(&mut self, name: String, title: String, svg: String) {
        let name = format!("{name}-{}.svg", self.theme.name);
        self.all.push(Chart { name, title, svg });
    }

    fn of(&self, family: &str, parameters: &[(&str, &str)]) -> Vec<&'a Group> {
        let matches = |group: &&Group| {
            let parameter = |name: &str| group.parameters.get(name).map(String::as_str);
            group.family == family && parameters.iter().all(|(n, v)| parameter(n) == Some(v))
        };
        self.report.groups.iter().filter(matches).collect()
    }

    /// System calls and latencies of one group.
    fn details(&mut self, name: &str, what: &str, group: &Group) {
        let calls = group.rows.iter();
        let calls: Vec<(String, Spread)> = calls
            .filter_map(|r| Some((r.contender.clone(), r.calls?)))
            .collect();
        if !calls.is_empty() {
            let title = format!("System calls of {what}");
            let show = |v: f64| format!("{v:.3}");
            let svg = bars::draw(
                &title,
                "system calls, counted inside",
                &calls,
                show,
                self.theme,
            );
            self.add(format!("calls-{name}"), title, svg);
        }
        self.latency(name, what, group);
    }

    fn latency(&mut self, name: &str, what: &str, group: &Group) {
        let all = group.rows.iter();
        let all: Vec<(String, Latency)> = all
            .filter_map(|r| Some((r.contender.clone(), r.latency?)))
            .collect();
        if !all.is_empty() {
            let title = format!("Latency of {what}");
            let svg = bars::percentiles(&title, &all, self.theme);
            self.add(format!("latency-{name}"), title, svg);
        }
    }

    fn reads(&mut self) {
        for kind in ["cached", "direct"] {
            let groups = self.of("reads", &[("kind", kind)]);
            if groups.len() > 1 {
                let title = format!("4 KiB random reads, {kind}: throughput by queue depth");
                let lines = lines::series(&groups, "depth");
                let svg = lines::draw(&title, "queue depth", &lines, self.theme);
                self.add(format!("reads-{kind}"), title, svg);
            }
            if let Some(deepest) = groups.last() {
                let depth = &deepest.parameters["depth"];
                let what = format!("a 4 KiB read, {kind}, depth {depth}");
                self.details(kind, &what, deepest);
            }
        }
    }

    fn registered(&mut self) {
        for kind in ["cached", "direct"] {
            let groups = self.of("registered", &[("kind", kind)]);
            if groups.len() > 1 {
                let title = format!("Reads of growing size, {kind}, queue depth 8");
                let lines = lines::series(&groups, "bytes");
                let svg = lines::draw(&title, "bytes", &lines, self.theme);
                self.add(format!("registered-{kind}"), title, svg);
            }
        }
    }

    fn echo(&mut self) {
        for kind in ["short", "long"] {
            for bytes in ["64", "4096"] {
                let groups = self.of("echo", &[("kind", kind), ("bytes", bytes)]);
                if groups.len() > 1 {
                    let title = format!("Echo of {bytes} bytes, {kind} connections: requests/s");
                    let lines = lines::series(&groups, "connections");
                    let svg = lines::draw(&title, "connections", &lines, self.theme);
                    self.add(format!("echo-{kind}-{bytes}"), title, svg);
                }
            }
            let groups = self.of("echo", &[("kind", kind), ("bytes", "64")]);
            if let Some(most) = groups.last() {
                let connections = &most.parameters["connections"];
                let what = format!("a request of 64 bytes, {connections} {kind} connections");
                self.details(&format!("echo-{kind}"), &what, most);
            }
        }
        if let Some(open) = self.of("open", &[]).first() {
            let rate = &open.parameters["rate"];
            let what = format!("a request, {rate}/s whether or not the server keeps up");
            self.latency("echo-open", &what, open);
        }
    }
}

/// All charts the report has figures for.
pub(crate) fn charts(report: &Report, theme: Theme) -> Vec<Chart> {
    let mut charts = Charts {
        report,
        theme,
        all: Vec::new(),
    };
    charts.reads();
    charts.registered();
    charts.echo();
    charts.all
}
