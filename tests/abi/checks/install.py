"""What `make install` puts where, and that programs can be built with it."""

import os
import pathlib
import re
import shutil
import tempfile

from common import PROJECT, Context, command, difference, environment, facts, have, output_of

PROGRAM = """
#include <liburing.h>
#include <stdio.h>
int main(void)
{
	struct io_uring ring;
	int ret = io_uring_queue_init(2, &ring, 0);

	/* Where rings are not allowed the library still has to answer. */
	printf("%d.%d %d\\n", io_uring_major_version(), io_uring_minor_version(), ret);
	if (!ret)
		io_uring_queue_exit(&ring);
	return 0;
}
"""

PACKAGES = {"liburing": "uring", "liburing-ffi": "uring-ffi"}
CMAKE_TARGETS = ["uring", "uring-static", "uring-ffi", "uring-ffi-static"]


def make(context: Context, *words: object) -> None:
    """Installs the libraries under test as they are: nothing is built for this."""
    # Relative names, since make splits those that hold a space.
    libdir = os.path.relpath(context.libdir, PROJECT)
    names = [*facts("symbols")["file_name"].values(), "liburing.a", "liburing-ffi.a", "libanyring-engine.so.0"]
    built = [word for name in names for word in ("-o", f"{libdir}/{name}")]
    output_of("make", "-s", "-C", PROJECT, f"LIBDIR={libdir}", *built, *words)


def installed(root: pathlib.Path) -> set:
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_symlink() or p.is_file()}


def runs(program: pathlib.Path, env: dict) -> str:
    done = command(program, env=env)
    return "" if not done.returncode and re.fullmatch(r"2\.15 (0|-\d+)\n", done.stdout) else \
        f"ended with {done.returncode}: {done.stdout}"


def staged(context: Context, root: pathlib.Path) -> None:
    """DESTDIR with a distribution's folders; the file list is the reference's."""
    places = [f"DESTDIR={root}", "prefix=/usr", "libdir=/usr/lib/test-linux-gnu", "includedir=/usr/include"]
    foreign = root / "usr/include/liburing/somebody-elses.h"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("")
    make(context, "install", *places)
    files(context, root, "usr/lib/test-linux-gnu/", foreign)
    pkg_config(context, root, root / "usr/lib/test-linux-gnu")
    cmake(context, "staged with DESTDIR",
          f"-Dliburing_DIR={root / 'usr/lib/test-linux-gnu/cmake/liburing'}")
    make(context, "uninstall", *places)
    context.check("uninstall leaves what is not ours", difference(installed(root), {str(foreign.relative_to(root))}))
    foreign.unlink()
    make(context, "install", *places)
    make(context, "uninstall", *places)
    context.check("uninstall leaves no file", ", ".join(sorted(installed(root))))
    folders = [str(p.relative_to(root)) for p in root.rglob("*") if "liburing" in p.name]
    context.check("uninstall leaves no folder of ours", ", ".join(sorted(folders)))


# Additions to what the reference installs.
OURS = {"usr/include/liburing/ext.h", "usr/include/liburing-ffi.h", "usr/include/liburing-ffi.json"}


def files(context: Context, root: pathlib.Path, lib: str, foreign: pathlib.Path) -> None:
    table = facts("headers")
    wanted = {lib + name.split(" -> ")[0] for name in table["installed_libraries"]}
    wanted |= {"usr/include/" + name for name in table["public_headers"]}
    wanted |= {lib + "pkgconfig/" + pc["file"] for pc in table["pkg_config"]}
    found = installed(root) - {str(foreign.relative_to(root))}
    for name in sorted(wanted):
        context.check(f"installed {name}", "" if name in found else "missing")
    # find_package and the userspace engine are services of ours besides.
    besides = {name for name in found - wanted if not name.startswith(f"{lib}cmake/liburing/")}
    # The command is installed where it was built before, with its pages and completions.
    besides = {name for name in besides if name != "usr/bin/uring" and not name.startswith("usr/share/")}
    context.check("nothing else but CMake files and the engine is installed",
                  difference(besides, OURS | {f"{lib}libanyring-engine.so.0"}))
    for name in table["installed_libraries"]:
        link, _, target = name.partition(" -> ")
        path = root / lib / link
        if target:
            right = path.is_symlink() and (path.parent / os.readlink(path)).resolve() == (root / lib / target).resolve()
            context.check(f"{link} leads to {target}", "" if right and path.is_file() else "it does not")
        else:
            context.check(f"{link} is the library under test", "" if not path.is_symlink() and path.read_bytes() ==
                          (context.libdir / link).read_bytes() else "differs")
    for name in table["public_headers"]:
        same = (root / "usr/include" / name).read_bytes() == (context.include / name).read_bytes()
        context.check(f"{name} is the header under test", "" if same else "differs")


def pkg_config(context: Context, root: pathlib.Path, lib: pathlib.Path) -> None:
    if not have("pkg-config"):
        context.skip("pkg-config", "not installed")
        return
    env = environment(PKG_CONFIG_LIBDIR=str(lib / "pkgconfig"), PKG_CONFIG_PATH="")
    staged_env = {**env, "PKG_CONFIG_SYSROOT_DIR": str(root)}
    for file, row in ((pathlib.Path(pc["file"]).stem, pc) for pc in facts("headers")["pkg_config"]):
        text = (lib / "pkgconfig" / row["file"]).read_text()
        for key, wanted in (("Name", row["name"]), ("Version", row["version"]), ("Libs", row["libs"]),
                            ("Cflags", row["cflags"])):
            got = re.search(rf"^{key}:[ \t]*(.*?)[ \t]*$", text, re.MULTILINE)
            context.check(f"{row['file']} {key}", "" if got and got[1] == wanted else f"{got and got[1]}, not {wanted}")
        for variable, wanted in (("libdir", "/usr/lib/test-linux-gnu"), ("includedir", "/usr/include")):
            got = output_of("pkg-config", f"--variable={variable}", file, env=env).strip()
            context.check(f"{row['file']} {variable}", "" if got == wanted else got)
        version = output_of("pkg-config", "--modversion", file, env=env).strip()
        context.check(f"{file} --modversion", "" if version == "2.15" else version)
        flags = output_of("pkg-config", "--cflags", "--libs", file, env=staged_env).split()
        context.check(f"{file} --libs", "" if f"-l{PACKAGES[file]}" in flags else str(flags))
        source, program = context.write("installed.c", PROGRAM), context.build / "installed"
        for static in ([], ["-static"]):
            done = command(context.c[0].command, source, "-o", program, *static, *flags)
            problem = done.stdout if done.returncode else runs(program, environment(LD_LIBRARY_PATH=str(lib)))
            context.check(f"a program with {file} {' '.join(static)}", problem)


def cmake(context: Context, title: str, *words: object) -> None:
    if not have("cmake"):
        context.skip(f"find_package, {title}", "cmake is not installed")
        return
    folder = context.build / "cmake"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "main.c").write_text(PROGRAM)
    head = ["cmake_minimum_required(VERSION 3.10)", "project(check C)"]
    lists = [*head, "find_package(liburing 2.10 REQUIRED CONFIG)",
             "if(NOT liburing_VERSION STREQUAL 2.15)", "message(FATAL_ERROR ${liburing_VERSION})", "endif()"]
    for name in CMAKE_TARGETS:
        lists += [f"add_executable(with-{name} main.c)", f"target_link_libraries(with-{name} liburing::{name})"]
    (folder / "CMakeLists.txt").write_text("\n".join(lists) + "\n")
    compiler = f"-DCMAKE_C_COMPILER={context.c[0].command}"
    done = command("cmake", "-S", folder, "-B", folder / "build", compiler, *words)
    if not done.returncode:
        done = command("cmake", "--build", folder / "build")
    context.check(f"find_package(liburing), {title}", done.stdout[-1500:] if done.returncode else "")
    if not done.returncode:
        for name in CMAKE_TARGETS:
            context.check(f"liburing::{name}, {title}", runs(folder / "build" / f"with-{name}", environment()))
    too_new = folder / "too-new"
    too_new.mkdir()
    (too_new / "CMakeLists.txt").write_text("\n".join([*head, "find_package(liburing 2.16 REQUIRED CONFIG)"]) + "\n")
    done = command("cmake", "-S", too_new, "-B", too_new / "build", compiler, *words)
    refused = done.returncode and "2.15" in done.stdout
    context.check(f"find_package(liburing 2.16) is refused, {title}", "" if refused else done.stdout[-500:] or "found")


def prefixed(context: Context, root: pathlib.Path) -> None:
    """An ordinary prefix, found by CMake through it alone."""
    places = [f"prefix={root}", f"exec_prefix={root}/machine"]
    make(context, "install", *places)
    for name in PACKAGES:
        text = (root / f"machine/lib/pkgconfig/{name}.pc").read_text()
        context.check(f"{name}.pc has the exec_prefix", "" if f"exec_prefix={root}/machine\n" in text else text)
    make(context, "uninstall", *places)
    context.check("uninstall below an exec_prefix leaves no file", ", ".join(sorted(installed(root))))
    places = [f"prefix={root}"]
    make(context, "install", *places)
    cmake(context, "below a prefix", f"-DCMAKE_PREFIX_PATH={root}")
    make(context, "uninstall", *places)
    context.check("uninstall of a prefix leaves no file", ", ".join(sorted(installed(root))))


def run(context: Context) -> None:
    with tempfile.TemporaryDirectory(prefix="install-") as folder:
        staged(context, pathlib.Path(folder).resolve())
    with tempfile.TemporaryDirectory(prefix="install-") as folder:
        prefixed(context, pathlib.Path(folder).resolve())
