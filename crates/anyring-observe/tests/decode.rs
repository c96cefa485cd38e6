//! Every operation as text and back.

use anyring_abi::io_uring_sqe;
use anyring_observe::decode::{bytes, entry, operation, parse, text};
use anyring_spec::operations;
use proptest::prelude::*;

fn back(sqe: &io_uring_sqe) {
    let line = text(sqe);
    let again = parse(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let want = io_uring_sqe {
        user_data: 0,
        ..*sqe
    };
    assert_eq!(bytes(&again), bytes(&want), "{line}");
}

#[test]
fn every_operation_and_every_bit() {
    for op in operations() {
        let plain = io_uring_sqe {
            opcode: op.value as u8,
            fd: 3,
            ..Default::default()
        };
        back(&plain);
        for byte in (1..64).filter(|byte| !(32..40).contains(byte)) {
            for bit in 0..8 {
                let mut b = bytes(&plain);
                b[byte] ^= 1 << bit;
                back(&entry(&b));
            }
        }
    }
}

#[test]
fn what_is_known_by_name() {
    let say = |line: &str| text(&parse(line).unwrap());
    for line in [
        "recv(9, 0x7f00, 4096, MSG_PEEK|MSG_WAITALL)",
        "recv_multishot(9, NULL, 0, 0) flags=IOSQE_BUFFER_SELECT",
        "read(3, 0x10, 512, 0) flags=IOSQE_FIXED_FILE|IOSQE_IO_LINK",
        "multishot_accept(4, NULL, NULL, SOCK_CLOEXEC)",
        "openat(AT_FDCWD, 0x10, O_RDWR|O_CREAT, 0644)",
        "nop()",
    ] {
        assert_eq!(say(line), line);
    }
    assert_eq!(operation(200), "op200");
    assert!(parse("read(1)").is_err());
    assert!(parse("read(1, 2, 3, NO_SUCH)").is_err());
}

proptest! {
    #[test]
    fn any_entry(b in prop::array::uniform32(any::<u8>()), c in prop::array::uniform32(any::<u8>())) {
        let mut all = [0; 64];
        all[..32].copy_from_slice(&b);
        all[32..].copy_from_slice(&c);
        back(&entry(&all));
    }

    #[test]
    fn any_text(line in "\\PC*") {
        let _ = parse(&line);
    }
}
