//! This machine: the three system calls, limits, operations.

use anyring_observe::{abi, names, sys};

use super::facts::Facts;
use super::{Finding, Level, finding};

/// Errnos of linux/errno.h.
pub(super) const EPERM: i32 = 1;
pub(super) const ENOMEM: i32 = 12;
pub(super) const EACCES: i32 = 13;
pub(super) const ENFILE: i32 = 23;
const EBADF: i32 = 9;
const EFAULT: i32 = 14;
const EINVAL: i32 = 22;
pub(super) const EMFILE: i32 = 24;
pub(super) const ENOSYS: i32 = 38;

const CALLS: [(&str, i64); 3] = [
    ("io_uring_setup", abi::NR_IO_URING_SETUP),
    ("io_uring_enter", abi::NR_IO_URING_ENTER),
    ("io_uring_register", abi::NR_IO_URING_REGISTER),
];

pub(super) fn look(facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    for (name, nr) in CALLS {
        all.extend(call(name, -sys::harmless_call(nr), facts));
    }
    // A setting that forbids rings is an answer also where the kernel that runs is not
    // the one that the settings are of.
    if all.is_empty() {
        all.extend(setting(facts));
    }
    if !all.is_empty() {
        return all;
    }
    let mut params = sys::params();
    match sys::setup(8, &mut params) {
        Err(error) => all.push(setup(
            error.raw_os_error().unwrap_or(0),
            facts,
            sys::memlock(),
            sys::nofile(),
        )),
        Ok(ring) => {
            let features = names::short(params.features.into(), "IORING_FEAT_");
            all.push(finding(
                "UR-USABLE",
                Level::Ok,
                "a ring can be made",
                format!("Linux {}; features {features}", facts.release),
                "",
            ));
            if let Ok(there) = sys::probe(&ring) {
                all.push(operations(&there));
            }
            all.extend(limits(facts, sys::memlock(), sys::nofile()));
        }
    }
    all
}

/// The operations that the kernel lacks, of those that are known here.
pub(super) fn operations(there: &[u8]) -> Finding {
    let known: Vec<_> = anyring_spec::operations().collect();
    let missing: Vec<String> = known
        .iter()
        .filter(|op| !there.contains(&(op.value as u8)))
        .map(|op| op.name.trim_start_matches("IORING_OP_").to_lowercase())
        .collect();
    let evidence = if missing.is_empty() {
        "none is missing".into()
    } else {
        format!("missing: {}", missing.join(", "))
    };
    finding(
        "UR-OPS",
        Level::Ok,
        format!(
            "{} of {} operations",
            known.len() - missing.len(),
            known.len()
        ),
        evidence,
        "",
    )
}

/// A system call that does not answer as the kernel does.
pub(super) fn call(name: &str, errno: i32, facts: &Facts) -> Option<Finding> {
    let evidence = format!("{name} answers {}", names::errno(errno));
    let filtered = facts.seccomp == Some(2);
    let by = facts.container.map_or(
        "a seccomp filter of this process (systemd's SystemCallFilter=, a sandbox)".to_string(),
        |name| format!("a seccomp filter, most likely the profile of {name}"),
    );
    match errno {
        ENOSYS if facts.gvisor => Some(finding(
            "UR-GVISOR",
            Level::Error,
            "gVisor runs this container and has no io_uring",
            evidence,
            "start runsc with --iouring, or use the userspace engine (ANYRING_ENGINE=auto)",
        )),
        ENOSYS if facts.version().is_some_and(|version| version < (5, 1)) => Some(finding(
            "UR-KERNEL-OLD",
            Level::Error,
            format!("the kernel is too old: {}", facts.release),
            evidence,
            "io_uring begins with Linux 5.1; the userspace engine needs none (ANYRING_ENGINE=auto)",
        )),
        ENOSYS if filtered => Some(finding(
            "UR-SECCOMP",
            Level::Error,
            format!("{by} answers for the kernel"),
            format!("{evidence}; Seccomp: 2 in /proc/self/status"),
            "allow io_uring_setup, io_uring_enter and io_uring_register in the profile, or use the userspace engine (ANYRING_ENGINE=auto)",
        )),
        ENOSYS => Some(finding(
            "UR-KERNEL-WITHOUT",
            Level::Error,
            "the kernel was built without io_uring",
            evidence,
            "CONFIG_IO_URING=y; the userspace engine needs none (ANYRING_ENGINE=auto)",
        )),
        EPERM | EACCES => {
            if let Some(setting) =
                setting(facts).filter(|_| errno == EPERM && name == "io_uring_setup")
            {
                return Some(setting);
            }
            if filtered {
                return Some(finding(
                    "UR-SECCOMP",
                    Level::Error,
                    format!("{by} forbids it"),
                    format!("{evidence}; Seccomp: 2 in /proc/self/status"),
                    "allow io_uring_setup, io_uring_enter and io_uring_register in the profile, or use the userspace engine (ANYRING_ENGINE=auto)",
                ));
            }
            Some(finding(
                "UR-LSM",
                Level::Error,
                "a security module forbids it",
                format!(
                    "{evidence}; no seccomp filter, no sysctl that does; modules: {}",
                    facts.lsm
                ),
                "look for denials in the audit log (SELinux class io_uring, AppArmor io_uring rules)",
            ))
        }
        // The kernel answers EFAULT, EINVAL or EBADF to what these calls were given.
        EBADF | EFAULT | EINVAL => None,
        _ if filtered => Some(finding(
            "UR-SECCOMP",
            Level::Error,
            format!("{by} answers for the kernel"),
            format!("{evidence}; Seccomp: 2 in /proc/self/status"),
            "allow io_uring_setup, io_uring_enter and io_uring_register in the profile",
        )),
        _ => None,
    }
}

/// kernel.io_uring_disabled, where it forbids rings to this process.
pub(super) fn setting(facts: &Facts) -> Option<Finding> {
    match facts.disabled? {
        2 => Some(finding(
            "UR-DISABLED",
            Level::Error,
            "io_uring is switched off for all processes",
            "kernel.io_uring_disabled is 2",
            "sysctl kernel.io_uring_disabled=0",
        )),
        1 if !facts.admin => {
            let group = facts.group.unwrap_or(-1);
            if group >= 0 && facts.groups.contains(&group) {
                return None;
            }
            Some(finding(
                "UR-DISABLED",
                Level::Error,
                "io_uring is allowed only to the group kernel.io_uring_group and to CAP_SYS_ADMIN",
                format!(
                    "kernel.io_uring_disabled is 1, kernel.io_uring_group is {group}, which is none of this process's groups"
                ),
                "sysctl kernel.io_uring_disabled=0, or join the group",
            ))
        }
        _ => None,
    }
}

/// io_uring_setup(2) of a small ring failed.
pub(super) fn setup(errno: i32, facts: &Facts, memlock: (u64, u64), nofile: (u64, u64)) -> Finding {
    let evidence = format!(
        "io_uring_setup of 8 entries answers {}",
        names::errno(errno)
    );
    match errno {
        ENOMEM => finding(
            "UR-MEMLOCK",
            Level::Error,
            "the memory of a ring exceeds what may be locked",
            format!(
                "{evidence}; RLIMIT_MEMLOCK is {} bytes (hard {})",
                memlock.0, memlock.1
            ),
            "ulimit -l, LimitMEMLOCK= of systemd, --ulimit memlock= of the container; all rings of a user count together",
        ),
        EMFILE => finding(
            "UR-NOFILE",
            Level::Error,
            "the process has no descriptor left",
            format!(
                "{evidence}; RLIMIT_NOFILE is {} (hard {})",
                nofile.0, nofile.1
            ),
            "ulimit -n; look for descriptors that are not closed",
        ),
        ENFILE => finding(
            "UR-NFILE",
            Level::Error,
            "the system has no file left",
            evidence,
            "sysctl fs.file-max",
        ),
        _ => call("io_uring_setup", errno, facts).unwrap_or_else(|| {
            finding(
                "UR-SETUP",
                Level::Error,
                "a ring cannot be made",
                evidence,
                "",
            )
        }),
    }
}

/// Limits that rings meet.
pub(super) fn limits(facts: &Facts, memlock: (u64, u64), nofile: (u64, u64)) -> Vec<Finding> {
    let mut all = Vec::new();
    let shown = |limit: u64| {
        if limit == u64::MAX {
            "unlimited".to_string()
        } else {
            limit.to_string()
        }
    };
    // Registered buffers count on every kernel, rings before 5.12 and again from 6.14.
    if memlock.0 < 8 << 20 && !facts.admin {
        all.push(finding(
            "UR-MEMLOCK-LOW",
            Level::Advice,
            "little memory may be locked",
            format!("RLIMIT_MEMLOCK is {} bytes", shown(memlock.0)),
            "registered buffers, and on some kernels rings, count against it: ulimit -l",
        ));
    }
    if nofile.0 < 1024 {
        all.push(finding(
            "UR-NOFILE-LOW",
            Level::Advice,
            "few descriptors may be open",
            format!("RLIMIT_NOFILE is {}", nofile.0),
            "registered files count against it: ulimit -n",
        ));
    }
    all.push(finding(
        "UR-LIMITS",
        Level::Ok,
        "limits",
        format!(
            "RLIMIT_MEMLOCK {}, RLIMIT_NOFILE {}",
            shown(memlock.0),
            shown(nofile.0)
        ),
        "",
    ));
    all
}
