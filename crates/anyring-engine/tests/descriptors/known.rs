//! Differences that stand in `docs/engine.md`, with the reason.

use crate::objects::Kind::*;
use crate::works::Work::*;
use crate::{Case, End, Way};

/// Why a case may end differently.
pub(crate) fn reason(case: &Case) -> Option<&'static str> {
    let by_worker = matches!(case.way, Way::Async | Way::Drained);
    match (case.work, case.kind) {
        (PollPri | PollHangUp | PollMultishot, Proc | Sys) => {
            Some("no system call says that a file has nothing to wait for")
        }
        (ReadMultishot, Proc | Sys | InotifyIdle | InotifyReady | FifoIdle | FifoReady) => {
            Some("the kernel reads nothing of a file without RWF_NOWAIT, or loses the end of it")
        }
        (ReadMultishot, PtyMasterIdle | PtyMasterReady) if by_worker || case.end == End::HungUp => {
            Some("the kernel reads nothing of a file without RWF_NOWAIT, or loses the end of it")
        }
        (ReadMultishot, PtySlaveIdle | PtySlaveReady) if by_worker => {
            Some("a worker of the kernel's reads once, and the buffer stays with it")
        }
        (ReadMultishot, FanotifyIdle | FifoNoWriter | EpollIdle | PidfdAlive)
            if case.way == Way::Async =>
        {
            Some("a multishot read that waits in a worker of the kernel's keeps a buffer")
        }
        (ReceiveMultishot, UnixPeerClosedReady | TcpPeerClosedReady) if by_worker => {
            Some("a multishot receive that a worker of the kernel's starts misses the end")
        }
        (SpliceFrom | SpliceFromAt | SpliceTo | Tee, _) if case.way == Way::Limited => {
            Some("a link timeout of the kernel's does not end a splice that waits")
        }
        (SpliceFrom, PtySlaveIdle) | (SpliceTo, UnixFull) if case.end == End::HungUp => {
            Some("a splice that begins after the other end is closed finds another error")
        }
        (ReadNothing, Userfaultfd) => Some("preadv2(2) of nothing does not ask the file"),
        _ => None,
    }
}
