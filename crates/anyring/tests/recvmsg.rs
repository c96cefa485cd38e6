//! Results of a multishot recvmsg: bounds, wild lengths, buffers at odd addresses.

use std::ffi::c_void;
use std::ptr;

use anyring::recvmsg::{cmsg_firsthdr, cmsg_nexthdr, name, payload, payload_length, validate};
use libc::{cmsghdr, msghdr};

fn message(namelen: u32, controllen: usize) -> msghdr {
    // SAFETY: integers and pointers.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    message.msg_namelen = namelen;
    message.msg_controllen = controllen;
    message
}

#[test]
fn lengths_at_their_limits() {
    let mut byte = 0_u8;
    let buffer: *mut c_void = (&raw mut byte).cast();
    for namelen in [0_u32, 1, 16, u32::MAX] {
        for controllen in [0_usize, 7, 24, usize::MAX - 8, usize::MAX] {
            let message = message(namelen, controllen);
            let front = 16 + u128::from(namelen) + controllen as u128;
            for len in [i32::MIN, -1, 0, 15, 16, 17, 39, 40, 56, 57, i32::MAX] {
                let fits = len >= 0 && front <= len as u128;
                // SAFETY: the buffer is not looked into.
                let (valid, rest) = unsafe {
                    (
                        validate(buffer, len, &raw const message),
                        payload_length(len, &raw const message),
                    )
                };
                let wanted = if fits { buffer } else { ptr::null_mut() };
                assert_eq!(valid.cast(), wanted, "{namelen} {controllen} {len}");
                let wanted = if fits { len as u128 - front } else { 0 };
                assert_eq!(u128::from(rest), wanted, "{namelen} {controllen} {len}");
            }
        }
    }
}

/// Writes a buffer at `at` whose control area has messages of these lengths,
/// each behind the aligned end of the one before.
fn fill(memory: &mut [u8], at: usize, namelen: usize, controllen: u32, lengths: &[usize]) {
    memory[at..at + 16].fill(0);
    memory[at + 4..at + 8].copy_from_slice(&controllen.to_le_bytes());
    let mut place = at + 16 + namelen;
    for length in lengths {
        memory[place..place + 8].copy_from_slice(&length.to_le_bytes());
        place += length.next_multiple_of(8);
    }
}

/// How many messages a walk over the control area sees.
fn walk(memory: &mut [u8], at: usize, message: &msghdr) -> usize {
    let out = memory[at..].as_mut_ptr().cast();
    let mut seen = 0;
    // SAFETY: the buffer was filled above and holds what it says.
    unsafe {
        let mut cmsg: *mut cmsghdr = cmsg_firsthdr(out, message);
        while !cmsg.is_null() {
            seen += 1;
            cmsg = cmsg_nexthdr(out, message, cmsg);
        }
    }
    seen
}

#[test]
fn control_messages_end_where_the_area_ends() {
    // Odd starts and odd name areas: nothing is aligned then.
    for at in [0, 1, 3, 8] {
        for namelen in [0_usize, 3, 16, 110] {
            let message = message(namelen as u32, 64);
            let mut memory = vec![0_u8; 512];
            let mut count = |controllen, lengths: &[usize]| {
                fill(&mut memory, at, namelen, controllen, lengths);
                walk(&mut memory, at, &message)
            };
            assert_eq!(count(0, &[]), 0);
            assert_eq!(count(15, &[20, 16]), 0);
            assert_eq!(count(16, &[16, 16]), 1);
            assert_eq!(count(32, &[16, 16]), 2);
            assert_eq!(count(40, &[20, 16]), 2);
            // One byte too few for the second.
            assert_eq!(count(39, &[20, 16]), 1);
            // Too short to be one: the walk ends there.
            assert_eq!(count(64, &[15, 16]), 1);
            assert_eq!(count(64, &[20, 20, 16]), 3);
            // Beyond the area.
            assert_eq!(count(64, &[16, 49]), 1);
            assert_eq!(count(64, &[16, 48]), 2);
        }
    }
}

#[test]
fn wild_lengths_do_not_wrap_around() {
    let message = message(0, 64);
    for length in [65, 1 << 31, usize::MAX / 2, usize::MAX - 7, usize::MAX] {
        let mut memory = vec![0_u8; 256];
        fill(&mut memory, 0, 0, 64, &[]);
        memory[16..24].copy_from_slice(&length.to_le_bytes());
        assert_eq!(walk(&mut memory, 0, &message), 1, "first {length:#x}");
        fill(&mut memory, 0, 0, 64, &[16]);
        memory[32..40].copy_from_slice(&length.to_le_bytes());
        assert_eq!(walk(&mut memory, 0, &message), 1, "second {length:#x}");
    }
}

#[test]
fn areas_follow_each_other() {
    let mut memory = [0_u8; 256];
    let message = message(28, 40);
    let out = memory.as_mut_ptr().cast();
    let start = out as usize;
    // SAFETY: inside the buffer; only addresses are made.
    let at = unsafe { payload(out, &raw const message) } as usize;
    assert_eq!((name(out) as usize - start, at - start), (16, 84));
}
