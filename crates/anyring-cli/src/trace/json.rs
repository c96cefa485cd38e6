//! The trace as data: a JSON object a line, and trace events.

use std::io::{self, Write};

use anyring_observe::{Happening, Pair, decode};
use serde_json::{Value, json};

use super::{Printer, Seen, text};

pub(super) struct Lines<W: Write>(W);

impl<W: Write> Lines<W> {
    pub(super) fn new(to: W) -> Self {
        Lines(to)
    }
}

fn object(seen: &Seen<'_>) -> Value {
    let event = seen.event;
    let mut value = match &event.what {
        Happening::Ring {
            sq_entries,
            cq_entries,
            flags,
            notes,
        } => json!({
            "event": "ring", "sq_entries": sq_entries, "cq_entries": cq_entries,
            "flags": text::setup(*flags), "notes": notes }),
        Happening::SetupFailed(entries, errno) => {
            json!({ "event": "setup_failed", "entries": entries, "res": errno })
        }
        Happening::RingGone => json!({ "event": "closed" }),
        Happening::Full => json!({ "event": "full" }),
        Happening::Unmaps(address, length) => {
            json!({ "event": "unmaps", "address": address, "length": length })
        }
        Happening::Submitted(sqe) => json!({
            "event": "submitted", "op": decode::operation(sqe.opcode), "text": decode::text(sqe),
            "target_fd": sqe.fd, "user_data": sqe.user_data, "sqe_flags": sqe.flags,
            "after": seen.request().and_then(|request| request.after) }),
        Happening::Completed(cqe) => json!({
            "event": "completed", "res": cqe.res, "flags": cqe.flags, "user_data": cqe.user_data,
            "big_cqe": cqe.big, "op": seen.request().map(|request| decode::operation(request.sqe.opcode)),
            "last": matches!(seen.pair, Some(Pair::Completion(_, true))),
            "latency_ns": seen.latency().map(|time| time.as_nanos() as u64) }),
        Happening::Enter {
            to_submit,
            min_complete,
            flags,
            result,
            took,
        } => json!({
            "event": "enter", "to_submit": to_submit, "min_complete": min_complete, "flags": flags,
            "res": result, "took_ns": took.as_nanos() as u64 }),
        Happening::Register(opcode, count, result) => json!({
            "event": "register", "opcode": opcode, "nr_args": count, "res": result }),
        Happening::Overflow(n) => json!({ "event": "overflow", "count": n }),
        Happening::Dropped(n) => json!({ "event": "dropped", "count": n }),
        Happening::Lost {
            submissions,
            completions,
            taken,
        } => json!({
            "event": "lost", "submissions": submissions, "completions": completions,
            "taken": taken }),
        Happening::Note(note) => json!({ "event": "note", "text": note }),
        Happening::Ended(status) => json!({ "event": "ended", "status": status }),
    };
    value["time_ns"] = json!(event.at.as_nanos() as u64);
    value["pid"] = json!(event.pid);
    value["tid"] = json!(event.tid);
    value["ring"] = json!(event.ring);
    value["ring_fd"] = json!(event.fd);
    if let Some(request) = seen.request() {
        value["request"] = json!(request.number);
    }
    value
}

impl<W: Write> Printer for Lines<W> {
    fn take(&mut self, seen: &Seen<'_>) -> io::Result<()> {
        writeln!(self.0, "{}", object(seen))
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Trace events of the Chrome format: a track for each ring, a request as an
/// asynchronous slice, system calls as slices of their thread.
pub(super) struct Perfetto<W: Write> {
    to: W,
    some: bool,
}

impl<W: Write> Perfetto<W> {
    pub(super) fn new(to: W) -> Self {
        Perfetto { to, some: false }
    }

    fn put(&mut self, value: &Value) -> io::Result<()> {
        let before = if self.some {
            ",\n"
        } else {
            "{\"traceEvents\":[\n"
        };
        self.some = true;
        write!(self.to, "{before}{value}")
    }
}

impl<W: Write> Printer for Perfetto<W> {
    fn take(&mut self, seen: &Seen<'_>) -> io::Result<()> {
        let event = seen.event;
        let us = event.at.as_nanos() as f64 / 1e3;
        let track = format!("ring {} (fd {})", event.ring, event.fd);
        let id = |number: u64| format!("{}.{number}", event.ring);
        let value = match (&event.what, &seen.pair) {
            (Happening::Submitted(sqe), Some(Pair::Request(request))) => json!({
                "ph": "b", "cat": track, "name": decode::operation(sqe.opcode), "id": id(request.number),
                "ts": us, "pid": event.pid, "tid": event.tid, "args": { "sqe": decode::text(sqe), "user_data": sqe.user_data } }),
            (Happening::Completed(cqe), Some(Pair::Completion(request, last))) => json!({
                "ph": if *last { "e" } else { "n" }, "cat": track, "name": decode::operation(request.sqe.opcode),
                "id": id(request.number), "ts": us, "pid": event.pid, "tid": event.tid,
                "args": { "res": cqe.res, "flags": cqe.flags } }),
            (
                Happening::Enter {
                    to_submit,
                    min_complete,
                    result,
                    took,
                    ..
                },
                _,
            ) => json!({
                "ph": "X", "cat": "syscall", "name": "io_uring_enter", "ts": us - took.as_nanos() as f64 / 1e3,
                "dur": took.as_nanos() as f64 / 1e3, "pid": event.pid, "tid": event.tid,
                "args": { "to_submit": to_submit, "min_complete": min_complete, "result": result } }),
            (Happening::Submitted(_), _) | (Happening::Ended(_), _) => return Ok(()),
            _ => json!({
                "ph": "i", "s": "p", "cat": track, "name": object(seen)["event"], "ts": us,
                "pid": event.pid, "tid": event.tid, "args": object(seen) }),
        };
        self.put(&value)
    }

    fn end(&mut self) -> io::Result<()> {
        let begin = if self.some { "" } else { "{\"traceEvents\":[" };
        writeln!(self.to, "{begin}\n]}}")?;
        self.to.flush()
    }
}
