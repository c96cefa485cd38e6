//! Lines in strace's manner.

use std::io::{self, Write};

use anyring_observe::{Happening, Pair, decode, names};

use super::{Options, Printer, Seen, human, named, result};

pub(super) struct Text<W: Write> {
    to: W,
    decode_fds: bool,
    calls: bool,
    time: bool,
    many: bool,
}

impl<W: Write> Text<W> {
    pub(super) fn new(to: W, options: &Options) -> Self {
        Text {
            to,
            decode_fds: options.decode_fds,
            calls: options.syscall_times,
            time: options.time,
            many: options.follow_forks,
        }
    }

    fn line(&mut self, seen: &Seen<'_>, text: &str) -> io::Result<()> {
        let event = seen.event;
        if self.time {
            write!(self.to, "{:.6} ", event.at.as_secs_f64())?;
        }
        if self.many {
            write!(self.to, "[pid {}] ", event.pid)?;
        }
        if event.ring != 0 {
            write!(self.to, "ring {}  ", event.fd)?;
        }
        writeln!(self.to, "{text}")
    }
}

impl<W: Write> Printer for Text<W> {
    fn take(&mut self, seen: &Seen<'_>) -> io::Result<()> {
        let event = seen.event;
        let text = match &event.what {
            Happening::Ring {
                sq_entries,
                cq_entries,
                flags,
                notes,
            } => {
                let mut text = format!(
                    "made: {sq_entries} SQEs, {cq_entries} CQEs, {}",
                    setup(*flags)
                );
                for note in notes {
                    text.push_str(&format!("; {note}"));
                }
                text
            }
            Happening::SetupFailed(entries, errno) => {
                format!("io_uring_setup({entries}) = {}", result((*errno).into()))
            }
            Happening::RingGone => "closed".into(),
            Happening::Unmaps(..) | Happening::Full => return Ok(()),
            Happening::Submitted(sqe) => {
                let (pid, decode_fds) = (event.pid, self.decode_fds);
                let file = move |fd: i32, slot: bool| {
                    if decode_fds {
                        named(pid, fd, slot)
                    } else {
                        fd.to_string()
                    }
                };
                let number = seen.request().map_or(0, |request| request.number);
                let after = seen
                    .request()
                    .and_then(|request| request.after)
                    .map_or(String::new(), |after| format!(" after=#{after}"));
                format!(
                    "#{number} {} user_data={:#x}{after}",
                    decode::text_with(sqe, &file),
                    sqe.user_data
                )
            }
            Happening::Completed(cqe) => {
                let mut text = match &seen.pair {
                    Some(Pair::Completion(request, _)) => {
                        format!("#{} = {}", request.number, result(cqe.res.into()))
                    }
                    _ => format!(
                        "user_data={:#x} = {}",
                        cqe.user_data,
                        result(cqe.res.into())
                    ),
                };
                if cqe.flags & 1 != 0 {
                    text.push_str(&format!(" buffer={}", cqe.flags >> 16));
                }
                if cqe.flags & 0xffff != 0 {
                    text.push(' ');
                    text.push_str(&names::short((cqe.flags & 0xffff).into(), "IORING_CQE_"));
                }
                if let Some([one, two]) = cqe.big {
                    text.push_str(&format!(" big_cqe={one:#x},{two:#x}"));
                }
                if let Some(took) = seen.latency().filter(|took| !took.is_zero()) {
                    text.push_str(&format!(" <{}>", human(took)));
                }
                text
            }
            Happening::Enter { .. } if !self.calls => return Ok(()),
            Happening::Enter {
                to_submit,
                min_complete,
                flags,
                result: value,
                took,
            } => {
                let flags = names::flags((*flags).into(), &prefixed("IORING_ENTER_"));
                format!(
                    "io_uring_enter({to_submit}, {min_complete}, {flags}) = {} <{}>",
                    result(*value),
                    human(*took)
                )
            }
            Happening::Register(opcode, count, value) => {
                let name = anyring_spec::REGISTER_CALLS
                    .iter()
                    .find(|call| call.opcode == *opcode)
                    .map_or_else(|| opcode.to_string(), |call| call.name.into());
                format!(
                    "io_uring_register({name}, nr_args={count}) = {}",
                    result(*value)
                )
            }
            Happening::Overflow(n) => {
                format!("overflow: {n} completions found no room in the completion queue")
            }
            Happening::Dropped(n) => {
                format!("dropped: {n} entries of the submission queue were invalid")
            }
            Happening::Lost {
                submissions,
                completions,
                taken: 0,
            } => format!("not seen: {submissions} submissions, {completions} completions"),
            Happening::Lost {
                submissions,
                completions,
                taken,
            } => format!(
                "not seen: {submissions} submissions ({taken} were taken before they were read), {completions} completions"
            ),
            Happening::Note(note) => format!("note: {note}"),
            Happening::Ended(status) if status & 0x7f == 0 => {
                format!("+++ {} exited with {} +++", event.pid, (status >> 8) & 0xff)
            }
            Happening::Ended(status) => {
                format!("+++ {} killed by signal {} +++", event.pid, status & 0x7f)
            }
        };
        self.line(seen, &text)
    }

    fn end(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn prefixed(prefix: &str) -> Vec<names::Name> {
    names::constants()
        .filter(|c| c.name.starts_with(prefix))
        .map(|c| (c.name, c.value))
        .collect()
}

pub(super) fn setup(flags: u32) -> String {
    names::flags(flags.into(), &prefixed("IORING_SETUP_"))
}
