#!/usr/bin/env python3
"""Builds the C libraries for other machines and C libraries, and runs the conformance
programs there: musl on this processor, aarch64 and riscv64 under qemu-user.

What is missing here is skipped with the reason. The results are written to
docs/machines.md with the date and the versions. Weak memory order is not proved by this:
an emulator keeps the order of the processor that it runs on (tests/loom proves it).
"""

import datetime
import os
import pathlib
import platform
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
BUILD = PROJECT / "target/machines"


def output(*words: object) -> str:
    try:
        done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
        return done.stdout if not done.returncode else ""
    except OSError:
        return ""


def cargo(target: str) -> tuple:
    """The cargo that can build for a target, and why there is none."""
    if target in output("rustc", "--print", "target-list").split():
        libraries = pathlib.Path(output("rustc", "--print", "sysroot").strip(), "lib/rustlib", target, "lib")
        if libraries.is_dir():
            return "cargo", ""
    nightly = output("rustup", "run", "nightly", "rustc", "--print", "sysroot").strip()
    if nightly and pathlib.Path(nightly, "lib/rustlib/src/rust/library/core").is_dir():
        # The core library is built from its source.
        return "rustup run nightly cargo -Zbuild-std=core,alloc", ""
    return "", f"no standard library of Rust for {target} (rustup target add {target}), no nightly with rust-src"


def compiler(name: str, text: str) -> str:
    """A compiler command of one word."""
    path = BUILD / f"cc-{name}"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def kernel_headers() -> pathlib.Path:
    """The kernel's headers alone, which musl-gcc does not look for."""
    folder = BUILD / "kernel-headers"
    folder.mkdir(exist_ok=True)
    for part in ("linux", "asm", "asm-generic", "mtd"):
        for root in (f"/usr/include/{platform.machine()}-linux-gnu", "/usr/include"):
            link = folder / part
            if pathlib.Path(root, part).is_dir() and not link.is_symlink():
                link.symlink_to(pathlib.Path(root, part))
    return folder


def conformance(libdir: str, name: str, cc: str, ledger: str, *words: str) -> str:
    """The last line of a run of the conformance programs."""
    done = subprocess.run(
        [sys.executable, "tests/conformance/run.py", "--include", "include", "--libdir", libdir, "--build-dir",
         str(BUILD / name), "--ledger", str(HERE / ledger), *words],
        cwd=PROJECT, env={**os.environ, "CC": cc}, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, flush=True)
    return ("" if done.returncode in (0, 77) else "FAILED: ") + done.stdout.strip().splitlines()[-1]


def build(target: str, *words: str) -> str:
    """Builds for a target; why it cannot be."""
    command, reason = cargo(target)
    if reason:
        return reason
    # The job server of the make that started this is not passed on.
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CARGO_MAKEFLAGS")}
    done = subprocess.run(["make", "-j2", f"RUST_TARGET={target}", f"CARGO={command}", *words], cwd=PROJECT,
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(done.stdout, flush=True)
        said = [line for line in done.stdout.splitlines() if line.startswith("error")]
        return f"FAILED to build: {said[0] if said else done.stdout[-200:]}"
    return ""


def musl(rows: list) -> None:
    target = f"{platform.machine()}-unknown-linux-musl"
    if not shutil.which("musl-gcc"):
        rows.append((target, "", "skip: musl-gcc is not installed (Debian: musl-tools)"))
        return
    reason = build(target, "CC=musl-gcc", "LD=ld", "AR=ar", "OBJCOPY=objcopy")
    if reason:
        rows.append((target, "", reason if reason.startswith("FAILED") else f"skip: {reason}"))
        return
    cc = compiler("musl", f'exec musl-gcc "$@" -idirafter {kernel_headers()} -Wno-error')
    for link in ("static", "shared"):
        for engine in ((), ("--engine", "userspace")):
            rows.append((f"{target}, {link}", engine[1] if engine else "kernel",
                         conformance(f"target/{target}/lib", f"musl-{link}", cc, "musl-ledger.txt", "--link", link,
                                     *engine)))


def emulated(rows: list, machine: str, target: str) -> None:
    gcc, emulator = f"{machine}-linux-gnu-gcc", f"qemu-{machine}"
    for program, package in ((gcc, f"gcc-{machine}-linux-gnu"), (emulator, "qemu-user")):
        if not shutil.which(program):
            rows.append((target, "", f"skip: {program} is not installed (Debian: {package})"))
            return
    reason = build(target)
    if reason:
        rows.append((target, "", reason if reason.startswith("FAILED") else f"skip: {reason}"))
        return
    cc = compiler(machine, f'exec {gcc} -static "$@" -Wno-error')
    rows.append((f"{target}, static, {output(emulator, '--version').splitlines()[0]}", "auto",
                 conformance(f"target/{target}/lib", machine, cc, "qemu-user-ledger.txt", "--link", "static",
                             "--engine", "auto", "--run-with", emulator)))


def main() -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    rows: list = []
    musl(rows)
    emulated(rows, "aarch64", "aarch64-unknown-linux-gnu")
    emulated(rows, "riscv64", "riscv64gc-unknown-linux-gnu")
    commit = output("git", "-C", PROJECT, "rev-parse", "--short", "HEAD").strip()
    text = ("<!-- Written by `make test-machines`; do not edit. -->\n# Other machines and C libraries\n\n"
            "The conformance programs on what `make test-machines` could reach where it last ran. What the ledgers in\n"
            "`tests/machines/` name counts as skipped. Emulators do not prove weak memory order; the models\n"
            "of `tests/loom` do.\n\n"
            f"{datetime.date.today()}, commit {commit}, Linux {platform.release()}, "
            f"{output('rustc', '--version').strip()}, {output('cc', '--version').splitlines()[0]}\n\n"
            "| built for | engine | result |\n|---|---|---|\n")
    text += "".join(f"| {where} | {engine} | {result.splitlines()[0]} |\n" for where, engine, result in rows)
    (PROJECT / "docs/machines.md").write_text(text)
    print(text)
    failed = [row for row in rows if row[2].startswith("FAILED")]
    ran = [row for row in rows if "passed" in row[2]]
    return 1 if failed else 0 if ran else 77


if __name__ == "__main__":
    sys.exit(main())
