//! `uring top`: the rings of all processes that may be looked at.
//!
//! By fdinfo alone: no descriptor is taken and no process is touched.

use std::collections::HashMap;
use std::error::Error;
use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyring_observe::fdinfo::FdInfo;
use anyring_observe::{process, sys};
use clap::{Args, ValueEnum};
use ratatui::crossterm::event::{self, KeyCode, KeyModifiers};
use ratatui::layout::Constraint;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Block, Row, Table};
use serde::Serialize;

/// By what the rings are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Completions a second.
    Completed,
    /// Submissions a second.
    Submitted,
    /// Completions that were not read.
    Unread,
    /// Process and descriptor.
    Pid,
}

/// What is shown, and how.
#[derive(Args)]
pub(crate) struct Options {
    /// Print once and end.
    #[arg(long)]
    once: bool,
    /// With --once: write JSON.
    #[arg(long, requires = "once")]
    json: bool,
    /// Seconds between two looks.
    #[arg(short = 'd', long, default_value_t = 1.0, value_name = "SECONDS")]
    delay: f64,
    /// By what the rings are sorted.
    #[arg(long, value_enum, default_value_t = Sort::Completed)]
    sort: Sort,
    /// Only processes with this in their name.
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
}

/// A ring, as two looks show it.
#[derive(Clone, Debug, Serialize)]
struct Line {
    pid: i32,
    name: String,
    ring_fd: i32,
    sq_entries: u32,
    cq_entries: u32,
    /// Entries that the kernel has not taken.
    waiting: u32,
    /// Completions that the program has not taken.
    unread: u32,
    /// Completions beyond the queue.
    overflow: u64,
    /// Requests that wait for readiness.
    polls: usize,
    submitted_per_second: f64,
    completed_per_second: f64,
    /// Part of its time that the SQ thread had work; none without SQPOLL.
    sq_thread_busy: Option<f64>,
}

#[derive(Default)]
struct Looks {
    last: HashMap<(i32, i32, u64), (FdInfo, Instant)>,
    /// Processes that may not be looked at.
    hidden: usize,
}

impl Looks {
    fn take(&mut self, options: &Options) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut now = HashMap::new();
        self.hidden = 0;
        for pid in process::all() {
            let Ok(rings) = process::rings(pid) else {
                self.hidden += 1;
                continue;
            };
            let name = if rings.is_empty() {
                String::new()
            } else {
                process::name(pid)
            };
            if options
                .filter
                .as_ref()
                .is_some_and(|part| !name.contains(part))
            {
                continue;
            }
            for ring in rings {
                let Some(info) = process::info(pid, ring.fd) else {
                    continue;
                };
                let key = (pid, ring.fd, ring.inode);
                lines.push(line(pid, &name, ring.fd, &info, self.last.get(&key)));
                now.insert(key, (info, Instant::now()));
            }
        }
        self.last = now;
        lines
    }
}

fn line(
    pid: i32,
    name: &str,
    ring_fd: i32,
    info: &FdInfo,
    last: Option<&(FdInfo, Instant)>,
) -> Line {
    let known = |value: Option<u32>| value.unwrap_or(0);
    let rate = |now: Option<u32>, then: fn(&FdInfo) -> Option<u32>| {
        last.map_or(0.0, |(before, at)| {
            f64::from(known(now).wrapping_sub(known(then(before))))
                / at.elapsed().as_secs_f64().max(1e-3)
        })
    };
    let busy = last
        .filter(|_| info.sq_thread.is_some_and(|thread| thread > 0))
        .map(|(before, at)| {
            let worked = info
                .sq_work_time
                .unwrap_or(0)
                .saturating_sub(before.sq_work_time.unwrap_or(0));
            (worked as f64 / 1e6 / at.elapsed().as_secs_f64().max(1e-3)).min(1.0)
        });
    Line {
        pid,
        name: name.to_string(),
        ring_fd,
        sq_entries: known(info.sq_mask).wrapping_add(1),
        cq_entries: known(info.cq_mask).wrapping_add(1),
        waiting: known(info.sq_tail).wrapping_sub(known(info.sq_head)),
        unread: known(info.cq_tail).wrapping_sub(known(info.cq_head)),
        overflow: info.overflow,
        polls: info.polls.len(),
        submitted_per_second: rate(info.sq_head, |info| info.sq_head),
        completed_per_second: rate(info.cq_tail, |info| info.cq_tail),
        sq_thread_busy: busy,
    }
}

fn sorted(mut lines: Vec<Line>, sort: Sort) -> Vec<Line> {
    lines.sort_by(|one, other| {
        let falling = match sort {
            Sort::Completed => other
                .completed_per_second
                .total_cmp(&one.completed_per_second),
            Sort::Submitted => other
                .submitted_per_second
                .total_cmp(&one.submitted_per_second),
            Sort::Unread => other.unread.cmp(&one.unread),
            Sort::Pid => std::cmp::Ordering::Equal,
        };
        falling.then((one.pid, one.ring_fd).cmp(&(other.pid, other.ring_fd)))
    });
    lines
}

const HEAD: [&str; 10] = [
    "PID", "PROGRAM", "RING", "SQ", "CQ", "SUBM/s", "COMPL/s", "UNREAD", "POLLS", "SQPOLL",
];
const WIDTHS: [u16; 10] = [8, 15, 4, 7, 6, 9, 9, 7, 6, 6];

fn cells(line: &Line) -> [String; 10] {
    let overflow = if line.overflow > 0 {
        format!("+{}", line.overflow)
    } else {
        String::new()
    };
    [
        line.pid.to_string(),
        line.name.clone(),
        line.ring_fd.to_string(),
        format!("{}/{}", line.waiting, line.sq_entries),
        line.cq_entries.to_string(),
        format!("{:.0}", line.submitted_per_second),
        format!("{:.0}", line.completed_per_second),
        format!("{}{overflow}", line.unread),
        line.polls.to_string(),
        line.sq_thread_busy
            .map_or_else(|| "-".into(), |part| format!("{:.0}%", part * 100.0)),
    ]
}

fn print(cells: &[String; 10]) {
    let mut text = String::new();
    for (i, (cell, width)) in cells.iter().zip(WIDTHS).enumerate() {
        let width = usize::from(width);
        text += &if i == 1 {
            format!(" {cell:<width$}")
        } else {
            format!(" {cell:>width$}")
        };
    }
    println!("{}", text.trim_end());
}

/// Shows the rings until asked to end.
pub(crate) fn main(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let delay = Duration::try_from_secs_f64(options.delay)
        .map_err(|_| "--delay: not a time")?
        .max(Duration::from_millis(50));
    let mut looks = Looks::default();
    if !options.once && !stdout().is_terminal() {
        return Err("standard output is no terminal: give --once".into());
    }
    looks.take(options);
    if options.once {
        sleep(delay.min(Duration::from_secs(1)));
        let lines = sorted(looks.take(options), options.sort);
        if options.json {
            println!("{}", serde_json::to_string_pretty(&lines)?);
        } else {
            print(&HEAD.map(String::from));
            lines.iter().for_each(|line| print(&cells(line)));
            println!("{} processes may not be looked at", looks.hidden);
        }
        return Ok(ExitCode::SUCCESS);
    }
    // Held back, so that the terminal is put right before the end.
    sys::block_signals();
    let mut terminal = ratatui::try_init()?;
    let result = live(&mut terminal, options, &mut looks, delay);
    ratatui::restore();
    result?;
    Ok(ExitCode::SUCCESS)
}

fn live(
    terminal: &mut ratatui::DefaultTerminal,
    options: &Options,
    looks: &mut Looks,
    delay: Duration,
) -> Result<(), Box<dyn Error>> {
    let mut sort = options.sort;
    let mut lines = Vec::new();
    let mut looked: Option<Instant> = None;
    loop {
        if looked.is_none_or(|at| at.elapsed() >= delay) {
            lines = looks.take(options);
            looked = Some(Instant::now());
        }
        let shown = sorted(lines.clone(), sort);
        let hidden = looks.hidden;
        terminal.draw(|frame| {
            let title = format!(" uring top: {} rings, sorted by {sort:?}, {hidden} processes hidden   s: sort  q: quit ", shown.len());
            let table = Table::new(shown.iter().map(|line| Row::new(cells(line))), WIDTHS.map(Constraint::Length))
                .header(Row::new(HEAD).style(Style::new().add_modifier(Modifier::REVERSED)))
                .block(Block::new().title(title));
            frame.render_widget(table, frame.area());
        })?;
        if event::poll(Duration::from_millis(100).min(delay))? {
            if let event::Event::Key(key) = event::read()? {
                match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                        return Ok(());
                    }
                    KeyCode::Char('s') => {
                        let all = Sort::value_variants();
                        let at = all.iter().position(|one| *one == sort).unwrap_or(0);
                        sort = all[(at + 1) % all.len()];
                    }
                    _ => {}
                }
            }
        }
        if sys::wait_signal(Duration::ZERO).is_some_and(|signal| signal != sys::SIGCHLD) {
            return Ok(());
        }
    }
}
