//! The rings of a process.

use std::thread::sleep;
use std::time::Duration;

use anyring_observe::fdinfo::FdInfo;
use anyring_observe::process;

use super::{Finding, Level, finding};

/// Between the two looks.
const BETWEEN: Duration = Duration::from_millis(400);

pub(super) fn look(pid: i32) -> Result<Vec<Finding>, String> {
    let rings = process::rings(pid)?;
    let mut all = Vec::new();
    if rings.is_empty() {
        all.push(finding("UR-NO-RING", Level::Warning, format!("process {pid} ({}) has no ring of the kernel", process::name(pid)), format!("no io_uring in /proc/{pid}/fd"), "rings without a descriptor (IORING_SETUP_REGISTERED_FD_ONLY) and those of the userspace engine are not seen from outside"));
    }
    let before: Vec<_> = rings
        .iter()
        .map(|ring| process::info(pid, ring.fd))
        .collect();
    if !rings.is_empty() {
        sleep(BETWEEN);
    }
    for (ring, before) in rings.iter().zip(before) {
        if let (Some(before), Some(after)) = (before, process::info(pid, ring.fd)) {
            all.extend(ring_of(ring.fd, &before, &after));
        }
    }
    Ok(all)
}

/// What two looks at a ring show.
pub(super) fn ring_of(fd: i32, before: &FdInfo, now: &FdInfo) -> Vec<Finding> {
    let known = |value: Option<u32>| value.unwrap_or(0);
    let (sq, cq) = (known(now.sq_mask) + 1, known(now.cq_mask) + 1);
    let waiting = known(now.sq_tail).wrapping_sub(known(now.sq_head));
    let unread = known(now.cq_tail).wrapping_sub(known(now.cq_head));
    let still = before.sq_head == now.sq_head && before.cq_tail == now.cq_tail;
    let thread = now.sq_thread.filter(|thread| *thread > 0);
    let mut all = vec![finding(
        "UR-RING",
        Level::Ok,
        format!("ring {fd}: {sq} SQEs, {cq} CQEs"),
        format!(
            "{} submitted, {} completed since it was made (modulo 2^32); {waiting} entries not taken, {unread} completions not read, {} requests wait for readiness; {} registered files, {} registered buffers",
            known(now.sq_head),
            known(now.cq_tail),
            now.polls.len(),
            known(now.user_files),
            known(now.user_bufs)
        ),
        "",
    )];
    if now.overflow > 0 {
        all.push(finding(
            "UR-CQ-OVERFLOW",
            Level::Warning,
            format!("ring {fd}: the completion queue is too small"),
            format!("{} completions wait beyond its {cq} places", now.overflow),
            "read completions more often, or make the queue larger (IORING_SETUP_CQSIZE)",
        ));
    }
    if unread > 0 && before.cq_head == now.cq_head {
        let level = if unread >= cq {
            Level::Warning
        } else {
            Level::Advice
        };
        all.push(finding(
            "UR-CQE-KEPT",
            level,
            format!("ring {fd}: completions are not read"),
            format!(
                "{unread} of {cq} unread, and none was taken for {} ms",
                BETWEEN.as_millis()
            ),
            "mark completions seen (io_uring_cqe_seen, io_uring_cq_advance)",
        ));
    }
    if waiting > 0 && still && before.sq_tail == now.sq_tail {
        let (id, advice) = match thread {
            Some(_) => (
                "UR-SQPOLL-ASLEEP",
                "the SQ thread sleeps: call io_uring_enter with IORING_ENTER_SQ_WAKEUP (io_uring_submit does)",
            ),
            None => (
                "UR-SQE-WAITING",
                "entries are published and were not submitted: call io_uring_submit",
            ),
        };
        let full = if waiting >= sq {
            "; the queue is full"
        } else {
            ""
        };
        all.push(finding(
            id,
            Level::Warning,
            format!("ring {fd}: entries wait and are not taken"),
            format!(
                "{waiting} of {sq} entries for {} ms{full}",
                BETWEEN.as_millis()
            ),
            advice,
        ));
    }
    if let Some(thread) = thread {
        let grown = |then: Option<u64>, now: Option<u64>| {
            now.unwrap_or(0).saturating_sub(then.unwrap_or(0))
        };
        let ran = grown(before.sq_total_time, now.sq_total_time);
        let worked = grown(before.sq_work_time, now.sq_work_time);
        let evidence = format!(
            "SQ thread {thread} on CPU {}: ran {ran} us, had work for {worked} us of {} us",
            now.sq_thread_cpu.unwrap_or(-1),
            BETWEEN.as_micros()
        );
        if ran > BETWEEN.as_micros() as u64 / 4 && worked * 10 < ran {
            all.push(finding("UR-SQPOLL-BURN", Level::Advice, format!("ring {fd}: the SQ thread polls with little to do"), evidence, "a shorter sq_thread_idle, one thread for several rings (IORING_SETUP_ATTACH_WQ), or no SQPOLL"));
        } else {
            all.push(finding(
                "UR-SQPOLL",
                Level::Ok,
                format!("ring {fd}: SQPOLL"),
                evidence,
                "",
            ));
        }
    }
    if still && !now.polls.is_empty() {
        all.push(finding(
            "UR-WAITS",
            Level::Ok,
            format!("ring {fd}: nothing happened for {} ms", BETWEEN.as_millis()),
            format!(
                "{} requests wait for readiness of their files (opcodes {:?})",
                now.polls.len(),
                now.polls
            ),
            "if the program hangs, these are what it waits for; uring trace -y shows their files",
        ));
    }
    all
}
