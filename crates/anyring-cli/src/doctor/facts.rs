//! What this place says of itself.

use std::fs;
use std::path::Path;

/// Settings that decide whether io_uring can be used.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Of the kernel (`6.18.1`).
    pub(super) release: String,
    /// kernel.io_uring_disabled; not there before Linux 6.6.
    pub(super) disabled: Option<i64>,
    /// kernel.io_uring_group.
    pub(super) group: Option<i64>,
    /// Groups of this process.
    pub(super) groups: Vec<i64>,
    /// CAP_SYS_ADMIN is effective.
    pub(super) admin: bool,
    /// 2: system calls are filtered.
    pub(super) seccomp: Option<i64>,
    /// What made the container, if there are marks of one.
    pub(super) container: Option<&'static str>,
    /// Active security modules.
    pub(super) lsm: String,
    /// gVisor answers the system calls.
    pub(super) gvisor: bool,
}

impl Facts {
    /// Reads them below a root directory.
    pub(super) fn read(root: &Path) -> Facts {
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let number = |path: &str| text(path).trim().parse().ok();
        let status = text("proc/self/status");
        let line = |name: &str| {
            let found = status.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_default().trim().to_string()
        };
        let capabilities = u64::from_str_radix(&line("CapEff:"), 16).unwrap_or(0);
        let version = text("proc/version");
        let cgroup = text("proc/1/cgroup");
        let there = |path: &str| root.join(path).exists();
        let container = if there(".dockerenv") {
            Some("Docker")
        } else if there("run/.containerenv") {
            Some("Podman")
        } else if there("var/run/secrets/kubernetes.io") || cgroup.contains("kubepods") {
            Some("Kubernetes")
        } else if cgroup.contains("/lxc/") || there("dev/lxd") {
            Some("LXC")
        } else {
            None
        };
        Facts {
            release: text("proc/sys/kernel/osrelease").trim().to_string(),
            disabled: number("proc/sys/kernel/io_uring_disabled"),
            group: number("proc/sys/kernel/io_uring_group"),
            groups: [line("Groups:"), line("Gid:")]
                .join(" ")
                .split_whitespace()
                .filter_map(|group| group.parse().ok())
                .collect(),
            admin: capabilities & 1 << 21 != 0,
            seccomp: line("Seccomp:").parse().ok(),
            container,
            lsm: text("sys/kernel/security/lsm").trim().to_string(),
            gvisor: version.contains("gVisor")
                || there("proc/sys/kernel/gvisor")
                || text("proc/sys/kernel/osrelease").trim() == "4.4.0" && version.is_empty(),
        }
    }

    /// Major and minor version of the kernel.
    pub(super) fn version(&self) -> Option<(u32, u32)> {
        let mut numbers = self
            .release
            .split(|c: char| !c.is_ascii_digit())
            .map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    }
}
