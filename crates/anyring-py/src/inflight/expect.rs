//! Which completions a request has, in which order.

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;

/// The completions of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// One.
    Once = Phase::Once as isize,
    /// Any number with `IORING_CQE_F_MORE`, one without.
    Many = Phase::Many as isize,
    /// One, and where that has `IORING_CQE_F_MORE` a notification.
    ZeroCopy = Phase::Sending as isize,
    /// None, or one if it fails.
    Silence = Phase::Silent as isize,
}

/// Where a request is between its first and its last completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is none.
    Free,
    /// A zero-copy send whose result came and whose notification did not.
    Notifying,
    Once,
    Many,
    /// A zero-copy send before its result.
    Sending,
    Silent,
}

/// What a completion makes of a phase.
pub(super) enum Step {
    /// It is no completion of this request.
    Never,
    /// The request goes on.
    Stay(Phase),
    /// It was the last one.
    End,
}

impl Phase {
    /// Whether a completion without `IORING_CQE_F_MORE` and
    /// `IORING_CQE_F_NOTIF` ends the request, and that is all there is to it.
    #[inline(always)]
    pub(super) fn ends_plainly(self) -> bool {
        matches!(self, Phase::Once | Phase::Many | Phase::Sending)
    }

    pub(super) fn after(self, flags: u32) -> Step {
        if flags & (abi::IORING_CQE_F_MORE | abi::IORING_CQE_F_NOTIF) == 0 {
            return match self {
                Phase::Free | Phase::Notifying => Step::Never,
                _ => Step::End,
            };
        }
        let more = flags & abi::IORING_CQE_F_MORE != 0;
        let notification = flags & abi::IORING_CQE_F_NOTIF != 0;
        match (self, more, notification) {
            (Phase::Many, true, false) => Step::Stay(Phase::Many),
            (Phase::Sending, true, false) => Step::Stay(Phase::Notifying),
            (Phase::Notifying, false, true) => Step::End,
            _ => Step::Never,
        }
    }
}

impl Expect {
    #[inline]
    pub(super) fn first(self) -> Phase {
        match self {
            Expect::Once => Phase::Once,
            Expect::Many => Phase::Many,
            Expect::ZeroCopy => Phase::Sending,
            Expect::Silence => Phase::Silent,
        }
    }

    /// What the request of an entry has. An operation that is not known may
    /// have any number.
    #[inline]
    pub(crate) fn of(entry: &io_uring_sqe) -> Self {
        match u32::from(entry.opcode) {
            abi::IORING_OP_NOP | abi::IORING_OP_READ | abi::IORING_OP_WRITE => Expect::Once,
            _ => Expect::of_other(entry),
        }
    }

    fn of_other(entry: &io_uring_sqe) -> Self {
        let ioprio = u32::from(entry.ioprio);
        let several = match u32::from(entry.opcode) {
            abi::IORING_OP_SEND_ZC | abi::IORING_OP_SENDMSG_ZC => return Expect::ZeroCopy,
            abi::IORING_OP_ACCEPT => ioprio & abi::IORING_ACCEPT_MULTISHOT != 0,
            abi::IORING_OP_RECV
            | abi::IORING_OP_RECVMSG
            | abi::IORING_OP_SEND
            | abi::IORING_OP_SENDMSG => {
                ioprio & (abi::IORING_RECV_MULTISHOT | abi::IORING_RECVSEND_BUNDLE) != 0
            }
            abi::IORING_OP_TIMEOUT => entry.op_flags & abi::IORING_TIMEOUT_MULTISHOT != 0,
            // What a poll waits for, and how often, can be changed.
            abi::IORING_OP_POLL_ADD
            | abi::IORING_OP_READ_MULTISHOT
            | abi::IORING_OP_RECV_ZC
            | abi::IORING_OP_URING_CMD
            | abi::IORING_OP_URING_CMD128 => true,
            other => other >= abi::IORING_OP_LAST,
        };
        if several { Expect::Many } else { Expect::Once }
    }
}
