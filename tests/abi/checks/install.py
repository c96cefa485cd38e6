"""What `make install` puts where, and that programs can be built with it."""

import os
import pathlib
import re
import shutil
import tempfile

from common import HERE, Context, command, facts, have

PROGRAM = """
#include <liburing.h>
#include <stdio.h>
int main(void)
{
	struct io_uring ring;
	int ret = io_uring_queue_init(2, &ring, 0);

	printf("%d.%d %d\\n", io_uring_major_version(), io_uring_minor_version(), ret);
	if (!ret)
		io_uring_queue_exit(&ring);
	return 0;
}
"""

RUST_LIBRARY = """
#[no_mangle]
pub extern "C" fn other_rust_library() -> i32 {
    let words: Vec<String> = "a b c".split(' ').map(str::to_owned).collect();
    std::panic::catch_unwind(|| words.len() as i32).unwrap_or(-1)
}
"""


def make(*words: object) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = command("make", "-s", "-C", HERE.parent.parent, *words, env=environment)
    assert done.returncode == 0, done.stdout


def installed(root: pathlib.Path) -> set:
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_symlink() or p.is_file()}


def build_and_run(context: Context, name: str, flags: list) -> str:
    source = context.build / "installed.c"
    source.write_text(PROGRAM)
    program = context.build / "installed"
    done = command("cc", source, "-o", program, *flags)
    if done.returncode:
        return done.stdout
    done = command(program)
    return "" if re.match(r"2\.15 (0|-\d+)\n", done.stdout) else done.stdout or f"ended with {done.returncode}"


def staged(context: Context, root: pathlib.Path) -> None:
    """DESTDIR with a distribution's folders; the file list is the reference's."""
    places = [f"DESTDIR={root}", "prefix=/usr", "libdir=/usr/lib/test-linux-gnu", "includedir=/usr/include"]
    make("install", *places)
    table = facts("headers")
    lib = "usr/lib/test-linux-gnu/"
    wanted = {lib + name.split(" -> ")[0] for name in table["installed_libraries"]}
    wanted |= {"usr/include/" + name for name in table["public_headers"]}
    wanted |= {lib + "pkgconfig/" + pc["file"] for pc in table["pkg_config"]}
    found = installed(root)
    context.check("all files of the reference are installed", ", ".join(sorted(wanted - found)))
    besides = {name for name in found - wanted if "/cmake/" not in name}
    context.check("nothing else but CMake files is", ", ".join(sorted(besides)))
    for name in table["installed_libraries"]:
        link, _, target = name.partition(" -> ")
        if target:
            path = root / lib / link
            context.check(f"{link} is a link", "" if path.resolve() == (root / lib / "x").with_name(
                path.resolve().name) and path.is_symlink() else "not")
    pkg_config(context, root, root / lib)
    cmake(context, root)
    make("uninstall", *places)
    context.check("uninstall leaves nothing", ", ".join(sorted(installed(root))))


def pkg_config(context: Context, root: pathlib.Path, lib: pathlib.Path) -> None:
    if not have("pkg-config"):
        context.skip("pkg-config", "not installed")
        return
    environment = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=str(root),
                       PKG_CONFIG_LIBDIR=str(lib / "pkgconfig"))
    for name in ("liburing", "liburing-ffi"):
        version = command("pkg-config", "--modversion", name, env=environment).stdout.strip()
        context.check(f"{name} version", "" if version == "2.15" else version)
        flags = command("pkg-config", "--cflags", "--libs", name, env=environment).stdout.split()
        context.check(f"a program with {name}", build_and_run(context, name, [*flags, f"-Wl,-rpath,{lib}"]))


def cmake(context: Context, root: pathlib.Path) -> None:
    if not have("cmake"):
        context.skip("find_package", "cmake is not installed")
        return
    folder = context.build / "cmake"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "main.c").write_text(PROGRAM)
    lists = ["cmake_minimum_required(VERSION 3.10)", "project(check C)",
             "find_package(liburing 2.10 REQUIRED CONFIG)"]
    targets = ["uring", "uring-static", "uring-ffi", "uring-ffi-static"]
    for name in targets:
        lists += [f"add_executable(with-{name} main.c)",
                  f"target_link_libraries(with-{name} liburing::{name})"]
    (folder / "CMakeLists.txt").write_text("\n".join(lists) + "\n")
    # CMake looks below lib/<architecture> only for the real one.
    config = next(root.rglob("liburingConfig.cmake")).parent
    done = command("cmake", "-S", folder, "-B", folder / "build", f"-Dliburing_DIR={config}")
    if not done.returncode:
        done = command("cmake", "--build", folder / "build")
    context.check("find_package(liburing)", done.stdout[-1500:] if done.returncode else "")
    for name in targets:
        output = command(folder / "build" / f"with-{name}").stdout
        context.check(f"liburing::{name}", "" if output.startswith("2.15 ") else output or "did not run")


def beside_rust(context: Context) -> None:
    """The archive links beside another Rust archive that has std and unwinds."""
    source = context.build / "other.rs"
    source.write_text(RUST_LIBRARY)
    other = context.build / "libother.a"
    done = command("rustc", "--edition", "2021", "--crate-type", "staticlib", source, "-o", other)
    if done.returncode:
        context.check("the other Rust library", done.stdout)
        return
    main = context.build / "both.c"
    main.write_text(PROGRAM.replace("int main(void)", "int other_rust_library(void);\nint main(void)")
                    .replace("return 0;", "return other_rust_library() != 3;"))
    for order in (["liburing.a", other], [other, "liburing.a"], ["liburing-ffi.a", other]):
        archives = [context.libdir / a if isinstance(a, str) else a for a in order]
        program = context.build / "both"
        done = command("cc", f"-I{context.include}", main, "-o", program, *archives,
                       "-lpthread", "-ldl", "-lm", "-lgcc_s")
        if not done.returncode:
            done = command(program)
        context.check(f"linked beside another Rust archive: {[str(a)[-14:] for a in order]}",
                      done.stdout if done.returncode else "")


def run(context: Context) -> None:
    with tempfile.TemporaryDirectory(prefix="install-") as folder:
        staged(context, pathlib.Path(folder))
    beside_rust(context)
