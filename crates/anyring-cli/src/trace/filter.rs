//! `-e`: what is shown.

use std::time::Duration;

use anyring_observe::{Happening, decode};

use super::Seen;

#[derive(Default)]
pub(super) struct Filter {
    ops: Vec<String>,
    fds: Vec<i32>,
    errors: bool,
    slower: Option<Duration>,
}

impl Filter {
    pub(super) fn new(expressions: &[String]) -> Result<Filter, String> {
        let mut filter = Filter::default();
        for expression in expressions {
            match expression.split_once('=').unwrap_or((expression, "")) {
                ("op", names) => {
                    for name in names.split(',') {
                        let known = anyring_spec::operations()
                            .any(|op| op.name == format!("IORING_OP_{}", name.to_uppercase()));
                        if !known {
                            return Err(format!("-e op={name}: there is no such operation"));
                        }
                        filter.ops.push(name.to_lowercase());
                    }
                }
                ("fd", numbers) => {
                    for number in numbers.split(',') {
                        filter.fds.push(
                            number
                                .parse()
                                .map_err(|_| format!("-e fd={number}: no descriptor"))?,
                        );
                    }
                }
                ("errors", "") => filter.errors = true,
                ("slower", time) => {
                    filter.slower = Some(
                        humantime::parse_duration(time)
                            .map_err(|error| format!("-e slower={time}: {error}"))?,
                    );
                }
                _ => {
                    return Err(format!(
                        "-e {expression}: op=NAME, fd=N, errors or slower=TIME is meant"
                    ));
                }
            }
        }
        Ok(filter)
    }

    /// Whether the result decides, so that a submission alone shows nothing.
    pub(super) fn by_result(&self) -> bool {
        self.errors || self.slower.is_some()
    }

    pub(super) fn passes(&self, seen: &Seen<'_>) -> bool {
        let about_requests = !self.ops.is_empty() || !self.fds.is_empty() || self.by_result();
        if let Some(request) = seen.request() {
            let op = decode::operation(request.sqe.opcode);
            if !self.ops.is_empty() && !self.ops.contains(&op)
                || !self.fds.is_empty() && !self.fds.contains(&request.sqe.fd)
            {
                return false;
            }
        }
        match &seen.event.what {
            Happening::Submitted(_) => !self.by_result(),
            Happening::Completed(cqe) => {
                let known = seen.request().is_some() || self.ops.is_empty() && self.fds.is_empty();
                known
                    && (!self.errors || cqe.res < 0)
                    && self
                        .slower
                        .is_none_or(|time| seen.latency().is_some_and(|took| took >= time))
            }
            Happening::Lost { .. }
            | Happening::Overflow(_)
            | Happening::Dropped(_)
            | Happening::Note(_) => true,
            Happening::SetupFailed(..) => true,
            Happening::Enter { result, .. } => !about_requests || self.errors && *result < 0,
            _ => !about_requests,
        }
    }
}
