"""`python -m liburing`: what io_uring can do here, or what forbids it."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from . import FEATURES, Ring, __version__, engine_of

SYSCTL = "kernel.io_uring_disabled"


def read(path: str) -> str | None:
    """The text of a file of the kernel, None when there is none."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def filtered() -> bool:
    """Whether a seccomp filter watches this process."""
    status = read("/proc/self/status") or ""
    return any(line.split() == ["Seccomp:", "2"] for line in status.splitlines())


def obstacles(error: OSError) -> list[str]:
    """What the failure of io_uring_setup comes from, and what helps."""
    sysctl = read("/proc/sys/kernel/io_uring_disabled")
    group = read("/proc/sys/kernel/io_uring_group")
    found = []
    if sysctl == "2":
        found.append(
            f"The sysctl {SYSCTL} is 2: nobody may use io_uring.\n"
            f"To allow it: sysctl -w {SYSCTL}=0 (as root; in /etc/sysctl.d to keep it)."
        )
    elif sysctl == "1" and error.errno == errno.EPERM:
        found.append(
            f"The sysctl {SYSCTL} is 1: only processes with CAP_SYS_ADMIN or of the group\n"
            f"kernel.io_uring_group (now {group}) may use io_uring.\n"
            f"To allow it: join that group, or sysctl -w {SYSCTL}=0 (as root)."
        )
    if filtered() and not found:
        found.append(
            "A seccomp filter watches this process and probably forbids io_uring_setup(2), as\n"
            "those of container runtimes do by default.\n"
            "To allow it: a profile with io_uring_setup, io_uring_enter and io_uring_register\n"
            "(docker run --security-opt seccomp=profile.json; Kubernetes: a Localhost profile;\n"
            "systemd: SystemCallFilter=@io-event and those names)."
        )
    elif error.errno == errno.ENOSYS:
        found.append(
            "The kernel has no io_uring: it is older than Linux 5.1 or was built without\n"
            "CONFIG_IO_URING, or this is an emulation (gVisor) that has none."
        )
    elif error.errno in (errno.EACCES, errno.EPERM) and not found:
        found.append(
            "A security module (SELinux, AppArmor) probably forbids it: its log\n"
            "(journalctl, ausearch -m avc) names the rule."
        )
    elif error.errno == errno.ENOMEM:
        found.append(
            "The process may lock too little memory (rings count before 5.12 and from 6.14 on).\n"
            "To allow it: raise ulimit -l."
        )
    elif error.errno in (errno.EMFILE, errno.ENFILE):
        found.append("Too many files are open. To allow it: raise ulimit -n.")
    return found


def advice(error: OSError) -> str:
    """How to have rings all the same."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "Rings in user space need descriptors as well: another engine does not help."
    chosen = os.environ.get("ANYRING_ENGINE")
    why = f" (the environment has ANYRING_ENGINE={chosen})" if chosen else ""
    return (
        f"Only the kernel was asked{why}. Without io_uring rings are served in user space\n"
        "by ordinary system calls: set ANYRING_ENGINE=auto, which asks the kernel first, or\n"
        'call liburing.choose_engine("auto") before the first ring is made.'
    )


def main() -> int:
    """Prints the report; 1 when there are no rings to be had."""
    system = os.uname()
    print(f"liburing (anyring {__version__}), Linux {system.release}, {system.machine}")
    try:
        ring = Ring(2)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "?")
        print(f"\nio_uring cannot be used here: {name} ({error.strerror})")
        for obstacle in obstacles(error):
            print(f"\n{obstacle}")
        print(f"\n{advice(error)}")
        return 1
    with ring:
        engine, number = engine_of(ring.fileno())
        if number:
            refusal = OSError(number, os.strerror(number))
            name = errno.errorcode.get(number, "?")
            print(f"\nThe kernel's io_uring cannot be used here: {name} ({refusal.strerror})")
            for obstacle in obstacles(refusal):
                print(f"\n{obstacle}")
            print("\nRings are served in user space all the same, with ordinary system calls.")
        else:
            print(f"\nRings are served by: {engine}")
        print("\nfeatures")
        for name, value in FEATURES.items():
            print(f"  {name:<24} {'yes' if ring.features & value else 'no'}")
        supported = ring.probe()
    print(f"\noperations: {sum(supported.values())} of {len(supported)}")
    for name, has in supported.items():
        print(f"  {name:<28} {'yes' if has else 'no'}")
    return 0


def command() -> int:
    """main(), for a reader that may leave early."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


if __name__ == "__main__":
    sys.exit(command())
