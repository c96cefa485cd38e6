//! Provided-buffer rings: the 16-bit tail that lies inside slot 0, and counts.

mod common;

use anyring::abi::*;
use anyring::buffers::{add, advance, init, mask};
use anyring::kernel::scripted::Features;
use common::Served;

/// A buffer ring of eight slots, every byte 0xa5.
#[repr(align(16))]
struct Memory([u8; 8 * 16]);

impl Memory {
    fn new() -> Self {
        Memory([0xa5; 8 * 16])
    }

    fn ring(&mut self) -> *mut io_uring_buf_ring {
        self.0.as_mut_ptr().cast()
    }

    fn tail(&self) -> u16 {
        u16::from_le_bytes([self.0[14], self.0[15]])
    }

    fn set_tail(&mut self, tail: u16) {
        self.0[14..16].copy_from_slice(&tail.to_le_bytes());
    }
}

fn slot(addr: u64, len: u32, bid: u16) -> [u8; 14] {
    let mut bytes = [0; 14];
    bytes[..8].copy_from_slice(&addr.to_le_bytes());
    bytes[8..12].copy_from_slice(&len.to_le_bytes());
    bytes[12..].copy_from_slice(&bid.to_le_bytes());
    bytes
}

#[test]
fn init_writes_the_tail_alone() {
    let mut memory = Memory::new();
    // SAFETY: a ring of eight slots.
    unsafe { init(memory.ring()) };
    let mut wanted = [0xa5; 8 * 16];
    wanted[14..16].fill(0);
    assert_eq!(memory.0, wanted);
}

#[test]
fn add_writes_fourteen_bytes_and_moves_nothing() {
    for tail in [0_u16, 3, 7, 8, 0x7ffe, 0xffff] {
        for offset in [0_i32, 1, 7, 9, -1] {
            let mut memory = Memory::new();
            memory.set_tail(tail);
            let mut wanted = memory.0;
            let at = (i32::from(tail) + offset).rem_euclid(8) as usize * 16;
            wanted[at..at + 14].copy_from_slice(&slot(0x1122_3344_5566, 77, 0xbeef));
            let addr = 0x1122_3344_5566_usize as *mut std::ffi::c_void;
            // SAFETY: a ring of eight slots; the address is only stored.
            unsafe { add(memory.ring(), addr, 77, 0xbeef, mask(8), offset) };
            assert_eq!(memory.0, wanted, "tail {tail} offset {offset}");
        }
    }
}

#[test]
fn the_tail_is_modulo_65536() {
    for (tail, count, wanted) in [
        (0_u16, 1_i32, 1_u16),
        (0xffff, 1, 0),
        (0xfff0, 0x20, 0x10),
        (5, -2, 3),
        (0, -1, 0xffff),
        (9, 0x1_0000, 9),
        (9, i32::MIN, 9),
    ] {
        let mut memory = Memory::new();
        memory.set_tail(tail);
        let mut bytes = memory.0;
        bytes[14..16].copy_from_slice(&wanted.to_le_bytes());
        // SAFETY: a ring of eight slots.
        unsafe { advance(memory.ring(), count) };
        assert_eq!(memory.0, bytes, "{tail} + {count}");
    }
}

#[test]
fn buffers_and_completions_are_given_back_together() {
    let mut served = Served::new(Features::new(), 4, 0);
    for tag in 0..3 {
        served.nop(tag);
    }
    served.ring().submit();
    let mut memory = Memory::new();
    memory.set_tail(0);
    // SAFETY: a ring of eight slots.
    unsafe { served.ring().buf_ring_cq_advance(memory.ring(), 2, 5) };
    assert_eq!((memory.tail(), served.ring().cq_ready()), (5, 1));
    // None of one leaves that one alone.
    // SAFETY: as above.
    unsafe { served.ring().buf_ring_cq_advance(memory.ring(), 0, 1) };
    assert_eq!((memory.tail(), served.ring().cq_ready()), (6, 1));
    // SAFETY: as above.
    unsafe { served.ring().buf_ring_cq_advance(memory.ring(), 1, 0) };
    assert_eq!((memory.tail(), served.ring().cq_ready()), (6, 0));
    served.exit();
}

#[test]
fn available_is_tail_less_head_in_sixteen_bits() {
    let mut served = Served::new(Features::new(), 4, 0);
    let mut memory = Memory::new();
    // The machine says that the head is 0x10005: 5 in sixteen bits.
    for (tail, wanted) in [(5_u16, 0), (9, 4), (4, 0xffff)] {
        memory.set_tail(tail);
        // SAFETY: a ring of eight slots.
        let available = unsafe { served.ring().buf_ring_available(memory.ring(), 1) };
        assert_eq!(available, wanted);
    }
    served.machine.script_register(&[-libc::EINVAL]);
    // SAFETY: as above.
    let available = unsafe { served.ring().buf_ring_available(memory.ring(), 1) };
    assert_eq!(available, -libc::EINVAL);
    served.exit();
}

#[test]
fn masks() {
    assert_eq!((mask(1), mask(8), mask(32768)), (0, 7, 32767));
    assert_eq!(mask(0), -1);
}
