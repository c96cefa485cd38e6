//! The log of what was decided: a line a decision, appended by one write(2).
//!
//! The file is opened for each line: programs close descriptors that they do not know,
//! and use the numbers again. Numbers are written by hand, since `core::fmt` would be a
//! sixth of the library.

use super::rules::{Kind, Settings};
use super::{Target, now};
use crate::os::sys;

/// Longer than any line.
const LINE: usize = 256;

struct Line {
    text: [u8; LINE],
    length: usize,
}

impl Line {
    fn new() -> Line {
        Line {
            text: [0; LINE],
            length: 0,
        }
    }

    fn text(mut self, text: &[u8]) -> Self {
        for byte in text {
            if let Some(place) = self.text.get_mut(self.length) {
                *place = *byte;
                self.length += 1;
            }
        }
        self
    }

    fn number(self, mut number: u64, base: u64, width: usize) -> Self {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        while number != 0 || first > digits.len() - width {
            first -= 1;
            digits[first] = b"0123456789abcdef"[(number % base) as usize];
            number /= base;
        }
        self.text(&digits[first..])
    }

    fn decimal(self, number: u64) -> Self {
        self.number(number, 10, 1)
    }

    fn append(self, settings: &Settings) {
        if let Some(path) = settings.log {
            let line = self.text(b"\n");
            sys::append(path, &line.text[..line.length]);
        }
    }
}

/// `ring PROCESS NUMBER`
pub(super) fn ring(settings: &Settings, ring: u32) {
    Line::new()
        .text(b"ring ")
        .number(settings.process.into(), 16, 8)
        .text(b" ")
        .decimal(ring.into())
        .append(settings);
}

/// `PROCESS RING KIND NUMBER VALUE opcode=… fd=… user_data=0x… at=…`, of which the first
/// five words repeat the decision; the time is in microseconds since the process's first
/// ring.
pub(super) fn decision(
    settings: &Settings,
    ring: u32,
    kind: Kind,
    number: u64,
    value: u64,
    target: &Target,
) {
    let line = Line::new()
        .number(settings.process.into(), 16, 8)
        .text(b" ")
        .decimal(ring.into())
        .text(b" ")
        .text(kind.name().as_bytes())
        .text(b" ")
        .decimal(number)
        .text(b" ")
        .decimal(value);
    let line = if target.opcode == u8::MAX {
        line
    } else {
        let sign: &[u8] = if target.fd < 0 { b"-" } else { b"" };
        line.text(b" opcode=")
            .decimal(target.opcode.into())
            .text(b" fd=")
            .text(sign)
            .decimal(target.fd.unsigned_abs().into())
            .text(b" user_data=0x")
            .number(target.user_data, 16, 1)
    };
    line.text(b" at=")
        .decimal(now().saturating_sub(settings.start) / 1000)
        .append(settings);
}
