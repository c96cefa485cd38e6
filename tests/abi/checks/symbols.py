"""Names, version nodes and file properties of the built shared libraries."""

import collections
import pathlib
import re

from common import HERE, Context, difference, facts, output_of

LIBRARIES = (
    ("liburing", "symbol_version", "liburing_version_nodes"),
    ("ffi", "ffi_symbol_version", "ffi_version_nodes"),
)
# The node of what is ours alone; it inherits the reference's.
OWN_NODE = "ANYRING_1.0"
# What the library needs of the C library; more would be a change to think about.
# The second line is for choosing the engine and loading it on demand.
IMPORTS = {"calloc", "free", "sysconf", "memcpy", "memset", "strlen",
           "getenv", "getauxval", "dladdr", "dlopen", "dlsym", "dlerror"}


def additions() -> dict:
    """Symbols of the ffi library alone; a line without a reason is an error."""
    lines = (HERE / "additions.txt").read_text().splitlines()
    words = [line.split(maxsplit=2) for line in lines if line and not line.startswith("#")]
    table = {name: node for name, node, _reason in words}
    if set(table.values()) != {OWN_NODE}:
        raise ValueError(f"an addition is not at {OWN_NODE}")
    return table


def dynamic_symbols(path: pathlib.Path) -> list:
    """(name, version, type, binding, visibility, absolute) of what is defined."""
    found = []
    for line in output_of("readelf", "--dyn-syms", "-W", path).splitlines():
        words = line.split()
        if len(words) < 8 or not words[0].rstrip(":").isdigit() or words[6] == "UND":
            continue
        name, at, node = words[7].partition("@")
        found.append((name, at + node, words[3], words[4], words[5], words[6] == "ABS"))
    return found


def undefined_symbols(path: pathlib.Path) -> set:
    lines = output_of("nm", "-D", "--undefined-only", path).splitlines()
    return {line.split()[-1].partition("@")[0] for line in lines if line.strip()}


def version_nodes(path: pathlib.Path) -> tuple:
    """The base name, and (node, parents, weak) in file order."""
    text = output_of("readelf", "-VW", path).partition("Version definition")[2].partition("Version needs")[0]
    base, nodes = "", []
    for line in text.splitlines():
        definition = re.search(r"Flags: (.*?)\s+Index: \d+\s+Cnt: \d+\s+Name: (\S+)", line)
        if definition and "BASE" in definition[1]:
            base = definition[2]
        elif definition:
            nodes.append((definition[2], [], "WEAK" in definition[1]))
        parent = re.search(r"Parent \d+: (\S+)", line)
        if parent:
            nodes[-1][1].append(parent[1])
    return base, nodes


def names(context: Context, path: pathlib.Path, wanted: dict, nodes: list) -> None:
    """Both ways: every symbol of the table, and nothing besides."""
    label = path.name
    found = collections.defaultdict(list)
    for name, version, *rest in dynamic_symbols(path):
        # Each version node is an absolute symbol of its own name.
        if rest[-1] and name in nodes and version in ("", f"@@{name}"):
            continue
        found[name].append((version, rest))
    for name, node in sorted(wanted.items()):
        right = [(f"@@{node}", ["FUNC", "GLOBAL", "DEFAULT", False])]
        context.check(f"{label} {name}@@{node}", "" if found[name] == right else f"found {found[name]}")
    for name in sorted(set(found) - set(wanted)):
        context.check(f"{label} {name}", f"exported, but in no table: {found[name]}")
    context.check(f"{label} number of symbols", difference({n for n in found if found[n]}, set(wanted)))


def shared(context: Context, key: str, version_key: str, nodes_key: str) -> None:
    table = facts("symbols")
    soname, file_name = table["soname"][key], table["file_name"][key]
    path = context.libdir / soname
    wanted = {f["name"]: f[version_key] for f in table["functions"] if f[version_key]}
    if key == "ffi":
        twice = set(wanted) & set(additions())
        context.check("additions are none of the reference's own", ", ".join(twice))
        wanted.update(additions())
    nodes = table[nodes_key]
    if key == "ffi":
        own = {"node": OWN_NODE, "parent": nodes[-1]["node"], "verdef_flag": "none", "count": 0}
        nodes = [*nodes, own]
    names(context, path, wanted, [n["node"] for n in nodes])

    base, found = version_nodes(path)
    context.check(f"{soname} base version", "" if base == soname else base)
    right = [(n["node"], [n["parent"]] if n["parent"] else [], n["verdef_flag"] == "WEAK") for n in nodes]
    context.check(f"{soname} order of version nodes",
                  "" if [n[0] for n in found] == [n[0] for n in right] else str([n[0] for n in found]))
    for node in right:
        context.check(f"{soname} node {node[0]}", "" if node in found else f"{node} is not in {found}")
    exported = collections.Counter(version for _, version, *rest in dynamic_symbols(path) if not rest[-1])
    for node in nodes:
        number = node["count"] + (list(additions().values()).count(node["node"]) if key == "ffi" else 0)
        got = exported[f"@@{node['node']}"]
        context.check(f"{soname} symbols at {node['node']}", "" if got == number else f"{got}, not {number}")

    dynamic = output_of("readelf", "-dW", path)
    context.check(f"{soname} soname", difference(set(re.findall(r"SONAME.*\[(.*)\]", dynamic)), {soname}))
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
    context.check(f"{soname} needs", ", ".join(needed - {"libc.so.6", "libgcc_s.so.1"}))
    imports = undefined_symbols(path)
    context.check(f"{soname} cannot panic", "abort is linked in" if "abort" in imports else "")
    context.check(f"{soname} imports", ", ".join(sorted(imports - IMPORTS)))
    for tag, what in (("INIT", "constructor"), ("FINI", "destructor"), ("TEXTREL", "text relocations"),
                      ("RPATH", "rpath"), ("RUNPATH", "runpath")):
        context.check(f"{soname} has no {what}", tag if re.search(rf"\({tag}(_ARRAY)?\)", dynamic) else "")
    stack = re.findall(r"GNU_STACK.* (R\S*) ", output_of("readelf", "-lW", path))
    context.check(f"{soname} stack is not executable", "" if stack == ["RW"] else str(stack))
    context.check(f"{soname} leads to {file_name}", "" if path.resolve().name == file_name else str(path.resolve()))


def against_debian(context: Context, soname: str) -> None:
    """What a distribution's package exports is here at the same nodes, and nothing
    else is at the reference's: a program linked here runs there or asks for a node of
    ours. The one function newer than that package is at a node that it lacks."""
    debian = set(facts("debian-symbols")["libraries"][soname])
    ours = {f"{n}{v}".replace("@@", "@") for n, v, *rest in dynamic_symbols(context.libdir / soname) if not rest[-1]}
    context.check(f"{soname} has Debian's symbols", ", ".join(sorted(debian - ours)))
    nodes = {symbol.partition("@")[2] for symbol in debian}
    context.check(f"{soname} adds nothing to Debian's nodes",
                  ", ".join(sorted(s for s in ours - debian if s.partition("@")[2] in nodes)))


def run(context: Context) -> None:
    for library in LIBRARIES:
        shared(context, *library)
        against_debian(context, facts("symbols")["soname"][library[0]])
