//! Which kernel brought which flag: of setup, of features, of entries, of enter, and of
//! `ioprio`. From io_uring_setup(2), io_uring_enter(2) and the functions' own pages.

use anyring_abi as abi;

/// A kernel, as (major, minor).
pub type Kernel = (u8, u8);

/// A flag word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagWord {
    /// `flags` of `io_uring_params`.
    Setup,
    /// `features` of `io_uring_params`.
    Features,
    /// `flags` of an SQE.
    Sqe,
    /// `flags` of io_uring_enter(2).
    Enter,
    /// `ioprio` of the SQEs of an operation.
    Ioprio(u32),
}

/// The first kernel of every flag. One without a kernel here is newer than 6.18.
#[rustfmt::skip]
pub static FLAGS: &[(FlagWord, u32, Kernel)] = &[
    (FlagWord::Setup, abi::IORING_SETUP_IOPOLL, (5, 1)),
    (FlagWord::Setup, abi::IORING_SETUP_SQPOLL, (5, 1)),
    (FlagWord::Setup, abi::IORING_SETUP_SQ_AFF, (5, 1)),
    (FlagWord::Setup, abi::IORING_SETUP_CQSIZE, (5, 5)),
    (FlagWord::Setup, abi::IORING_SETUP_CLAMP, (5, 6)),
    (FlagWord::Setup, abi::IORING_SETUP_ATTACH_WQ, (5, 6)),
    (FlagWord::Setup, abi::IORING_SETUP_R_DISABLED, (5, 10)),
    (FlagWord::Setup, abi::IORING_SETUP_SUBMIT_ALL, (5, 18)),
    (FlagWord::Setup, abi::IORING_SETUP_COOP_TASKRUN, (5, 19)),
    (FlagWord::Setup, abi::IORING_SETUP_TASKRUN_FLAG, (5, 19)),
    (FlagWord::Setup, abi::IORING_SETUP_SQE128, (5, 19)),
    (FlagWord::Setup, abi::IORING_SETUP_CQE32, (5, 19)),
    (FlagWord::Setup, abi::IORING_SETUP_SINGLE_ISSUER, (6, 0)),
    (FlagWord::Setup, abi::IORING_SETUP_DEFER_TASKRUN, (6, 1)),
    (FlagWord::Setup, abi::IORING_SETUP_NO_MMAP, (6, 5)),
    (FlagWord::Setup, abi::IORING_SETUP_REGISTERED_FD_ONLY, (6, 5)),
    (FlagWord::Setup, abi::IORING_SETUP_NO_SQARRAY, (6, 6)),
    (FlagWord::Setup, abi::IORING_SETUP_HYBRID_IOPOLL, (6, 13)),
    (FlagWord::Setup, abi::IORING_SETUP_CQE_MIXED, (6, 18)),
    (FlagWord::Features, abi::IORING_FEAT_SINGLE_MMAP, (5, 4)),
    (FlagWord::Features, abi::IORING_FEAT_NODROP, (5, 5)),
    (FlagWord::Features, abi::IORING_FEAT_SUBMIT_STABLE, (5, 5)),
    (FlagWord::Features, abi::IORING_FEAT_RW_CUR_POS, (5, 6)),
    (FlagWord::Features, abi::IORING_FEAT_CUR_PERSONALITY, (5, 6)),
    (FlagWord::Features, abi::IORING_FEAT_FAST_POLL, (5, 7)),
    (FlagWord::Features, abi::IORING_FEAT_POLL_32BITS, (5, 9)),
    (FlagWord::Features, abi::IORING_FEAT_SQPOLL_NONFIXED, (5, 11)),
    (FlagWord::Features, abi::IORING_FEAT_EXT_ARG, (5, 11)),
    (FlagWord::Features, abi::IORING_FEAT_NATIVE_WORKERS, (5, 12)),
    (FlagWord::Features, abi::IORING_FEAT_RSRC_TAGS, (5, 13)),
    (FlagWord::Features, abi::IORING_FEAT_CQE_SKIP, (5, 17)),
    (FlagWord::Features, abi::IORING_FEAT_LINKED_FILE, (5, 17)),
    (FlagWord::Features, abi::IORING_FEAT_REG_REG_RING, (6, 3)),
    (FlagWord::Features, abi::IORING_FEAT_RECVSEND_BUNDLE, (6, 10)),
    (FlagWord::Features, abi::IORING_FEAT_MIN_TIMEOUT, (6, 12)),
    (FlagWord::Features, abi::IORING_FEAT_RW_ATTR, (6, 14)),
    (FlagWord::Features, abi::IORING_FEAT_NO_IOWAIT, (6, 15)),
    (FlagWord::Sqe, abi::IOSQE_FIXED_FILE, (5, 1)),
    (FlagWord::Sqe, abi::IOSQE_IO_DRAIN, (5, 2)),
    (FlagWord::Sqe, abi::IOSQE_IO_LINK, (5, 3)),
    (FlagWord::Sqe, abi::IOSQE_IO_HARDLINK, (5, 5)),
    (FlagWord::Sqe, abi::IOSQE_ASYNC, (5, 6)),
    (FlagWord::Sqe, abi::IOSQE_BUFFER_SELECT, (5, 7)),
    (FlagWord::Sqe, abi::IOSQE_CQE_SKIP_SUCCESS, (5, 17)),
    (FlagWord::Enter, abi::IORING_ENTER_GETEVENTS, (5, 1)),
    (FlagWord::Enter, abi::IORING_ENTER_SQ_WAKEUP, (5, 1)),
    (FlagWord::Enter, abi::IORING_ENTER_SQ_WAIT, (5, 10)),
    (FlagWord::Enter, abi::IORING_ENTER_EXT_ARG, (5, 11)),
    (FlagWord::Enter, abi::IORING_ENTER_REGISTERED_RING, (5, 18)),
    (FlagWord::Enter, abi::IORING_ENTER_ABS_TIMER, (6, 12)),
    (FlagWord::Enter, abi::IORING_ENTER_EXT_ARG_REG, (6, 13)),
    (FlagWord::Enter, abi::IORING_ENTER_NO_IOWAIT, (6, 15)),
    (FlagWord::Ioprio(abi::IORING_OP_ACCEPT), abi::IORING_ACCEPT_MULTISHOT, (5, 19)),
    (FlagWord::Ioprio(abi::IORING_OP_ACCEPT), abi::IORING_ACCEPT_DONTWAIT, (6, 10)),
    (FlagWord::Ioprio(abi::IORING_OP_ACCEPT), abi::IORING_ACCEPT_POLL_FIRST, (6, 10)),
    (FlagWord::Ioprio(abi::IORING_OP_RECV), abi::IORING_RECVSEND_POLL_FIRST, (5, 19)),
    (FlagWord::Ioprio(abi::IORING_OP_RECV), abi::IORING_RECV_MULTISHOT, (6, 0)),
    (FlagWord::Ioprio(abi::IORING_OP_RECV), abi::IORING_RECVSEND_BUNDLE, (6, 10)),
    (FlagWord::Ioprio(abi::IORING_OP_RECVMSG), abi::IORING_RECVSEND_POLL_FIRST, (5, 19)),
    (FlagWord::Ioprio(abi::IORING_OP_RECVMSG), abi::IORING_RECV_MULTISHOT, (6, 0)),
    (FlagWord::Ioprio(abi::IORING_OP_SEND), abi::IORING_RECVSEND_POLL_FIRST, (5, 19)),
    (FlagWord::Ioprio(abi::IORING_OP_SEND), abi::IORING_RECVSEND_BUNDLE, (6, 10)),
    (FlagWord::Ioprio(abi::IORING_OP_SEND), abi::IORING_SEND_VECTORIZED, (6, 17)),
    (FlagWord::Ioprio(abi::IORING_OP_SENDMSG), abi::IORING_RECVSEND_POLL_FIRST, (5, 19)),
    (FlagWord::Ioprio(abi::IORING_OP_SEND_ZC), abi::IORING_SEND_ZC_REPORT_USAGE, (6, 2)),
];

/// Operations without a function that prepares them.
const UNPREPARED: &[(&str, Kernel)] = &[("IORING_OP_RECV_ZC", (6, 15))];

/// The first kernel of an operation: that of the first function that prepares it.
pub fn of_operation(name: &str) -> Option<Kernel> {
    let prepared = crate::prep::rows()
        .filter(|(_, prep)| prep.opcode() == Some(name))
        .map(|(_, prep)| prep.kernel);
    let others = UNPREPARED
        .iter()
        .filter(|(other, _)| *other == name)
        .map(|(_, kernel)| *kernel);
    prepared.chain(others).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_kernels() {
        assert_eq!(of_operation("IORING_OP_READ"), Some((5, 6)));
        assert_eq!(of_operation("IORING_OP_READV"), Some((5, 1)));
        assert_eq!(of_operation("IORING_OP_FUTEX_WAIT"), Some((6, 7)));
        for op in crate::operations() {
            assert!(of_operation(op.name).is_some(), "{}", op.name);
        }
    }

    #[test]
    fn a_flag_stands_once() {
        for (at, (word, bit, _)) in FLAGS.iter().enumerate() {
            assert!(bit.is_power_of_two());
            let again = FLAGS[..at]
                .iter()
                .any(|one| one.0 == *word && one.1 == *bit);
            assert!(!again, "{word:?} {bit:#x}");
        }
    }
}
