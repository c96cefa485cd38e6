//! One page: a timeline by ring and by file, latencies and batch sizes. All of it is
//! aggregated, so the page stays small however long the trace is.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyring_observe::Happening;
use hdrhistogram::Histogram;

use super::summary::Counts;
use super::{Printer, Seen};

const COLUMNS: usize = 240;
const TRACKS: usize = 64;

pub(super) struct Page<W: Write> {
    to: W,
    counts: Counts,
    /// Nanoseconds that a column of the timeline stands for; doubled when they run out.
    width: u64,
    tracks: BTreeMap<String, Vec<u64>>,
    left_out: u64,
}

impl<W: Write> Page<W> {
    pub(super) fn new(to: W) -> Self {
        Page {
            to,
            counts: Counts::new(),
            width: 10_000,
            tracks: BTreeMap::new(),
            left_out: 0,
        }
    }

    fn count(&mut self, track: String, at: u64) {
        while at / self.width >= COLUMNS as u64 {
            self.width *= 2;
            for columns in self.tracks.values_mut() {
                let halved: Vec<u64> = columns.chunks(2).map(|pair| pair.iter().sum()).collect();
                *columns = halved;
                columns.resize(COLUMNS, 0);
            }
        }
        if self.tracks.len() >= TRACKS && !self.tracks.contains_key(&track) {
            self.left_out += 1;
            return;
        }
        let columns = self.tracks.entry(track).or_insert_with(|| vec![0; COLUMNS]);
        columns[(at / self.width) as usize] += 1;
    }
}

impl<W: Write> Printer for Page<W> {
    fn take(&mut self, seen: &Seen<'_>) -> io::Result<()> {
        self.counts.take(seen);
        if matches!(seen.event.what, Happening::Completed(_)) {
            let (event, at) = (seen.event, seen.event.at.as_nanos() as u64);
            self.count(
                format!(
                    "process {} ring {} (fd {})",
                    event.pid, event.ring, event.fd
                ),
                at,
            );
            if let Some(request) = seen.request().filter(|request| request.sqe.fd >= 0) {
                self.count(format!("process {} file {}", event.pid, request.sqe.fd), at);
            }
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        let to = &mut self.to;
        writeln!(
            to,
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>uring trace</title><style>{STYLE}</style><h1>uring trace</h1><pre>"
        )?;
        let mut table = Vec::new();
        self.counts.table(&mut table)?;
        write!(to, "{}", escaped(&String::from_utf8_lossy(&table)))?;
        writeln!(
            to,
            "</pre><h2>Completions over time</h2><p>A column is {} ms.</p>",
            self.width as f64 / 1e6
        )?;
        for (name, columns) in &self.tracks {
            writeln!(to, "<h3>{}</h3>{}", escaped(name), bars(columns))?;
        }
        if self.left_out > 0 {
            writeln!(
                to,
                "<p>{} completions are on tracks beyond the first {TRACKS}.</p>",
                self.left_out
            )?;
        }
        writeln!(to, "<h2>Latency</h2>")?;
        for (name, op) in &self.counts.operations {
            writeln!(
                to,
                "<h3>{}</h3>{}",
                escaped(name),
                logarithmic(&op.latency, "ns")
            )?;
        }
        writeln!(
            to,
            "<h2>Entries taken by a call</h2>{}</html>",
            logarithmic(&self.counts.batches, "")
        )?;
        to.flush()
    }
}

const STYLE: &str = ":root{color-scheme:light dark;--bar:#2a6fdb}@media(prefers-color-scheme:dark){:root{--bar:#7fb0ff}}body{font:14px system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}pre{overflow-x:auto}svg{width:100%;height:48px}rect{fill:var(--bar)}table{border-collapse:collapse}td{padding:0 .6em;text-align:right}meter{width:20em}h3{font-size:14px;margin:.6em 0 0}";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn bars(columns: &[u64]) -> String {
    let most = columns.iter().copied().max().unwrap_or(0).max(1);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} 48\" preserveAspectRatio=\"none\" role=\"img\">",
        columns.len()
    );
    for (x, count) in columns.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = (*count as f64 / most as f64 * 47.0).max(1.0);
        svg.push_str(&format!("<rect x=\"{x}\" y=\"{:.1}\" width=\"1\" height=\"{height:.1}\"><title>{count}</title></rect>", 48.0 - height));
    }
    svg + "</svg>"
}

fn logarithmic(histogram: &Histogram<u64>, unit: &str) -> String {
    let mut rows = String::from("<table>");
    let most = histogram
        .iter_log(1, 2.0)
        .map(|step| step.count_since_last_iteration())
        .max()
        .unwrap_or(0)
        .max(1);
    for step in histogram
        .iter_log(1, 2.0)
        .filter(|step| step.count_since_last_iteration() > 0)
    {
        let count = step.count_since_last_iteration();
        rows.push_str(&format!(
            "<tr><td>up to {} {unit}<td>{count}<td><meter max={most} value={count}></meter>",
            step.value_iterated_to()
        ));
    }
    rows + "</table>"
}
