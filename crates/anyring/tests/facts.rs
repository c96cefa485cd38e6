//! The fact tables against the Rust side: prep vectors, constants, symbols,
//! register calls. (Layouts are asserted where the structs are.)

use std::collections::BTreeMap;

use anyring::abi::{GROUPS, io_uring_sqe};
use serde_json::Value;

#[path = "common/dispatch.rs"]
mod dispatch;

fn facts(name: &str) -> Value {
    let path = format!(
        "{}/../../tests/abi/facts/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("valid JSON")
}

fn list(value: &Value, key: &str) -> Vec<Value> {
    value[key].as_array().expect(key).clone()
}

fn number(value: &Value) -> u64 {
    match value {
        Value::String(hex) => u64::from_str_radix(hex.trim_start_matches("0x"), 16).expect("hex"),
        other => other
            .as_i64()
            .map(|signed| signed as u64)
            .or_else(|| other.as_u64())
            .expect("a number"),
    }
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().expect("hex");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
        .collect()
}

#[test]
fn prep_vectors() {
    let table = facts("prep-vectors");
    let mut checked = 0;
    for vector in list(&table, "vectors")
        .iter()
        .chain(&list(&table, "vectors_other"))
    {
        let name = vector["function"].as_str().expect("a name");
        for (fill, key) in [(0x00_u8, "from_00"), (0xa5, "from_a5")] {
            let mut memory = [fill; 64];
            // SAFETY: 64 bytes of integers, copied out and back.
            let mut sqe: io_uring_sqe =
                unsafe { memory.as_ptr().cast::<io_uring_sqe>().read_unaligned() };
            let known =
                dispatch::call(name, &mut sqe, |argument| number(&vector["args"][argument]));
            assert!(known, "no function {name}");
            // SAFETY: as above.
            unsafe {
                memory
                    .as_mut_ptr()
                    .cast::<io_uring_sqe>()
                    .write_unaligned(sqe)
            };
            assert_eq!(
                memory.to_vec(),
                bytes(&vector[key]),
                "{name} {}",
                vector["args"]
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 2 * 649);
}

#[test]
fn constants() {
    let table = facts("constants");
    let mut wanted: BTreeMap<String, u64> = list(&table, "constants")
        .iter()
        .map(|constant| {
            let name = constant["name"].as_str().expect("a name").to_owned();
            let width = constant["width"].as_u64().expect("a width");
            let value = number(&constant["hex"]) & (u64::MAX >> (64 - width));
            (name, value)
        })
        .collect();
    // Named otherwise in Rust, or of no use there.
    for (name, value) in [
        ("UAPI_LINUX_IO_URING_H_SKIP_LINUX_TIME_TYPES_H", 1),
        (
            "BLOCK_URING_CMD_DISCARD",
            u64::from(anyring::abi::BLOCK_URING_CMD_DISCARD),
        ),
        (
            "BLOCK_URING_CMD_ZONE_RESET_ALL",
            u64::from(anyring::abi::BLOCK_URING_CMD_ZONE_RESET_ALL),
        ),
        (
            "__NR_io_uring_setup",
            anyring::abi::NR_IO_URING_SETUP as u64,
        ),
        (
            "__NR_io_uring_enter",
            anyring::abi::NR_IO_URING_ENTER as u64,
        ),
        (
            "__NR_io_uring_register",
            anyring::abi::NR_IO_URING_REGISTER as u64,
        ),
        (
            "LIBURING_UDATA_TIMEOUT",
            anyring::abi::LIBURING_UDATA_TIMEOUT,
        ),
    ] {
        assert_eq!(wanted.remove(name), Some(value), "{name}");
    }
    for group in GROUPS {
        for constant in group.constants {
            let value = wanted.remove(constant.name);
            let width = value.map_or(
                64,
                |value| if value > u64::from(u32::MAX) { 64 } else { 32 },
            );
            let ours = constant.value & (u64::MAX >> (64 - width));
            assert_eq!(value, Some(ours), "{}", constant.name);
        }
    }
    assert!(wanted.is_empty(), "missing: {wanted:?}");
}
