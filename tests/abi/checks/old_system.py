"""Systems whose kernel headers are older: what they lack, liburing.h provides.

The system's include folders are presented again without some files.
"""

import pathlib
import re
import shutil

from common import Compiler, Context, command, compile_object
from sheet import judge
from tables import ASSERT, HEAD, layouts, values

LACKING = {
    "linux/openat2.h": ["openat2.h"],
    "linux/time_types.h": ["time_types.h"],
    "linux/io_uring.h": ["io_uring.h"],
    "everything newer than io_uring": ["openat2.h", "time_types.h", "io_uring.h", "blkdev.h", "futex.h"],
}


def search_folders(compiler: Compiler) -> list:
    language = "c++" if compiler.cxx else "c"
    text = command(compiler.command, "-E", "-v", "-x", language, "/dev/null").stdout
    inside = re.search(r"search starts here:\n((?: .*\n)+)End of search", text.partition("#include <...>")[2])
    return [pathlib.Path(line.strip()).resolve() for line in inside[1].splitlines()] if inside else []


def mirror(folder: pathlib.Path, target: pathlib.Path, lacking: list) -> None:
    """Links to all there is, but for an installed liburing and what is lacking."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "linux").mkdir(parents=True)
    for entry in folder.iterdir():
        if entry.name != "linux" and not entry.name.startswith("liburing"):
            (target / entry.name).symlink_to(entry)
    for entry in (folder / "linux").iterdir():
        if entry.name not in lacking:
            (target / "linux" / entry.name).symlink_to(entry)


def own_types(cxx: bool) -> list:
    check = ASSERT[cxx]
    items = []
    for struct, members in (("__kernel_timespec", {"tv_sec": 0, "tv_nsec": 8}),
                            ("open_how", {"flags": 0, "mode": 8, "resolve": 16})):
        items.append((f"{struct} size", f'{check}(sizeof(struct {struct}) == {8 * len(members)}, "size");'))
        for member, offset in members.items():
            place = f"((struct {struct} *) 0)->{member}"
            items.append((f"{struct}.{member}", f'{check}(__builtin_offsetof(struct {struct}, {member}) == {offset} '
                          f'&& sizeof({place}) == 8, "member");'))
    for name, number in (("DISCARD", 0), ("ZONE_RESET_ALL", 1)):
        items.append((name, f'{check}(BLOCK_URING_CMD_{name} == (0x12 << 8) + {number}, "value");'))
    return items


def one(context: Context, compiler: Compiler, title: str, lacking: list) -> None:
    folders = search_folders(compiler)
    name = f"without {title}, {compiler.command}"
    if not any((folder / "linux").is_dir() for folder in folders):
        context.skip(name, "the compiler does not say where the system's headers are")
        return
    flags = ["-nostdinc", "-nostdinc++"] if compiler.cxx else ["-nostdinc"]
    for position, folder in enumerate(folders):
        if (folder / "linux").is_dir():
            target = context.build / f"mirror-{position}"
            mirror(folder, target, lacking)
            folder = target
        flags += ["-isystem", str(folder)]
    flags.append("-std=gnu++17" if compiler.cxx else "-std=gnu11")
    # The test is one only if these are really gone, and the rest is there.
    gone = "".join(f"#if __has_include(<linux/{file}>)\n#error still there\n#endif\n" for file in lacking)
    rest = "#include <linux/types.h>\n#include <sys/stat.h>\n#include <sys/wait.h>\nextern int nothing;\n"
    _, problem = compile_object(context, compiler, "mirrored", gone + rest, flags)
    if problem:
        context.check(f"{name}: the headers as prepared", problem)
        return
    items = values(compiler.cxx) + layouts(compiler.cxx) + own_types(compiler.cxx)
    problems, stray = judge(context, compiler, "lacking", [*flags, context.flag()], HEAD[compiler.cxx], items)
    wrong = stray[:5] + [f"{items[at][0]}: {what}" for at, what in sorted(problems.items())]
    context.check(f"{name}: {len(items)} facts", "\n".join(wrong[:20]))
    source = "#include <liburing.h>\nextern int nothing;\n"
    _, problem = compile_object(context, compiler, "lacking-warnings", source,
                                [*flags, "-Wall", "-Wextra", "-Wpedantic", "-Werror", context.flag()])
    context.check(f"{name}: no warnings", problem)


def run(context: Context) -> None:
    for compiler in context.compilers:
        for title, lacking in LACKING.items():
            one(context, compiler, title, lacking)
