//! This process watches its own ring: only the kernel's memory is between.

use anyring_abi::{
    IORING_SETUP_CQE32, IORING_SETUP_NO_SQARRAY, IORING_SETUP_R_DISABLED, IORING_SETUP_SQE128,
};
use anyring_observe::attach::{Watched, map};
use anyring_observe::{Happening, sys};
use std::os::fd::AsRawFd;

#[test]
fn geometries() {
    let me = std::process::id() as i32;
    let mut tried = 0;
    for (entries, flags) in [
        (4, 0),
        (64, IORING_SETUP_SQE128),
        (256, IORING_SETUP_CQE32),
        (
            128,
            IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | IORING_SETUP_NO_SQARRAY,
        ),
        (512, IORING_SETUP_NO_SQARRAY),
        (16, IORING_SETUP_R_DISABLED),
    ] {
        let mut params = sys::params();
        params.flags = flags;
        let ring = match sys::setup(entries, &mut params) {
            Ok(ring) => ring,
            Err(error) => {
                eprintln!("skipped: io_uring_setup({entries}, {flags:#x}): {error}");
                continue;
            }
        };
        let pidfd = sys::pidfd_open(me).unwrap();
        let (_, layout, notes) = match map(me, &pidfd, ring.as_raw_fd()) {
            Ok(found) => found,
            Err(error) => {
                eprintln!("skipped: {error}");
                return;
            }
        };
        assert_eq!(
            (layout.sq_entries, layout.cq_entries),
            (entries, params.cq_entries)
        );
        let sizes = IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
        assert_eq!(
            layout.flags & sizes,
            flags & sizes,
            "{entries} {flags:#x} {notes:?}"
        );
        // Small rings say what was assumed.
        assert!(entries > 16 || !notes.is_empty());
        tried += 1;
    }
    let _ = tried;
    let mut watched = match Watched::new(me) {
        Ok(watched) => watched,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let Ok(ring) = sys::setup(8, &mut sys::params()) else {
        return;
    };
    let mut out = Vec::new();
    assert!(watched.refresh(&mut out));
    assert!(
        out.iter()
            .any(|event| event.fd == ring.as_raw_fd()
                && matches!(event.what, Happening::Ring { .. }))
    );
    let fd = ring.as_raw_fd();
    drop(ring);
    out.clear();
    watched.refresh(&mut out);
    assert!(
        out.iter()
            .any(|event| event.fd == fd && matches!(event.what, Happening::RingGone))
    );
}
