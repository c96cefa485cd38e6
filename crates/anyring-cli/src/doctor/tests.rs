//! Each explanation, by the situation that it explains.

use std::fs;
use std::path::Path;

use anyring_observe::fdinfo::{FdInfo, Unread};

use super::facts::Facts;
use super::machine::{self, EACCES, EMFILE, ENFILE, ENOMEM, ENOSYS, EPERM};
use super::rings::ring_of;
use super::{Finding, Level};

/// A root directory with these files.
fn facts(files: &[(&str, &str)]) -> Facts {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, text).unwrap();
    }
    Facts::read(root.path())
}

const RELEASE: (&str, &str) = ("proc/sys/kernel/osrelease", "6.18.1\n");
const FILTERED: (&str, &str) = (
    "proc/self/status",
    "Groups:\t7 8\nCapEff:\t0\nSeccomp:\t2\n",
);
const PLAIN: (&str, &str) = (
    "proc/self/status",
    "Groups:\t7 8\nGid:\t9\t9\t9\t9\nCapEff:\t0\nSeccomp:\t0\n",
);
const ADMIN: (&str, &str) = (
    "proc/self/status",
    "CapEff:\t0000000000200000\nSeccomp:\t0\n",
);
const DISABLED: &str = "proc/sys/kernel/io_uring_disabled";
const GROUP: &str = "proc/sys/kernel/io_uring_group";

fn id(found: Option<Finding>) -> &'static str {
    found.map_or("", |found| found.id)
}

#[test]
fn system_calls() {
    let call =
        |errno, files: &[(&str, &str)]| machine::call("io_uring_setup", errno, &facts(files));
    let other = |errno| machine::call("io_uring_enter", errno, &facts(&[RELEASE, PLAIN]));
    assert_eq!(id(call(ENOSYS, &[RELEASE, PLAIN])), "UR-KERNEL-WITHOUT");
    assert_eq!(
        id(call(
            ENOSYS,
            &[("proc/sys/kernel/osrelease", "4.19.0"), PLAIN]
        )),
        "UR-KERNEL-OLD"
    );
    assert_eq!(
        id(call(
            ENOSYS,
            &[("proc/version", "Linux version 4.4.0 gVisor"), PLAIN]
        )),
        "UR-GVISOR"
    );
    assert_eq!(
        id(call(EPERM, &[RELEASE, PLAIN, (DISABLED, "2\n")])),
        "UR-DISABLED"
    );
    assert_eq!(id(call(EPERM, &[RELEASE, PLAIN])), "UR-LSM");
    assert_eq!(id(other(EACCES)), "UR-LSM");
    assert_eq!(id(call(14, &[RELEASE, PLAIN])), "");
    for errno in [EPERM, EACCES, ENOSYS, ENOMEM, EMFILE] {
        let found = call(errno, &[RELEASE, FILTERED]).unwrap();
        assert!(
            found.id == "UR-SECCOMP" && found.what.contains("filter of this process"),
            "{found:?}"
        );
        for (mark, name) in [
            (".dockerenv", "Docker"),
            ("run/.containerenv", "Podman"),
            ("var/run/secrets/kubernetes.io", "Kubernetes"),
        ] {
            let found = call(errno, &[RELEASE, FILTERED, (mark, "")]).unwrap();
            assert!(found.what.contains(name), "{found:?}");
        }
    }
}

#[test]
fn settings() {
    let setting = |files: &[(&str, &str)]| id(machine::setting(&facts(files)));
    assert_eq!(setting(&[PLAIN]), "");
    assert_eq!(setting(&[PLAIN, (DISABLED, "0")]), "");
    assert_eq!(
        setting(&[PLAIN, (DISABLED, "1"), (GROUP, "-1")]),
        "UR-DISABLED"
    );
    assert_eq!(setting(&[PLAIN, (DISABLED, "1"), (GROUP, "8")]), "");
    assert_eq!(setting(&[PLAIN, (DISABLED, "1"), (GROUP, "9")]), "");
    assert_eq!(
        setting(&[PLAIN, (DISABLED, "1"), (GROUP, "10")]),
        "UR-DISABLED"
    );
    assert_eq!(setting(&[ADMIN, (DISABLED, "1"), (GROUP, "10")]), "");
    assert_eq!(setting(&[ADMIN, (DISABLED, "2")]), "UR-DISABLED");
}

#[test]
fn limits() {
    let plain = facts(&[RELEASE, PLAIN]);
    let setup = |errno| machine::setup(errno, &plain, (65536, 65536), (8, 8));
    assert_eq!(
        (setup(ENOMEM).id, setup(EMFILE).id, setup(ENFILE).id),
        ("UR-MEMLOCK", "UR-NOFILE", "UR-NFILE")
    );
    assert!(setup(ENOMEM).evidence.contains("65536"));
    assert_eq!((setup(22).id, setup(EPERM).id), ("UR-SETUP", "UR-LSM"));
    let ids = |memlock, nofile| {
        machine::limits(&plain, (memlock, memlock), (nofile, nofile))
            .iter()
            .map(|found| found.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(65536, 256),
        ["UR-MEMLOCK-LOW", "UR-NOFILE-LOW", "UR-LIMITS"]
    );
    assert_eq!(ids(u64::MAX, 4096), ["UR-LIMITS"]);
    assert!(machine::operations(&[0, 1]).evidence.contains("writev"));
}

#[test]
fn rings() {
    let plain = FdInfo {
        sq_mask: Some(7),
        cq_mask: Some(15),
        sq_head: Some(4),
        sq_tail: Some(4),
        cq_head: Some(4),
        cq_tail: Some(4),
        ..FdInfo::default()
    };
    let ids = |before: &FdInfo, now: &FdInfo| {
        ring_of(3, before, now)
            .iter()
            .map(|found| found.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&plain, &plain), ["UR-RING"]);
    let full = FdInfo {
        sq_tail: Some(12),
        ..plain.clone()
    };
    assert_eq!(ids(&full, &full), ["UR-RING", "UR-SQE-WAITING"]);
    assert!(ring_of(3, &full, &full)[1].evidence.contains("full"));
    assert_eq!(ids(&plain, &full), ["UR-RING"]);
    let asleep = FdInfo {
        sq_thread: Some(99),
        ..full.clone()
    };
    assert!(ids(&asleep, &asleep).contains(&"UR-SQPOLL-ASLEEP"));
    let kept = FdInfo {
        cq_tail: Some(20),
        unread: vec![Unread::default()],
        overflow: 3,
        ..plain.clone()
    };
    assert_eq!(
        ids(&kept, &kept),
        ["UR-RING", "UR-CQ-OVERFLOW", "UR-CQE-KEPT"]
    );
    assert_eq!(ring_of(3, &kept, &kept)[2].level, Level::Warning);
    let burns = FdInfo {
        sq_thread: Some(99),
        sq_total_time: Some(390_000),
        sq_work_time: Some(10),
        ..plain.clone()
    };
    let began = FdInfo {
        sq_thread: Some(99),
        sq_total_time: Some(0),
        sq_work_time: Some(0),
        ..plain.clone()
    };
    assert!(ids(&began, &burns).contains(&"UR-SQPOLL-BURN"));
    let works = FdInfo {
        sq_work_time: Some(300_000),
        ..burns
    };
    assert!(ids(&began, &works).contains(&"UR-SQPOLL"));
    let waits = FdInfo {
        polls: vec![27],
        ..plain.clone()
    };
    assert!(ids(&waits, &waits).contains(&"UR-WAITS"));
}

#[test]
fn a_run() {
    use anyring_observe::abi::io_uring_sqe;
    use anyring_observe::{Cqe, Event, Happening};
    let mut seen = super::program::Seen::default();
    let mut take = |what| {
        seen.take(&Event {
            at: std::time::Duration::ZERO,
            pid: 1,
            tid: 1,
            ring: 1,
            fd: 3,
            what,
        })
    };
    take(Happening::SetupFailed(8, -22));
    take(Happening::Ring {
        sq_entries: 8,
        cq_entries: 16,
        flags: 0,
        notes: Vec::new(),
    });
    for user_data in 0..64 {
        take(Happening::Submitted(io_uring_sqe {
            opcode: 22,
            user_data,
            ..Default::default()
        }));
        take(Happening::Enter {
            to_submit: 1,
            min_complete: 1,
            flags: 1,
            result: 1,
            took: std::time::Duration::ZERO,
        });
    }
    take(Happening::Completed(Cqe {
        user_data: 0,
        res: -9,
        flags: 0,
        big: None,
    }));
    take(Happening::Overflow(2));
    take(Happening::Dropped(1));
    take(Happening::Enter {
        to_submit: 1,
        min_complete: 1,
        flags: 1,
        result: -16,
        took: std::time::Duration::ZERO,
    });
    take(Happening::RingGone);
    let ids: Vec<_> = seen.findings().iter().map(|found| found.id).collect();
    assert_eq!(
        ids,
        [
            "UR-SETUP",
            "UR-RUN",
            "UR-ENTER",
            "UR-RESULT",
            "UR-CQ-OVERFLOW",
            "UR-SQ-DROPPED",
            "UR-LEFT",
            "UR-BATCH"
        ]
    );
}
