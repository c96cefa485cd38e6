//! Who serves a contender's rings: Linux, or this project's userspace engine.

use anyring::Kernel;
use anyring_engine::{Choice, KernelOrEngine, Served, choose, served};

use crate::counted::Counted;

/// How contenders on the userspace engine begin; no others do.
pub const ENGINE: &str = "userspace engine";

/// A kernel that contenders make rings on.
pub(crate) trait Seam: Kernel + 'static {
    /// Whether its system calls are counted.
    const COUNTS: bool;

    /// For one ring.
    fn get() -> Self;

    /// That a ring is served by whom the contender is named after.
    fn check(fd: i32) -> Result<(), String>;
}

impl Seam for Counted {
    const COUNTS: bool = true;

    fn get() -> Self {
        Counted
    }

    fn check(fd: i32) -> Result<(), String> {
        match served(fd) {
            Served::Kernel => Ok(()),
            _ => Err("not a ring of the kernel".into()),
        }
    }
}

/// The engine. It calls the kernel as often as it has to, and does not count.
impl Seam for KernelOrEngine {
    const COUNTS: bool = false;

    fn get() -> Self {
        // Whatever the environment says. Nobody else here asks for the choice:
        // the other contenders' rings are Linux' own.
        choose(Some(Choice::Userspace));
        KernelOrEngine::new()
    }

    fn check(fd: i32) -> Result<(), String> {
        match served(fd) {
            Served::Userspace(_) => Ok(()),
            _ => Err("not a ring of the userspace engine".into()),
        }
    }
}
