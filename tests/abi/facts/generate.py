#!/usr/bin/env python3
"""Facts of an installed or built reference library, from what a compiler says of it.

Usage: generate.py [--include FOLDER] [--library FILE] [--ffi FILE] [--out FOLDER] [--compare]

Compiles small C probes against the library's headers and reads the results: names and
values of constants, structs and enums with their layout from the debug information of
the object, declarations from -aux-info, versions of symbols from the dynamic symbol
tables. No text of a header is kept. Nothing of this project is read, least of all
crates/anyring-spec: facts and spec are proofs of each other only while they are made
apart.

Writes constants.json, layouts.json, symbols.json in the records of the committed
tables, as far as those can be made in this way (README.md says what cannot). With
--compare it holds them against the committed tables and fails where what must not
change between versions differs; with a reference of the tables' version, where anything
differs that both have.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CC = os.environ.get("CC", "gcc")
HEADERS = ("liburing.h", "liburing/io_uring.h", "liburing/io_uring/query.h", "liburing/io_uring/bpf_filter.h",
           "liburing/barrier.h", "liburing/compat.h", "liburing/io_uring_version.h")
NUMBERS = {
    "int": (32, True), "unsigned int": (32, False), "long": (64, True), "unsigned long": (64, False),
    "long long": (64, True), "unsigned long long": (64, False),
}


def run(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode:
        sys.exit(f"{words[0]} failed:\n{done.stderr}")
    return done.stdout


class Probe:
    """Compiles against the reference's headers."""

    def __init__(self, include: str, library: str, folder: pathlib.Path):
        self.library = pathlib.Path(library).resolve()
        self.flags = ["-D_GNU_SOURCE", *([f"-I{include}"] if include else [])]
        self.folder = folder

    def source(self, text: str) -> pathlib.Path:
        path = self.folder / "probe.c"
        path.write_text(text)
        return path

    def compile(self, text: str, *options: object) -> pathlib.Path:
        output = self.folder / "probe.o"
        run(CC, *self.flags, *options, "-w", "-c", self.source(text), "-o", output)
        return output

    def accepts(self, text: str) -> bool:
        return subprocess.run([CC, *self.flags, "-w", "-fsyntax-only", str(self.source(text))],
                              stderr=subprocess.DEVNULL, check=False).returncode == 0

    def execute(self, text: str) -> str:
        program = self.folder / "probe"
        run(CC, *self.flags, "-w", self.source(text), "-o", program, self.library,
            f"-Wl,-rpath,{self.library.parent}")
        return run(program)


def header_of(path: str) -> str:
    """The public header that a path is, empty for headers of others."""
    return next((name for name in sorted(HEADERS, key=len, reverse=True)
                 if path.endswith(f"/include/{name}") or path.endswith(f"/{name}") and "/linux/" not in path), "")


def macros(probe: Probe) -> dict:
    """Names of object-like macros that the public headers define, with the header."""
    text = run(CC, *probe.flags, "-E", "-dD", probe.source("#include <liburing.h>\n"))
    found, header = {}, ""
    for line in text.splitlines():
        if match := re.match(r'# \d+ "([^"]*)"', line):
            header = header_of(match[1])
        elif header and (match := re.match(r"#define (\w+) (?=\S)", line)):
            found[match[1]] = header
        elif match := re.match(r"#undef (\w+)", line):
            found.pop(match[1], None)
    return found


def values(probe: Probe, names: list) -> dict:
    """name -> (bits, type in C) of expressions that are integers."""
    # Each is asked for first, since one that is no number would fail the program.
    good = names if probe.accepts(asking(names)) else [name for name in names if probe.accepts(asking([name]))]
    kinds = "".join(f'{kind}: "{kind}", ' for kind in NUMBERS)
    lines = "".join(f'printf("{name} %llx %s\\n", (unsigned long long) ({name}), '
                    f'_Generic(({name}), {kinds}default: "?"));\n' for name in good)
    text = probe.execute(f"#include <liburing.h>\n#include <stdio.h>\nint main(void) {{\n{lines}return 0;\n}}\n")
    result = {}
    for line in text.splitlines():
        name, bits, kind = line.split(maxsplit=2)
        if kind in NUMBERS:
            result[name] = (int(bits, 16), kind)
    return result


def asking(names: list) -> str:
    return "#include <liburing.h>\n" + "".join(
        f"enum {{ probe_{n} = !!({name}) }};\n" for n, name in enumerate(names))


def constant(name: str, bits: int, kind: str, header: str, enum) -> dict:
    width, signed = NUMBERS[kind]
    bits &= (1 << width) - 1
    value = bits - (1 << width) if signed and bits >> (width - 1) else bits
    return {"name": name, "value": value, "hex": hex(bits), "header": header, "c_type": kind,
            "width": width, "signed": signed, **enum}


class Debug:
    """Entries of the debug information, as readelf prints them."""

    def __init__(self, object_file: pathlib.Path):
        self.entries, self.order, stack = {}, [], []
        current = None
        for line in run("readelf", "--debug-dump=info", "--wide", object_file).splitlines():
            if match := re.match(r" <(\d+)><([0-9a-f]+)>: Abbrev Number: \d+ \((\w+)\)", line):
                depth, place = int(match[1]), match[2]
                current = {"tag": match[3], "children": []}
                del stack[depth:]
                if stack:
                    stack[-1]["children"].append(current)
                stack.append(current)
                self.entries[place] = current
                self.order.append(current)
            elif " Abbrev Number: 0" in line:
                current = None
            elif current is not None and (match := re.match(r" +<[0-9a-f]+> +(DW_AT_\w+) *: ?(.*)", line)):
                # Forms ("(data1)") and places of strings ("(offset: 0x1f): ") by version of readelf.
                text = re.sub(r"^\(\w+\) +", "", match[2].strip())
                current[match[1]] = re.sub(r"^\([^)]*offset: [^)]*\): ", "", text).strip()
        self.files, folders, table = {}, {}, {}
        for line in run("readelf", "--debug-dump=rawline", "--wide", object_file).splitlines():
            if "The Directory Table" in line:
                table = folders
            elif "The File Name Table" in line:
                table = self.files
            elif match := re.match(r"  (\d+)\t(?:(\d+)\t\d+\t\d+\t)?(?:\([^)]*\): )?(\S.*)$", line):
                name = match[3].strip()
                table[match[1]] = f"{folders.get(match[2], '')}/{name}" if match[2] else name

    def target(self, entry: dict):
        link = entry.get("DW_AT_type")
        return self.entries.get(link.split(">")[0].lstrip("<").removeprefix("0x")) if link else None

    def size(self, entry) -> int:
        if entry is None:
            return 0
        if "DW_AT_byte_size" in entry:
            return int(entry["DW_AT_byte_size"], 0)
        if entry["tag"] == "DW_TAG_array_type":
            return self.size(self.target(entry)) * (self.elements(entry) or 0)
        return self.size(self.target(entry))

    def elements(self, entry: dict):
        """Elements of an array, None for one without any."""
        total = 1
        for child in entry["children"]:
            if "DW_AT_count" in child:
                total *= int(child["DW_AT_count"], 0)
            elif "DW_AT_upper_bound" in child:
                total *= int(child["DW_AT_upper_bound"], 0) + 1
            else:
                return None
        return total or None

    def structs(self) -> dict:
        """name -> size, {member: (offset, size)} of structs that are declared whole."""
        found = {}
        for entry in self.order:
            if entry["tag"] == "DW_TAG_structure_type" and "DW_AT_name" in entry and "DW_AT_byte_size" in entry:
                found[entry["DW_AT_name"]] = (self.size(entry), dict(self.members(entry, 0)), entry.get("DW_AT_decl_file"))
        return found

    def members(self, entry: dict, base: int):
        for child in entry["children"]:
            if child["tag"] != "DW_TAG_member":
                continue
            offset = base + int(child.get("DW_AT_data_member_location", "0"), 0)
            if "DW_AT_name" in child:
                yield child["DW_AT_name"], (offset, self.size(self.target(child)))
            else:
                yield from self.members(self.target(child), offset)

    def enumerators(self) -> list:
        return [(child["DW_AT_name"], entry.get("DW_AT_name"), entry.get("DW_AT_decl_file"))
                for entry in self.order if entry["tag"] == "DW_TAG_enumeration_type"
                for child in entry["children"] if "DW_AT_name" in child]


def declared(probe: Probe) -> dict:
    """Functions of liburing.h: name -> (return type, parameter types, inline or not)."""
    listing = probe.folder / "declared"
    probe.compile("#include <liburing.h>\n", "-aux-info", listing)
    found = {}
    for line in listing.read_text().splitlines():
        match = re.match(r"/\* (.*):\d+:\w(\w) \*/ (?:extern|static) (.*?)(\w+) \((.*?)\);", line)
        if match and header_of(match[1]) == "liburing.h":
            types = parameters(match[5])
            # Definitions have names of parameters, declarations have not.
            if match[2] == "F":
                types = [re.sub(r"(?<=[\s*])\w+(?=(\[.*\])?$)", "", kind).strip() for kind in types]
            found[match[4]] = {"return_type": kind_of(match[3]), "params": types,
                               "linkage": "exported" if " extern " in line else "inline"}
    return found


def kind_of(text: str) -> str:
    words = re.sub(r"\b(inline|_Bool)\b", lambda match: "bool" if match[1] == "_Bool" else "", text)
    return re.sub(r"\s+", " ", words).strip()


def parameters(text: str) -> list:
    if text in ("void", ""):
        return []
    pieces, depth, start = [], 0, 0
    for place, letter in enumerate(text + ","):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            pieces.append(kind_of(text[start:place]))
            start = place + 1
    return pieces


def nodes(library: str) -> dict:
    """Exported functions of a shared library with their version nodes."""
    found = {}
    for line in run("readelf", "--dyn-syms", "--wide", library).splitlines():
        if match := re.search(r"\bFUNC +GLOBAL +DEFAULT +\d+ (\w+)@@([\w.]+)", line):
            found[match[1]] = match[2]
    return found


def make(probe: Probe, library: str, ffi: str) -> dict:
    debug = Debug(probe.compile("#include <liburing.h>\n", "-g", "-gdwarf-4", "-fno-eliminate-unused-debug-types",
                                "-fno-eliminate-unused-debug-symbols"))
    where = {place: header_of(name) for place, name in debug.files.items()}

    def header(entry_file) -> str:
        return where.get((entry_file or "").split()[0], "") if entry_file else ""

    constants = []
    of_enums = [(name, tag, header(file)) for name, tag, file in debug.enumerators() if header(file)]
    bits = values(probe, [name for name, _, _ in of_enums])
    for name, tag, file in of_enums:
        constants.append(constant(name, *bits[name], file, {"kind": "enum", "enum": tag}))
    of_macros = macros(probe)
    in_enums = {name for name, _, _ in of_enums}
    names = [name for name in of_macros if name not in in_enums]
    for name, (number, kind) in values(probe, names).items():
        constants.append(constant(name, number, kind, of_macros[name], {"kind": "define", "enum": None}))
    types = [{"name": name, "kind": "struct", "size": size, "header": header(file),
              "fields": [{"name": member, "offset": offset, "size": length}
                         for member, (offset, length) in members.items()]}
             for name, (size, members, file) in debug.structs().items() if header(file)]
    functions = []
    of_library, of_ffi = nodes(library), nodes(ffi) if ffi else {}
    for name, entry in declared(probe).items():
        functions.append({"name": name, **entry, "symbol_version": of_library.get(name),
                          "ffi_symbol_version": of_ffi.get(name)})
    return {"constants": constants, "types": types, "functions": functions, "nodes": of_library}


# ---- comparison with the committed tables


def committed(name: str, key: str) -> dict:
    return {entry["name"]: entry for entry in json.loads((HERE / name).read_text())[key]}


class Comparison:
    """What the two have in common, and what differs.

    Between versions names of padding, parameters' types and `const`, version nodes and the
    ends of enums (`*_LAST`) change; values, sizes, places of members and the functions
    themselves must not.
    """

    def __init__(self, same_version: bool):
        self.same_version = same_version
        self.faults, self.changes, self.counts = [], [], []

    def equal(self, what: str, here, fact, lasting: bool) -> None:
        if here != fact:
            text = f"{what}: {here} here, {fact} in the tables"
            (self.faults if lasting or self.same_version else self.changes).append(text)

    def table(self, what: str, known: dict, entries: list):
        """The pairs of entries that both have."""
        here = {entry["name"]: entry for entry in entries}
        for name in here.keys() - known.keys():
            self.equal(f"{what} {name}", "there", "not", lasting=False)
        self.counts.append(f"{what}s: {len(here.keys() & known.keys())} compared, "
                           f"{len(known.keys() - here.keys())} not in this reference")
        return [(name, entry, known[name]) for name, entry in here.items() if name in known]


def compare(made: dict, version: str) -> int:
    tables = json.loads((HERE / "symbols.json").read_text())["file_name"]["liburing"].removeprefix("liburing.so.")
    result = Comparison(version == tables)
    for name, here, fact in result.table("constant", committed("constants.json", "constants"), made["constants"]):
        for field in ("hex", "width", "signed"):
            result.equal(f"{name}, {field}", here[field], fact[field], not name.endswith("_LAST"))
        for field in ("kind", "enum", "c_type"):
            result.equal(f"{name}, {field}", here[field], fact[field], lasting=False)
    for name, here, fact in result.table("struct", committed("layouts.json", "types"), made["types"]):
        result.equal(f"struct {name}, size", here["size"], fact["size"], lasting=True)
        places = {field["name"]: (field["offset"], field["size"]) for field in fact["fields"]}
        for field in here["fields"]:
            spare = re.match(r"_*(pad|resv)", field["name"]) is not None
            result.equal(f"{name}.{field['name']}", (field["offset"], field["size"]), places.get(field["name"]), not spare)
    for name, here, fact in result.table("function", committed("symbols.json", "functions"), made["functions"]):
        result.equal(f"{name}, returns", plain(here["return_type"]), plain(fact["return_type"]), lasting=True)
        result.equal(f"{name}, number of parameters", len(here["params"]), len(fact["params"]), lasting=True)
        types = [plain(parameter["type"]) for parameter in fact["params"]]
        result.equal(f"{name}, takes", [plain(kind) for kind in here["params"]], types, lasting=False)
        result.equal(f"{name}, node", here["symbol_version"], fact["symbol_version"],
                     here["symbol_version"] is not None and here["linkage"] == fact["linkage"])
    print(f"the reference is {version}, the tables are of {tables}")
    print("\n".join([*result.counts, *(f"changed between the versions: {text}" for text in result.changes),
                     *(f"failed: {text}" for text in result.faults)]))
    return 1 if result.faults else 0


def plain(kind: str) -> str:
    """A type in one spelling."""
    kind = re.sub(r"\b(short|long long|long) unsigned int\b", r"unsigned \1", kind)
    return re.sub(r"\s*([*\[\]])\s*", r"\1", kind.replace("unsigned int", "unsigned")).strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--include", default="", help="folder of the reference's headers, by default the compiler's")
    parser.add_argument("--library", default="", help="its liburing.so.2, by default that of the compiler's path")
    parser.add_argument("--ffi", default="", help="its liburing-ffi.so.2, if it has one")
    parser.add_argument("--out", type=pathlib.Path, help="folder for the tables")
    parser.add_argument("--compare", action="store_true", help="hold them against the committed tables")
    arguments = parser.parse_args()
    library = arguments.library or run(CC, "-print-file-name=liburing.so").strip()
    with tempfile.TemporaryDirectory() as folder:
        probe = Probe(arguments.include, library, pathlib.Path(folder))
        if not probe.accepts("#include <liburing.h>\n") or not pathlib.Path(library).exists():
            print("skip: no reference library is installed (Debian: liburing-dev)")
            return 77
        made = make(probe, library, arguments.ffi)
    if not all(made.values()):
        print("failed: nothing was found of " + ", ".join(key for key, value in made.items() if not value))
        return 1
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        for name, key in (("constants", "constants"), ("layouts", "types"), ("symbols", "functions")):
            rows = ",\n  ".join(json.dumps(entry) for entry in made[key])
            (arguments.out / f"{name}.json").write_text(f'{{\n "{key}": [\n  {rows}\n ]\n}}\n')
    return compare(made, pathlib.Path(library).resolve().name.removeprefix("liburing.so.")) if arguments.compare else 0


if __name__ == "__main__":
    sys.exit(main())
