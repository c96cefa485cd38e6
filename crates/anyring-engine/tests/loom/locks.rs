//! The lock.

use std::sync::Arc;
use loom::thread;

use super::lock::Mutex;

/// Three threads, so that one is woken while another still sleeps.
pub(crate) fn three_contend() {
    let value = Arc::new(Mutex::new(0));
    let others = [(); 2].map(|()| {
        let value = Arc::clone(&value);
        thread::spawn(move || *value.lock() += 1)
    });
    *value.lock() += 1;
    for other in others {
        other.join().unwrap();
    }
    assert_eq!(*value.lock(), 3);
}
