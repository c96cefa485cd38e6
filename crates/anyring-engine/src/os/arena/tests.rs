//! Blocks overlap no others, are aligned, keep their content; by one thread and by many.

extern crate std;

use std::collections::BTreeMap;
use std::vec::Vec;
use std::{panic, thread};

use super::*;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

/// A block of a test, filled with a byte of its own.
struct Block {
    at: *mut u8,
    layout: Layout,
    byte: u8,
}

impl Block {
    fn new(layout: Layout, byte: u8) -> Block {
        // SAFETY: no layout here is empty.
        let at = unsafe { Arena.alloc(layout) };
        assert!(!at.is_null(), "memory");
        assert_eq!(at as usize % layout.align(), 0, "{layout:?}");
        // SAFETY: the block is as large as its layout.
        unsafe { at.write_bytes(byte, layout.size()) };
        Block { at, layout, byte }
    }

    fn check(&self) {
        // SAFETY: the block is this test's and was filled.
        let bytes = unsafe { core::slice::from_raw_parts(self.at, self.layout.size()) };
        assert!(
            bytes.iter().all(|byte| *byte == self.byte),
            "another block's content in {:?}",
            self.layout
        );
    }

    fn end(self) {
        self.check();
        // SAFETY: from `alloc` with this layout.
        unsafe { Arena.dealloc(self.at, self.layout) };
    }
}

#[test]
fn classes_hold_what_they_are_for() {
    for size in 1..=LARGEST {
        let (index, block) = class(layout(size, 1)).expect("a class");
        assert!(block >= size && index < CLASSES, "{size}");
        assert!(block < size.max(16) * 2, "{size} takes {block}");
        assert_eq!(block % STEP, 0, "{size}");
        assert_eq!(class(layout(block, 1)), Some((index, block)), "{size}");
    }
    assert_eq!(class(layout(LARGEST + 1, 1)), None);
    assert_eq!(class(layout(100, 64)), Some((6, 128)));
}

#[test]
fn blocks_do_not_overlap() {
    let mut ends: BTreeMap<usize, usize> = BTreeMap::new();
    let mut blocks = Vec::new();
    for round in 0..200_usize {
        for size in [1, 16, 17, 48, 100, 1000, 3000, 4096, 40_000, 65_536, 70_000] {
            let block = Block::new(layout(size, 8), round as u8);
            let start = block.at as usize;
            if let Some((_, end)) = ends.range(..start + size).next_back() {
                assert!(*end <= start, "overlaps");
            }
            ends.insert(start, start + size);
            blocks.push(block);
        }
    }
    for align in [32, 64, 256, 4096] {
        blocks.push(Block::new(layout(24, align), 7));
    }
    blocks.into_iter().for_each(Block::end);
}

#[test]
fn realloc_keeps_the_content() {
    let sizes = [10, 20, 40, 5000, 60_000, 100_000, 400_000, 90_000, 3000, 1];
    let mut size = 8;
    // SAFETY: the layouts are those that the block has at the time.
    unsafe {
        let mut block = Arena.alloc_zeroed(layout(size, 8));
        for (index, next) in sizes.into_iter().enumerate() {
            block.write_bytes(index as u8 + 1, size);
            block = Arena.realloc(block, layout(size, 8), next);
            assert!(!block.is_null());
            let kept = core::slice::from_raw_parts(block, size.min(next));
            assert!(kept.iter().all(|byte| *byte == index as u8 + 1), "{next}");
            size = next;
        }
        Arena.dealloc(block, layout(size, 8));
    }
}

#[test]
fn zeroed_blocks_are_zeroes_after_others_used_them() {
    for size in [16, 48, 1000, 65_536, 100_000] {
        Block::new(layout(size, 8), 0xff).end();
        // SAFETY: a block of that layout.
        unsafe {
            let block = Arena.alloc_zeroed(layout(size, 8));
            assert!(
                core::slice::from_raw_parts(block, size)
                    .iter()
                    .all(|byte| *byte == 0)
            );
            Arena.dealloc(block, layout(size, 8));
        }
    }
}

#[test]
fn threads_never_get_the_same_block() {
    let work = |seed: u64| {
        let mut random = seed;
        let mut next = || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize
        };
        let mut blocks: Vec<Block> = Vec::new();
        for _ in 0..30_000 {
            if blocks.len() < 64 && next() % 2 == 0 {
                let size = [16, 40, 64, 100, 500][next() % 5];
                blocks.push(Block::new(layout(size, 8), next() as u8));
            } else if !blocks.is_empty() {
                blocks.swap_remove(next() % blocks.len()).end();
            }
        }
        blocks.into_iter().for_each(Block::end);
    };
    let threads: Vec<_> = (0..4)
        .map(|seed| thread::spawn(move || work(seed)))
        .collect();
    for thread in threads {
        if let Err(found) = thread.join() {
            panic::resume_unwind(found);
        }
    }
}
