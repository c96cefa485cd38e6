//! Where requests are stored, and their numbers.

use alloc::vec::Vec;
use core::ffi::c_int;

use anyring_abi::io_uring_sqe;

use crate::os::credentials;
use crate::os::user_memory::room;
use crate::request::{Id, Request};
use crate::ring::state::{Slot, State};

impl State {
    /// Stores a request; where there is no memory it comes back.
    #[allow(
        clippy::result_large_err,
        reason = "a box could not be had either when there is no memory"
    )]
    pub(crate) fn store(&mut self, mut request: Request) -> Result<Id, Request> {
        if !request.started && request.def.path {
            // Another thread may start it.
            request.credentials = credentials::here();
        }
        if let Some(slot) = self.free.pop() {
            let entry = &mut self.slots[slot as usize];
            entry.request = Some(request);
            return Ok(Id {
                slot,
                generation: entry.generation,
            });
        }
        // Room in the free list comes first: freeing must not fail.
        let wanted = self.slots.len() + 1;
        if self.free.try_reserve(wanted).is_err() || self.slots.try_reserve(1).is_err() {
            return Err(request);
        }
        self.slots.push(Slot {
            generation: 1,
            request: Some(request),
        });
        Ok(Id {
            slot: (wanted - 1) as u32,
            generation: 1,
        })
    }

    /// Takes a stored request out; its slot stays reserved.
    pub(crate) fn take(&mut self, id: Id) -> Option<Request> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        slot.request.take()
    }

    /// Puts it back.
    pub(crate) fn put(&mut self, id: Id, request: Request) {
        self.slots[id.slot as usize].request = Some(request);
    }

    /// Frees a slot whose request was taken.
    pub(crate) fn release(&mut self, id: Id) {
        let slot = &mut self.slots[id.slot as usize];
        slot.generation = slot.generation.wrapping_add(1).max(1) & 0x7fff_ffff;
        slot.request = None;
        self.free.push(id.slot);
    }

    /// A stored request.
    pub(crate) fn get(&self, id: Id) -> Option<&Request> {
        self.slots
            .get(id.slot as usize)
            .filter(|slot| slot.generation == id.generation)
            .and_then(|slot| slot.request.as_ref())
    }

    /// A stored request, to change.
    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Request> {
        self.slots
            .get_mut(id.slot as usize)
            .filter(|slot| slot.generation == id.generation)
            .and_then(|slot| slot.request.as_mut())
    }

    /// The number of what a slot holds now.
    pub(crate) fn id_of(&self, slot: u32) -> Id {
        Id {
            slot,
            generation: self.slots[slot as usize].generation,
        }
    }

    /// Every stored request with its number, in order of submission.
    pub(crate) fn find_all(&self, matches: impl Fn(&Request) -> bool) -> Result<Vec<Id>, c_int> {
        let mut found = Vec::new();
        for (at, slot) in self.slots.iter().enumerate() {
            if let Some(request) = &slot.request {
                if matches(request) {
                    found.try_reserve(1).map_err(|_| -libc::ENOMEM)?;
                    found.push((
                        request.order,
                        Id {
                            slot: at as u32,
                            generation: slot.generation,
                        },
                    ));
                }
            }
        }
        found.sort_unstable_by_key(|(order, _)| *order);
        let mut ids = room(found.len())?;
        ids.extend(found.into_iter().map(|(_, id)| id));
        Ok(ids)
    }

    /// A request for an SQE.
    pub(crate) fn request(&mut self, sqe: io_uring_sqe) -> Request {
        self.order += 1;
        Request::new(sqe, self.order)
    }
}
