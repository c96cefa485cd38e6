//! Rules as they are written, and as the engine reads them.

use std::fmt::Write;
use std::time::Duration;

use anyring::Errno;
use anyring_spec::operations;

/// What can be made to happen, with the reason why a program has to bear it.
pub(super) const KINDS: [(&str, &str); 10] = [
    (
        "order",
        "completions in another order: only links, drains and buffer groups order them",
    ),
    ("delay", "a completion shows later: no time is promised"),
    (
        "short",
        "fewer bytes than asked for: read(2), write(2), send(2), recv(2); it cuts a chain",
    ),
    ("error", "an error that the operation may have"),
    (
        "worker",
        "a worker does it (IOSQE_ASYNC): the kernel may hand any request to one",
    ),
    (
        "end",
        "a multishot request ends with what it posts (no IORING_CQE_F_MORE)",
    ),
    (
        "notification",
        "the notification of a zero-copy send comes later",
    ),
    (
        "submit",
        "io_uring_enter(2) takes fewer entries than asked to, and says how many",
    ),
    ("interrupt", "a wait ends by EINTR, as by a signal"),
    ("sleep", "the SQPOLL thread goes to sleep at once"),
];

/// Without rules: what goes unnoticed in a program that follows io_uring(7).
pub(super) const USUAL: &[&str] = &[
    "order",
    "delay:p=0.2,time=2ms",
    "short:p=0.2",
    "worker:p=0.1",
    "end:p=0.1",
    "notification:p=0.3,time=5ms",
    "submit:p=0.1",
];
/// With `--strict`: more often, and interrupted waits and sleeping threads, too. Errors of
/// operations are left to rules: which of them a program can bear depends on what it does.
pub(super) const STRICT: &[&str] = &[
    "order",
    "delay:p=0.3,time=5ms",
    "short:p=0.3",
    "worker:p=0.2",
    "end:p=0.2",
    "notification:p=0.5,time=10ms",
    "submit:p=0.2",
    "interrupt:p=0.1",
    "sleep",
];

/// A rule, in the engine's form.
pub(super) fn translate(text: &str) -> Result<String, String> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    if !KINDS.iter().any(|(name, _)| *name == kind) {
        let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        return Err(format!("{text}: {kind} is none of {}", names.join(", ")));
    }
    let mut out = kind.to_owned();
    let (mut has_errno, mut has_time) = (false, false);
    for part in rest.split(',').filter(|part| !part.is_empty()) {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| format!("{text}: {part}: KEY=VALUE is meant"))?;
        let wrong = |what: &str| format!("{text}: {key}={value}: {what}");
        match key {
            "op" => {
                for name in value.split('|') {
                    let full = format!("IORING_OP_{}", name.to_uppercase());
                    let op = operations().find(|op| op.name == full);
                    let op = op.ok_or_else(|| wrong(&format!("there is no operation {name}")))?;
                    let _ = write!(out, ",op={}", op.value);
                }
            }
            "fd" => {
                let fd: u32 = value.parse().map_err(|_| wrong("no descriptor"))?;
                let _ = write!(out, ",fd={fd}");
            }
            "path" => {
                if value.contains([';', ',']) || value.len() > 400 {
                    return Err(wrong("no ; or , in it, and 400 bytes at most"));
                }
                let _ = write!(out, ",path={value}");
            }
            "nth" => {
                let nth: u64 = value.parse().unwrap_or(0);
                if nth == 0 {
                    return Err(wrong("a number from 1 on is meant"));
                }
                let _ = write!(out, ",nth={nth}");
            }
            "p" => {
                let _ = write!(
                    out,
                    ",p={}",
                    millionths(value).ok_or_else(|| {
                        wrong("a probability from 0 to 1, or with %, is meant")
                    })?
                );
            }
            "errno" => {
                let errno = (1..4096)
                    .find(|number| Errno(*number).name() == Some(value))
                    .ok_or_else(|| wrong("the name of an error is meant, as EIO"))?;
                has_errno = true;
                let _ = write!(out, ",errno={errno}");
            }
            "time" => {
                let micros = duration(value).map_err(|error| wrong(&error))?.as_micros();
                has_time = true;
                let _ = write!(out, ",us={micros}");
            }
            "from" | "to" => {
                let millis = duration(value).map_err(|error| wrong(&error))?.as_millis();
                let _ = write!(out, ",{key}={millis}");
            }
            _ => {
                return Err(wrong(
                    "op, fd, path, nth, p, errno, time, from or to is meant",
                ));
            }
        }
    }
    match kind {
        "error" if !has_errno => Err(format!("{text}: which error? (errno=EIO)")),
        "delay" | "notification" if !has_time => {
            Err(format!("{text}: how long at most? (time=5ms)"))
        }
        _ if has_errno && kind != "error" => Err(format!("{text}: errno is for error")),
        _ if has_time && kind != "delay" && kind != "notification" => {
            Err(format!("{text}: time is for delay and notification"))
        }
        _ => Ok(out),
    }
}

/// The rules of a file: one a line, `#` begins a comment.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration > Duration::from_secs(3600) {
        return Err("an hour at most".to_owned());
    }
    Ok(duration)
}

fn millionths(text: &str) -> Option<u32> {
    let (digits, scale) = match text.strip_suffix('%') {
        Some(digits) => (digits, 1e4),
        None => (text, 1e6),
    };
    let value: f64 = digits.parse().ok()?;
    let millionths = (value * scale).round();
    (0.0..=1e6)
        .contains(&millionths)
        .then_some(millionths as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_that_stand_here_are_right() {
        for rule in USUAL.iter().chain(STRICT) {
            assert!(translate(rule).is_ok(), "{rule}");
        }
    }

    #[test]
    fn rules_are_translated() {
        for (given, wanted) in [
            ("order", "order"),
            ("short:op=read|send,p=50%", "short,op=22,op=26,p=500000"),
            ("error:errno=EIO,nth=3,fd=7", "error,errno=5,nth=3,fd=7"),
            (
                "delay:time=20ms,from=1s,to=2s,path=/tmp/*",
                "delay,us=20000,from=1000,to=2000,path=/tmp/*",
            ),
        ] {
            assert_eq!(translate(given).as_deref(), Ok(wanted));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (given, part) in [
            ("shrt", "shrt is none of order, delay"),
            ("short:op=raed", "there is no operation raed"),
            ("short:p=2", "a probability"),
            ("short:p=NaN", "a probability"),
            ("error", "which error?"),
            ("error:errno=EBANANA", "the name of an error"),
            ("delay", "how long at most?"),
            ("delay:time=soon", "time=soon"),
            ("short:nth=0", "from 1 on"),
            ("short:fd=-1", "no descriptor"),
            ("short:path=/a;b", "no ; or ,"),
            ("short:x=1", "op, fd, path"),
            ("short:errno=EIO", "errno is for error"),
            ("short:p", "KEY=VALUE"),
        ] {
            let error = translate(given).unwrap_err();
            assert!(error.contains(part), "{given}: {error}");
        }
    }

    #[test]
    fn comments_are_no_rules() {
        let text = "# all\n\n order  # mixed\nshort:p=0.5\n";
        assert_eq!(lines(text).collect::<Vec<_>>(), ["order", "short:p=0.5"]);
    }
}
