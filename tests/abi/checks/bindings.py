"""liburing-ffi.h and liburing-ffi.json: equal to the C headers, loaded by other languages."""

import json
import os
import pathlib
import shutil
import sys
import tempfile

from common import PROJECT, Compiler, Context, command, compile_object, difference, environment, facts, have

PROGRAMS = PROJECT / "tests/bindings"
HEADERS = """#define _GNU_SOURCE
#include <liburing.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <sys/uio.h>
#include <stddef.h>
"""
# Arguments whose types the plain header leaves to the program, by their names.
LEFT_OPEN = {"sigmask": "sigset_t *", "sig": "sigset_t *", "mask": "const cpu_set_t *", "infop": "siginfo_t *"}
CONTENT = "read by another language\n"


def layouts(structs: dict) -> str:
    lines = []
    for name, struct in structs.items():
        lines.append(f'_Static_assert(sizeof(struct {name}) == {struct["size"]}, "{name}");')
        lines.append(f'_Static_assert(_Alignof(struct {name}) == {struct["align"]}, "{name}");')
        for field in struct["fields"]:
            member = f'struct {name}, {field["name"]}'
            lines.append(f'_Static_assert(offsetof({member}) == {field["offset"]}, "{field["name"]}");')
            # A flexible array has no size.
            if field.get("elements") != 0:
                lines.append(f'_Static_assert(sizeof(((struct {name} *) 0)->{field["name"]}) == {field["size"]}, '
                             f'"{field["name"]}");')
    return "\n".join(lines) + "\n"


def of_c(interface: dict) -> str:
    """What the JSON says, as assertions beside the C headers."""
    text = HEADERS + layouts(interface["structs"])
    for name, value in interface["constants"].items():
        text += f'_Static_assert(({name}) == {value}{"ULL" if value > 2**31 else ""}, "{name}");\n'
    for name, function in interface["functions"].items():
        types = ", ".join(LEFT_OPEN.get(argument["name"], argument["type"]) if "void" in argument["type"]
                          else argument["type"] for argument in function["arguments"]) or "void"
        text += (f'_Static_assert(__builtin_types_compatible_p(__typeof__(&{name}), '
                 f'{function["returns"]} (*)({types})), "{name}");\n')
    return text


def of_plain(interface: dict) -> str:
    """The plain header: the same layouts and the constants that fit an int."""
    text = '#include "liburing-ffi.h"\n#include <stddef.h>\n' + layouts(interface["structs"])
    for name, value in interface["constants"].items():
        if -2**31 <= value < 2**31:
            text += f'_Static_assert({name} == {value}, "{name}");\n'
    for name in interface["functions"]:
        text += f"void *use_{name} = (void *) &{name};\n"
    return text


def python_with(module: str) -> str:
    """An interpreter that has a module."""
    for python in (sys.executable, str(PROJECT / "target/venv/bin/python"), "/usr/bin/python3"):
        if os.access(python, os.X_OK) and not command(python, "-c", f"import {module}").returncode:
            return python
    return ""


PARSE = """
import sys
from pycparser import c_parser, c_ast
text = open(sys.argv[1]).read()
import re
tree = c_parser.CParser().parse(re.sub(r"/\\*.*?\\*/", "", text, flags=re.S))
print(sum(isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl) for node in tree.ext))
"""

# Every struct's size, every field's offset and every int constant, as cffi has them.
COMPARE_CFFI = """
import json, pathlib, sys, cffi
include = pathlib.Path(sys.argv[1])
ffi = cffi.FFI()
ffi.cdef((include / "liburing-ffi.h").read_text())
library = ffi.dlopen(sys.argv[2])
interface = json.loads((include / "liburing-ffi.json").read_text())
compared = 0
for name, struct in interface["structs"].items():
    assert ffi.sizeof("struct " + name) == struct["size"], name
    for field in struct["fields"]:
        assert ffi.offsetof("struct " + name, *field["name"].split(".")) == field["offset"], (name, field)
        compared += 1
for name, value in interface["constants"].items():
    if -2**31 <= value < 2**31:
        assert getattr(library, name) == value, name
        compared += 1
for name in interface["functions"]:
    getattr(library, name)
print(compared)
"""

COMPARE_LUA = """
local ffi = require("ffi")
ffi.cdef(io.open(arg[1] .. "/liburing-ffi.h"):read("*a"))
local library = ffi.load(arg[2])
for line in io.lines(arg[3]) do
  local kind, a, b, c = line:match("(%S+) (%S+) (%S+) ?(%S*)")
  local found
  if kind == "size" then found = ffi.sizeof("struct " .. a)
  elseif kind == "constant" then found = ffi.C[a]
  elseif kind == "offset" then found = ffi.offsetof("struct " .. a, c)
  else found = library[a] and b end
  assert(tostring(found) == b, line .. ": " .. tostring(found))
end
print("compared")
"""


def parsers(context: Context, interface: dict, library: pathlib.Path) -> None:
    header = context.include / "liburing-ffi.h"
    python = python_with("pycparser")
    if python:
        done = command(python, "-c", PARSE, header)
        context.check("pycparser reads liburing-ffi.h",
                      "" if done.stdout.strip() == str(len(interface["functions"])) else done.stdout)
    else:
        context.skip("pycparser", "no interpreter here has it (Debian: python3-pycparser)")
    python = python_with("cffi")
    if python:
        done = command(python, "-c", COMPARE_CFFI, context.include, library)
        context.check("cffi: sizes, offsets, constants and functions are those of the JSON",
                      done.stdout if done.returncode or int(done.stdout) < 500 else "")
    else:
        context.skip("cffi", "no interpreter here has it (Debian: python3-cffi)")
    if have("luajit"):
        lines = []
        for name, struct in interface["structs"].items():
            lines.append(f'size {name} {struct["size"]}')
            # LuaJIT finds members by one name: those of a named struct inside are left out.
            lines += [f'offset {name} {field["offset"]} {field["name"]}' for field in struct["fields"]
                      if "." not in field["name"]]
        lines += [f"constant {name} {value}" for name, value in interface["constants"].items()
                  if -2**31 <= value < 2**31]
        lines += [f"function {name} there" for name in interface["functions"]]
        done = command("luajit", context.write("compare.lua", COMPARE_LUA), context.include, library,
                       context.write("compare.txt", "\n".join(lines) + "\n"))
        context.check("LuaJIT: sizes, offsets, constants and functions are those of the JSON",
                      "" if done.stdout == "compared\n" else done.stdout)
    else:
        context.skip("LuaJIT", "luajit is not installed")
    if have("bindgen"):
        # Its own assertions of sizes and offsets are tests in what it writes.
        done = command("bindgen", header, "-o", context.build / "bindings.rs")
        context.check("bindgen reads liburing-ffi.h", done.stdout if done.returncode else "")
        if not done.returncode and have("rustc"):
            done = command("rustc", "--edition=2021", "--test", "-A", "warnings", "--crate-type", "lib",
                           context.build / "bindings.rs", "-L", context.libdir, "-l", "uring-ffi",
                           "-o", context.build / "bindings-test", env=environment(RUSTFLAGS=""))
            ran = command(context.build / "bindings-test") if not done.returncode else done
            context.check("bindgen's own layout tests", ran.stdout if ran.returncode else "")
    else:
        context.skip("bindgen", "bindgen is not installed")


def koffi() -> str:
    """The folder of the Node package koffi, if it can be had."""
    folder = PROJECT / "target/node"
    if not (folder / "node_modules/koffi").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        if not have("npm") or command("npm", "install", "--silent", "--no-save", "--prefix", folder, "koffi").returncode:
            return ""
    return str(folder / "node_modules")


def programs(context: Context, library: pathlib.Path) -> None:
    """The programs of docs/bindings.md, each as the documentation says to start it."""
    sample = context.write("sample.txt", CONTENT)
    include, libdir = context.include, context.libdir

    def run(name: str, *words: object, missing: str = "", **changes: str) -> None:
        if missing:
            context.skip(name, missing)
            return
        done = command(*words, env=environment(**changes))
        # Where rings are not allowed the userspace engine serves the same program.
        context.check(name, "" if done.stdout == CONTENT and not done.returncode else
                      f"ended with {done.returncode}: {done.stdout}")

    for engine in ("auto", "userspace"):
        def started(name: str, *words: object, missing: str = "", **changes: str) -> None:
            run(f"{name}, ANYRING_ENGINE={engine}", *words, missing=missing, ANYRING_ENGINE=engine, **changes)

        started("read.lua", "luajit", PROGRAMS / "read.lua", include, library, sample,
                missing="" if have("luajit") else "luajit is not installed")
        python = python_with("cffi")
        started("read_cffi.py", python, PROGRAMS / "read_cffi.py", include, library, sample,
                missing="" if python else "no interpreter here has cffi")
        started("read.rb", "ruby", PROGRAMS / "read.rb", include, library, sample,
                missing="" if have("ruby") else "ruby is not installed")
        modules = koffi() if have("node") else ""
        started("read.js", "node", PROGRAMS / "read.js", include, library, sample, NODE_PATH=modules,
                missing="" if modules else "node is not installed, or koffi cannot be had with npm")
    go = context.build / "read-go"
    if have("go"):
        flags = {"CGO_CFLAGS": f"-I{include}", "CGO_LDFLAGS": f"-L{libdir} -Wl,-rpath,{libdir}",
                 "GOFLAGS": "-mod=mod", "GO111MODULE": "off", "GOCACHE": str(context.build / "go-cache"),
                 "CC": context.c[0].command}
        done = command("go", "build", "-o", go, PROGRAMS / "read.go", env=environment(**flags))
        context.check("read.go builds", done.stdout if done.returncode else "")
        run("read.go", go, sample, ANYRING_ENGINE="auto")
    else:
        context.skip("read.go", "go is not installed")
    python = python_with("ziglang")
    zig = ["zig"] if have("zig") else [python, "-m", "ziglang"] if python else []
    if zig:
        with tempfile.TemporaryDirectory(dir=context.build) as folder:
            shutil.copy(PROGRAMS / "read.zig", folder)
            caches = {"ZIG_LOCAL_CACHE_DIR": folder, "ZIG_GLOBAL_CACHE_DIR": str(context.build / "zig-cache"),
                      "ANYRING_ENGINE": "auto"}
            done = command(*zig, "translate-c", include / "liburing-ffi.h", env=environment(**caches))
            pathlib.Path(folder, "uring.zig").write_text(done.stdout)
            run("read.zig", *zig, "run", pathlib.Path(folder, "read.zig"), f"-L{libdir}", "-rpath", libdir,
                "-luring-ffi", "-lc", "--", sample, **caches)
    else:
        context.skip("read.zig", "zig is not installed (the package ziglang of Python's index has it)")


def documented(context: Context) -> None:
    """docs/bindings.md shows the programs that are run here, to the letter."""
    page = (PROJECT / "docs/bindings.md").read_text()
    for program in sorted(PROGRAMS.iterdir()):
        context.check(f"docs/bindings.md shows {program.name}",
                      "" if program.read_text().rstrip() in page else "not as it is")


def run(context: Context) -> None:
    interface = json.loads((context.include / "liburing-ffi.json").read_text())
    names = {row["name"] for row in facts("symbols")["functions"] if row["liburing_ffi_so"]}
    if names:
        context.check("the functions of liburing-ffi.so.2", difference(set(interface["functions"]) & names, names))
    for compiler in context.c:
        flags = ["-std=gnu11", "-Wall", context.flag()]
        for name, source in (("interface-c", of_c(interface)), ("interface-plain", of_plain(interface))):
            _, problem = compile_object(context, compiler, name, source, flags)
            context.check(f"{name} with {compiler.command}", problem)
    symbols = {line.split()[-1].split("@")[0] for line in
               command("nm", "-D", "--defined-only", context.libdir / "liburing-ffi.so.2").stdout.splitlines()
               if " T " in line}
    context.check("every exported function is described", difference(set(interface["functions"]), symbols))
    library = context.libdir / "liburing-ffi.so.2"
    parsers(context, interface, library)
    programs(context, library)
    documented(context)
