"""Names, version nodes and file properties of the built libraries."""

import re

from common import HERE, Context, command, facts


def exported(path) -> dict:
    """name -> node of every defined dynamic symbol, nodes themselves left out."""
    found = {}
    for line in command("nm", "-D", "--with-symbol-versions", "--defined-only", path).stdout.splitlines():
        _, kind, name = line.split(maxsplit=2)
        if kind == "A":
            continue
        base, _, node = name.partition("@")
        found[base] = (kind, node)
    return found


def additions() -> dict:
    lines = (HERE / "additions.txt").read_text().splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def version_nodes(path) -> list:
    """(node, parent, weak) in file order, without the base entry."""
    text = command("readelf", "-VW", path).stdout.partition("Version definition")[2]
    text = text.partition("Version needs")[0]
    nodes = []
    for line in text.splitlines():
        definition = re.search(r"Flags: (.*?)\s+Index: \d+\s+Cnt: \d+\s+Name: (\S+)", line)
        if definition:
            nodes.append([definition[2], None, "WEAK" in definition[1], "BASE" in definition[1]])
        parent = re.search(r"Parent 1: (\S+)", line)
        if parent:
            nodes[-1][1] = parent[1]
    return [(name, parent, weak) for name, parent, weak, base in nodes if not base]


def shared(context: Context, library: str, key: str, nodes_key: str) -> None:
    path = context.libdir / f"{library}.so.2"
    table = facts("symbols")
    found = exported(path)
    wanted = {f["name"]: f[key] for f in table["functions"] if f[key]}
    extra = additions() if key == "ffi_symbol_version" else {}
    for name, node in wanted.items():
        kind, got = found.get(name, ("", "absent"))
        problem = "" if got == f"@{node}" and kind == "T" else f"{kind} {got}, not T @@{node}"
        context.check(f"{library} {name}", problem)
    for name, node in extra.items():
        context.check(f"{library} addition {name}", "" if found.get(name) == ("T", f"@{node}") else "differs")
    unknown = sorted(set(found) - set(wanted) - set(extra))
    context.check(f"{library} exports nothing else", ", ".join(unknown))
    nodes = [
        (n["node"], n["parent"], n["verdef_flag"] == "WEAK") for n in table[nodes_key]
    ]
    got = version_nodes(path)
    context.check(f"{library} version nodes", "" if got == nodes else f"{got}")
    dynamic = command("readelf", "-dW", path).stdout
    context.check(f"{library} soname", "" if f"[{library}.so.2]" in dynamic else "wrong")
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
    context.check(f"{library} needs", ", ".join(needed - {"libc.so.6", "libgcc_s.so.1"}))
    undefined = {line.split()[-1].partition("@")[0]
                 for line in command("nm", "-D", "--undefined-only", path).stdout.splitlines()}
    context.check(f"{library} cannot panic", "abort is linked in" if "abort" in undefined else "")
    context.check(f"{library} imports", ", ".join(sorted(undefined - {"calloc", "free", "sysconf"})))
    context.check(f"{library} has no constructors", "INIT" if "INIT" in dynamic else "")


def archive(context: Context, library: str, wanted: set) -> None:
    output = command("nm", "-g", "--defined-only", context.libdir / f"{library}.a").stdout
    found = {line.split()[2] for line in output.splitlines() if len(line.split()) == 3}
    context.check(f"{library}.a lacks", ", ".join(sorted(wanted - found)))
    context.check(f"{library}.a has besides", ", ".join(sorted(found - wanted)))


def run(context: Context) -> None:
    shared(context, "liburing", "symbol_version", "liburing_version_nodes")
    shared(context, "liburing-ffi", "ffi_symbol_version", "ffi_version_nodes")
    table = facts("symbols")["functions"]
    archive(context, "liburing", {f["name"] for f in table if f["symbol_version"]})
    archive(context, "liburing-ffi", {f["name"] for f in table if f["in_ffi_archive"]})
    size = context.build / "stripped.so"
    command("strip", "-o", size, context.libdir / "liburing.so.2")
    weight = size.stat().st_size
    print(f"stripped liburing.so.2: {weight} bytes")
    context.check("liburing.so.2 below 100 KB", "" if weight < 100_000 else str(weight))

