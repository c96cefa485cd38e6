//! Rings of a C library.
#![allow(
    unsafe_code,
    reason = "opens a ring on the engine's memory, which outlives it"
)]

use std::ffi::{c_int, c_uint};

use super::{Done, Queue, Setup};
use crate::counted::note;
use crate::peer::{Library, Ring, Use};

/// A ring that reads.
pub(super) struct InC {
    ring: Ring,
    slots: Vec<c_uint>,
    results: Vec<c_int>,
}

impl InC {
    pub(super) fn new(library: Library, setup: &Setup, fixed: bool) -> Result<Self, String> {
        let what = Use {
            entries: setup.depth as u32,
            fd: setup.fd,
            memory: setup.memory,
            block: setup.block,
            fixed,
        };
        // SAFETY: `Engine` drops the queue before the memory and the file.
        let ring = unsafe { Ring::new(library, &what) }?;
        Ok(InC {
            ring,
            slots: vec![0; setup.depth],
            results: vec![0; setup.depth],
        })
    }
}

impl Queue for InC {
    fn push(&mut self, slot: usize, offset: u64) {
        self.ring.push(slot, offset);
    }

    fn exchange(&mut self, done: &mut Vec<Done>) -> Result<(), String> {
        // The source makes one call for each exchange.
        note(1);
        let found = self.ring.exchange(&mut self.slots, &mut self.results)?;
        let found = self.slots[..found].iter().zip(&self.results);
        done.extend(found.map(|(&slot, &result)| Done {
            slot: slot as usize,
            result,
        }));
        Ok(())
    }
}
