//! The queue of what arrived, against what went in. It knows no Python, so its source is
//! compiled here without an interpreter.

#[path = "../src/object"]
mod source {
    pub(crate) mod blocks;
}

use source::blocks::Blocks;

/// More than a block has.
const MANY: usize = 1000;

#[test]
fn items_come_out_as_they_went_in() {
    let mut blocks = Blocks::new();
    let (mut next, mut expected) = (0u32, 0u32);
    for round in 0..6000u32 {
        for _ in 0..round % 7 {
            blocks.push_back(next);
            next += 1;
        }
        for _ in 0..round % 5 {
            let front = blocks.front().copied();
            let taken = blocks.pop_front();
            assert_eq!(taken, front);
            if let Some(item) = taken {
                assert_eq!(item, expected);
                expected += 1;
                if item % 11 == 0 {
                    blocks.push_front(item);
                    expected -= 1;
                    assert_eq!(blocks.pop_front(), Some(item));
                    expected += 1;
                }
            }
        }
        assert_eq!(blocks.len() as u32, next - expected);
        assert_eq!(blocks.is_empty(), next == expected);
    }
    assert!(blocks.len() > MANY);
    assert!(blocks.into_iter().eq(expected..next));
}
