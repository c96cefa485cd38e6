//! Where things are in the memory of a ring.

use anyring_abi as abi;

use crate::fdinfo::FdInfo;

/// No ring of the kernel has more entries (`IORING_MAX_CQ_ENTRIES`).
pub const MAX_ENTRIES: u32 = 65536;

/// Offsets and sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Entries of the submission queue; a power of two.
    pub sq_entries: u32,
    /// Entries of the completion queue; a power of two.
    pub cq_entries: u32,
    /// `IORING_SETUP_*`, those that are known.
    pub flags: u32,
    /// Offsets of the submission queue's head and tail, dropped, flags.
    pub sq: [u32; 4],
    /// Offsets of the completion queue's head and tail, overflow.
    pub cq: [u32; 3],
    /// Offset of the completions.
    pub cqes: u32,
    /// Offset of the index array, if there is one.
    pub array: Option<u32>,
    /// Whether the flags are what setup was given, or inferred.
    pub exact: bool,
    /// Those of `IORING_SETUP_SQE128` and `IORING_SETUP_CQE32` that are not decided yet;
    /// what is in the ring will show it.
    pub undecided: u32,
}

impl Layout {
    /// Of the block that io_uring_setup(2) filled.
    ///
    /// # Errors
    /// In words, what of it cannot be.
    pub fn of_params(p: &abi::io_uring_params) -> Result<Layout, String> {
        let layout = Layout {
            sq_entries: p.sq_entries,
            cq_entries: p.cq_entries,
            flags: p.flags,
            sq: [
                p.sq_off.head,
                p.sq_off.tail,
                p.sq_off.dropped,
                p.sq_off.flags,
            ],
            cq: [p.cq_off.head, p.cq_off.tail, p.cq_off.overflow],
            cqes: p.cq_off.cqes,
            array: (p.flags & abi::IORING_SETUP_NO_SQARRAY == 0).then_some(p.sq_off.array),
            exact: true,
            undecided: 0,
        };
        layout.check()
    }

    /// Of the first words of a ring that is already there, with its `fdinfo`, and
    /// what it was inferred from.
    ///
    /// # Errors
    /// In words, what does not fit together.
    pub fn inferred(header: &[u32; 16], info: &FdInfo) -> Result<(Layout, Vec<String>), String> {
        // struct io_rings: heads and tails, masks, entries, dropped, flags, overflow.
        let [.., sq_mask, cq_mask, sq_entries, cq_entries, _, _, _, _] = {
            let mut words = [0; 12];
            words.copy_from_slice(&header[..12]);
            words
        };
        let fits = |mask: u32, entries: u32, said: Option<u32>| {
            entries.checked_sub(1) == Some(mask) && said.is_none_or(|said| said == mask)
        };
        if !fits(sq_mask, sq_entries, info.sq_mask) || !fits(cq_mask, cq_entries, info.cq_mask) {
            return Err(format!(
                "the ring's memory is not laid out as this program knows it (entries {sq_entries} and {cq_entries}, masks {sq_mask:#x} and {cq_mask:#x}, fdinfo {:?} and {:?})",
                info.sq_mask, info.cq_mask
            ));
        }
        let mut flags = 0;
        let mut notes = Vec::new();
        let big = |all: &mut dyn Iterator<Item = bool>| all.next();
        match big(&mut info.pending.iter().copied()) {
            Some(true) => flags |= abi::IORING_SETUP_SQE128,
            Some(false) => {}
            None => {
                notes.push("64-byte SQEs assumed until the entries show their size".to_string())
            }
        }
        match big(&mut info.unread.iter().map(|cqe| cqe.big)) {
            Some(true) => flags |= abi::IORING_SETUP_CQE32,
            Some(false) => {}
            None => {
                notes.push("16-byte CQEs assumed until the completions show their size".to_string())
            }
        }
        if info.sq_thread.is_some_and(|thread| thread > 0) {
            flags |= abi::IORING_SETUP_SQPOLL;
        }
        let layout = Layout {
            sq_entries,
            cq_entries,
            flags,
            sq: [0, 4, 32, 36],
            cq: [8, 12, 44],
            cqes: 64,
            array: None,
            exact: false,
            undecided: 0,
        };
        Ok((layout.check()?, notes))
    }

    /// The same with 128-byte SQEs or 32-byte CQEs.
    #[must_use]
    pub fn with(mut self, flags: u32) -> Layout {
        self.flags |= flags;
        self
    }

    fn check(self) -> Result<Layout, String> {
        for entries in [self.sq_entries, self.cq_entries] {
            if !entries.is_power_of_two() || entries > MAX_ENTRIES {
                return Err(format!(
                    "a ring of {entries} entries is none that the kernel makes"
                ));
            }
        }
        if self.flags & abi::IORING_SETUP_SQ_REWIND != 0 {
            return Err(
                "IORING_SETUP_SQ_REWIND: the submission queue has no head and tail to follow"
                    .into(),
            );
        }
        let offsets = self
            .sq
            .iter()
            .chain(&self.cq)
            .chain([&self.cqes])
            .chain(&self.array);
        let limit = MAX_ENTRIES * 64;
        if offsets.into_iter().any(|at| *at > limit || at % 4 != 0) {
            return Err("offsets of the ring's parts are beyond what the kernel makes".into());
        }
        Ok(self)
    }

    /// Bytes of an SQE.
    #[must_use]
    pub fn sqe_size(&self) -> usize {
        if self.flags & abi::IORING_SETUP_SQE128 != 0 {
            128
        } else {
            64
        }
    }

    /// Bytes of a CQE (16 with `IORING_SETUP_CQE_MIXED`, where some take two places).
    #[must_use]
    pub fn cqe_size(&self) -> usize {
        if self.flags & abi::IORING_SETUP_CQE32 != 0 {
            32
        } else {
            16
        }
    }

    /// Where the index array of a ring begins that has one.
    #[must_use]
    pub fn array_place(&self) -> usize {
        // With 32-byte completions the kernel doubles what comes before, too.
        let times = self.cqe_size() / 16;
        ((self.cqes as usize + self.cq_entries as usize * 16) * times).next_multiple_of(64)
    }

    /// Bytes of the queues.
    #[must_use]
    pub fn ring_bytes(&self) -> usize {
        self.array_place() + self.sq_entries as usize * 4
    }

    /// Bytes of the entries.
    #[must_use]
    pub fn sqe_bytes(&self) -> usize {
        self.sq_entries as usize * self.sqe_size()
    }
}
