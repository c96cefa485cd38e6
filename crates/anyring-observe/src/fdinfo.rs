//! /proc/PID/fdinfo/FD of a ring.
//!
//! A kernel may leave fields out and add others: what is not there is `None`.

/// A completion that the program has not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Of the request.
    pub user_data: u64,
    /// Its result.
    pub res: i32,
    /// Whether the line shows the second half of a 32-byte entry.
    pub big: bool,
}

/// What the kernel says of a ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FdInfo {
    /// Entries of the submission queue less one.
    pub sq_mask: Option<u32>,
    /// Written by the kernel.
    pub sq_head: Option<u32>,
    /// Written by the program.
    pub sq_tail: Option<u32>,
    /// Entries of the completion queue less one.
    pub cq_mask: Option<u32>,
    /// Written by the program.
    pub cq_head: Option<u32>,
    /// Written by the kernel.
    pub cq_tail: Option<u32>,
    /// The SQ thread; -1 for none.
    pub sq_thread: Option<i64>,
    /// The CPU that it is on.
    pub sq_thread_cpu: Option<i64>,
    /// Microseconds that the SQ thread ran.
    pub sq_total_time: Option<u64>,
    /// Microseconds of that in which it had work.
    pub sq_work_time: Option<u64>,
    /// Slots of registered files.
    pub user_files: Option<u32>,
    /// Slots of registered buffers.
    pub user_bufs: Option<u32>,
    /// Opcodes of requests that wait for readiness.
    pub polls: Vec<u32>,
    /// Completions beyond the completion queue.
    pub overflow: u64,
    /// Entries not yet taken, whether they are shown with a second half.
    pub pending: Vec<bool>,
    /// Completions not yet taken.
    pub unread: Vec<Unread>,
}

#[derive(PartialEq)]
enum Section {
    None,
    Sqes,
    Cqes,
    Polls,
    Overflow,
}

/// Parses the text; never fails, as every line may be missing.
#[must_use]
pub fn parse(text: &str) -> FdInfo {
    let mut info = FdInfo::default();
    let mut section = Section::None;
    for line in text.lines() {
        if line.starts_with(' ') {
            match section {
                Section::Sqes => info.pending.push(line.contains("e0:")),
                Section::Cqes => info.unread.push(Unread {
                    user_data: field(line, "user_data:").unwrap_or(0),
                    res: field(line, "res:").unwrap_or(0),
                    big: line.contains("extra1:"),
                }),
                Section::Polls => info.polls.extend(field::<u32>(line, "op=")),
                Section::Overflow => info.overflow += 1,
                Section::None => {}
            }
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        section = match name {
            "SQEs" => Section::Sqes,
            "CQEs" => Section::Cqes,
            "PollList" => Section::Polls,
            "CqOverflowList" => Section::Overflow,
            _ => Section::None,
        };
        let small = || number(value).and_then(|n| u32::try_from(n).ok());
        match name {
            "SqMask" => info.sq_mask = small(),
            "SqHead" => info.sq_head = small(),
            "SqTail" => info.sq_tail = small(),
            "CqMask" => info.cq_mask = small(),
            "CqHead" => info.cq_head = small(),
            "CqTail" => info.cq_tail = small(),
            "SqThread" => info.sq_thread = value.parse().ok(),
            "SqThreadCpu" => info.sq_thread_cpu = value.parse().ok(),
            "SqTotalTime" => info.sq_total_time = number(value),
            "SqWorkTime" => info.sq_work_time = number(value),
            "UserFiles" => info.user_files = small(),
            "UserBufs" => info.user_bufs = small(),
            _ => {}
        }
    }
    info
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn field<T: std::str::FromStr>(line: &str, name: &str) -> Option<T> {
    let at = line.find(name)? + name.len();
    let rest = &line[at..];
    let end = rest
        .find(|c: char| c == ',' || c.is_whitespace())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}
