//! The flags by name: none of the interface's is missing, and bits without a name stay.

use anyring::abi::constants::GROUPS;
use anyring::flags::{CqeFlags, FeatureFlags, NAMED, SetupFlags, SqeFlags};
use anyring::{Completion, Errno, PushError, check};

/// Beginnings of names whose constants are flags of a type.
const FAMILIES: &[&str] = &[
    "IORING_SETUP_",
    "IORING_FEAT_",
    "IOSQE_",
    "IORING_CQE_F_",
    "IORING_ENTER_",
    "IORING_TIMEOUT_",
    "IORING_LINK_TIMEOUT_",
    "IORING_POLL_",
    "IORING_ASYNC_CANCEL_",
    "IORING_RECVSEND_",
    "IORING_RECV_",
    "IORING_SEND_",
    "IORING_ACCEPT_",
    "IORING_MSG_RING_",
    "IORING_NOP_",
    "IORING_FSYNC_",
    "IORING_URING_CMD_",
    "IORING_FIXED_FD_",
    "IOU_PBUF_RING_",
];

#[test]
fn every_flag_has_a_name() {
    let flags = GROUPS
        .iter()
        .flat_map(|group| group.constants)
        .map(|constant| constant.name)
        .filter(|name| FAMILIES.iter().any(|family| name.starts_with(family)))
        .filter(|name| !name.ends_with("_MASK") && !name.ends_with("_BIT"));
    let missing: Vec<&str> = flags.filter(|name| !NAMED.contains(name)).collect();
    assert_eq!(missing, [""; 0]);
    assert!(NAMED.len() > 80, "{} flags", NAMED.len());
}

#[test]
fn bits_without_a_name_stay() {
    let newer = 1 << 30 | SetupFlags::SQPOLL.bits();
    let flags = SetupFlags::from(newer);
    assert_eq!(flags.bits(), newer);
    assert!(flags.contains(SetupFlags::SQPOLL) && !flags.contains(SetupFlags::IOPOLL));
    assert_eq!(SetupFlags::from_bits(newer), Some(flags));
    assert_eq!(format!("{flags:?}"), "SetupFlags(SQPOLL | 0x40000000)");
    assert_ne!(FeatureFlags::NODROP & anyring::abi::IORING_FEAT_NODROP, 0);
    assert_eq!(u8::from(SqeFlags::ASYNC), 16);
}

#[test]
fn what_a_completion_says() {
    let done = Completion::new(1, -libc::EPIPE, 7 << 16 | 3);
    assert_eq!(done.cqe_flags(), CqeFlags::BUFFER | CqeFlags::MORE);
    assert_eq!(done.buffer_id(), Some(7));
    assert!(done.more() && !done.is_notification());
    assert_eq!(done.result(), Err(Errno::EPIPE));
}

#[test]
fn errors_have_names_and_texts() {
    let error = check(-libc::EPERM).expect_err("it is one");
    assert_eq!(error.to_string(), "EPERM: Operation not permitted");
    assert_eq!(format!("{error:?}"), "Errno(EPERM)");
    assert_eq!(error.name(), Some("EPERM"));
    assert_eq!(Errno(4000).to_string(), "error 4000");
    assert_eq!(Errno(4000).text(), None);
    // The GNU C library has a text for each number that it knows, and this is it.
    for number in if cfg!(target_env = "gnu") {
        1..200
    } else {
        0..0
    } {
        // SAFETY: a string that is read before the next call; the C locale is set.
        let text = unsafe { std::ffi::CStr::from_ptr(libc::strerror(number)) };
        let text = text.to_str().expect("ASCII");
        let known = !text.starts_with("Unknown error");
        assert_eq!(Errno(number).text(), known.then_some(text), "{number}");
        assert_eq!(Errno(number).name().is_some(), known, "{number}");
    }
    #[cfg(feature = "std")]
    {
        let error: std::io::Error = Errno::ENOENT.into();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        let error: std::io::Error = PushError(()).into();
        assert_eq!(error.raw_os_error(), Some(libc::EBUSY));
    }
    let full: &dyn std::error::Error = &PushError(7);
    assert_eq!(full.to_string(), "the submission queue is full");
    assert_eq!(PushError(7).into_inner(), 7);
}
