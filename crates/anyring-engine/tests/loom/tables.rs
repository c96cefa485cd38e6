//! Values found without a lock.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::cells::Cells;

/// What a cell holds; it says when it is gone.
struct Thing {
    name: u32,
    gone: Arc<AtomicBool>,
}

impl Drop for Thing {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
    }
}

fn thing(name: u32) -> (Arc<Thing>, Arc<AtomicBool>) {
    let gone = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&gone);
    (Arc::new(Thing { name, gone }), flag)
}

/// One thread looks while another takes the value away and puts one of another
/// number into its cell.
pub(crate) fn found_or_gone() {
    let cells = Arc::new(Cells::new());
    let writers = Arc::new(Mutex::new(()));
    let (first, gone) = thing(1);
    let (second, _) = thing(2);
    cells.publish(1, Arc::clone(&first)).unwrap();
    let (theirs, lock) = (Arc::clone(&cells), Arc::clone(&writers));
    let writer = thread::spawn(move || {
        let _lock = lock.lock().unwrap();
        theirs.withdraw(1);
        drop(first);
        theirs.publish(2, second).unwrap();
    });
    if let Some(found) = cells.find(1) {
        assert_eq!(found.name, 1);
        assert!(!gone.load(Ordering::SeqCst));
    }
    cells.each(|found| {
        assert!(found.name == 2 || !gone.load(Ordering::SeqCst));
    });
    writer.join().unwrap();
    assert!(cells.find(1).is_none());
    let mut seen = Vec::new();
    cells.each(|found| seen.push(found.name));
    assert_eq!(seen, [2]);
    assert_eq!(cells.find(2).unwrap().name, 2);
    assert!(gone.load(Ordering::SeqCst));
    cells.withdraw(2);
}
