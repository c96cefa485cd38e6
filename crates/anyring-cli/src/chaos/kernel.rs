//! What an old kernel has, in the engine's form.

use std::fmt::Write;

use anyring_spec::kernels::{FLAGS, FlagWord, Kernel, of_operation};
use anyring_spec::{REGISTER_CALLS, operations};

/// The oldest kernel whose rings are mapped as the engine's are
/// (IORING_FEAT_SINGLE_MMAP).
const OLDEST: Kernel = (5, 4);
/// The newest that the tables know.
const NEWEST: Kernel = (6, 18);

/// The kernel of a text, as 5.10.
fn version(text: &str) -> Option<Kernel> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The words that tell the engine what a kernel has.
pub(super) fn masks(text: &str) -> Result<String, String> {
    let kernel = version(text).ok_or_else(|| format!("--as-kernel {text}: 5.10 is meant"))?;
    if !(OLDEST..=NEWEST).contains(&kernel) {
        return Err(format!("--as-kernel {text}: from 5.4 to 6.18"));
    }
    let ops = operations()
        .filter(|op| of_operation(op.name).is_some_and(|since| since <= kernel))
        .fold(0_u128, |bits, op| bits | 1 << op.value);
    let register = REGISTER_CALLS
        .iter()
        .filter(|call| call.kernel.is_some_and(|since| since <= kernel))
        .fold(0_u64, |bits, call| bits | 1 << call.opcode);
    let has = |wanted: FlagWord| {
        FLAGS
            .iter()
            .filter(|(word, _, since)| *word == wanted && *since <= kernel)
            .fold(0_u32, |bits, (_, bit, _)| bits | bit)
    };
    let mut out = format!(
        "ops={ops:x};register={register:x};setup={:x};features={:x};sqe={:x};enter={:x}",
        has(FlagWord::Setup),
        has(FlagWord::Features),
        has(FlagWord::Sqe),
        has(FlagWord::Enter),
    );
    for (word, bit, since) in FLAGS {
        if let FlagWord::Ioprio(op) = word {
            if *since > kernel {
                let _ = write!(out, ";ioprio={op}:{bit:x}");
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_kernels_have_less() {
        let bits = |text: &str, word: &str| {
            let masks = masks(text).unwrap();
            let found = masks
                .split(';')
                .find_map(|part| part.strip_prefix(word))
                .unwrap();
            u128::from_str_radix(found, 16).unwrap()
        };
        // READ came with 5.6, SEND_ZC with 6.0; DEFER_TASKRUN with 6.1.
        assert_eq!(bits("5.4", "ops=") >> 22 & 1, 0);
        assert_eq!(bits("5.6", "ops=") >> 22 & 1, 1);
        assert_eq!(bits("5.19", "ops=") >> 47 & 1, 0);
        assert_eq!(bits("6.0", "ops=") >> 47 & 1, 1);
        assert_eq!(bits("6.0", "setup=") >> 13 & 1, 0);
        assert_eq!(bits("6.1", "setup=") >> 13 & 1, 1);
        assert!(masks("5.18").unwrap().contains(";ioprio=13:1"));
        assert!(!masks("5.19").unwrap().contains(";ioprio=13:1;"));
    }

    #[test]
    fn others_are_refused() {
        for text in ["", "5", "5.x", "4.19", "7.3", "5.3"] {
            assert!(masks(text).is_err(), "{text}");
        }
    }
}
