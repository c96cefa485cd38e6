"""What the static libraries define for others to see."""

import collections

from common import Context, functions, output_of


def run(context: Context) -> None:
    for archive, key in (("liburing.a", "symbol_version"), ("liburing-ffi.a", "in_ffi_archive")):
        found = collections.defaultdict(list)
        for line in output_of("nm", "-g", "--defined-only", context.libdir / archive).splitlines():
            words = line.split()
            if len(words) == 3:
                found[words[2]].append(words[1])
        wanted = {f["name"] for f in functions() if f[key]}
        for name in sorted(wanted):
            context.check(f"{archive} {name}", "" if found[name] == ["T"] else f"defined as {found[name]}")
        besides = sorted(name for name in found if name not in wanted)
        context.check(f"{archive} defines nothing else", ", ".join(besides))
