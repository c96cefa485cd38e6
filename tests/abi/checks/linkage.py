"""What the inline functions are to the linker, and who may choose."""

import re

from common import (Compiler, Context, command, compile_object, compile_program, ends_well,
                    functions, link_flags, output_of)


def inline_functions(*classes: str) -> set:
    return {f["name"] for f in functions() if f["inline_class"] in classes}


def external(context: Context, compiler: Compiler) -> None:
    """IOURINGINLINE defined as nothing makes ordinary functions."""
    source = "#define IOURINGINLINE\n#include <liburing.h>\n"
    for flag in ("-O0", "-O2"):
        target, problem = compile_object(context, compiler, "external", source,
                                         [flag, "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", context.flag()])
        name = f"IOURINGINLINE as nothing, {compiler.command} {flag}"
        if problem:
            context.check(name, problem)
            continue
        lines = [line.split() for line in output_of("nm", target).splitlines()]
        found = {words[2] for words in lines if len(words) == 3 and words[1] == "T"}
        wanted = inline_functions("ffi")
        for function in sorted(wanted):
            context.check(f"{name}: {function}", "" if function in found else "not defined as T")
        context.check(f"{name}: nothing else", ", ".join(sorted(found - wanted)))


def own_lines(context: Context, compiler: Compiler, flag: str) -> str:
    """The preprocessed text that comes from our headers."""
    file = context.write(f"text{compiler.suffix}", "#include <liburing.h>\n")
    kept, ours = [], False
    for line in output_of(compiler.command, flag, "-D_GNU_SOURCE", "-E", context.flag(), file).splitlines():
        marker = re.match(r'# \d+ "(.*?)"', line)
        if marker:
            ours = marker[1].startswith(str(context.include))
        elif ours:
            kept.append(line)
    return re.sub(r'"(\\.|[^"\\])*"', '""', "\n".join(kept))


def definitions(text: str) -> dict:
    """Function name -> the words before the name, for every function with a body."""
    found, pieces = {}, re.split(r"([;{}])", text)
    for head, end in zip(pieces[::2], pieces[1::2]):
        name = re.search(r"\b(?!__attribute__\b)(\w+)\s*\(", head)
        if end == "{" and name:
            found.setdefault(name[1], set(re.findall(r"\w+", head[: name.start()])))
    return found


def text_of(context: Context, compiler: Compiler, standard: str, static: bool) -> None:
    flag = context.standard(compiler, standard)
    if not flag:
        return
    text = own_lines(context, compiler, flag)
    found = definitions(text)
    where = f"{compiler.command} {flag}"
    for name in sorted(inline_functions("ffi", "local")):
        words = found.get(name, set())
        inline = bool(words & {"inline", "__inline", "__inline__"})
        problem = "" if inline and ("static" in words) == static else f"declared as {sorted(words) or 'nothing'}"
        context.check(f"linkage of {name}, {where}", problem)
    if not static:
        # Nothing at all may be local to a translation unit, templates included.
        context.check(f"no static, {where}", "static" if re.search(r"\bstatic\b", text) else "")


def table_of_all(unit: str) -> str:
    rows = "".join(f"\t(any) &{name},\n" for name in sorted(inline_functions("ffi", "local")))
    return (f"#include <liburing.h>\ntypedef void (*any)(void);\nextern const any table_{unit}[];\n"
            f"const any table_{unit}[] = {{\n{rows}}};\n")


def two_units(context: Context, compiler: Compiler, standard: str) -> None:
    """Two units with every inline function in both; from C++20 on one of each remains."""
    flag = context.standard(compiler, standard)
    if not flag:
        return
    flags = [flag, "-D_GNU_SOURCE", "-O0", "-w", context.flag()]
    other, problem = compile_object(context, compiler, "unit-b", table_of_all("b"), flags)
    name = f"two units, {compiler.command} {flag}"
    if problem:
        context.check(name, problem)
        return
    same = "==" if standard in ("c++20", "c++23") else "!="
    source = table_of_all("a") + (
        "extern const any table_b[];\nint main(void)\n{\n"
        "\tfor (unsigned i = 0; i < sizeof(table_a) / sizeof(table_a[0]); i++)\n"
        f"\t\tif (!(table_a[i] {same} table_b[i]) && table_a[i] != (any) &io_uring_get_sqe)\n"
        "\t\t\treturn 1;\n\treturn 0;\n}\n")
    program, problem = compile_program(context, compiler, "unit-a", source, flags,
                                       [other, *link_flags(context)])
    context.check(name, problem or ends_well(program))


MODULE = """
module;
#include <liburing.h>
export module rings;
export inline void nop(io_uring_sqe *sqe) { io_uring_prep_nop(sqe); }
export inline int peek(io_uring *ring)
{
	io_uring_cqe *cqe;

	io_uring_prep_nop(io_uring_get_sqe(ring));
	return io_uring_peek_cqe(ring, &cqe);
}
export inline unsigned ready(const io_uring *ring) { return io_uring_cq_ready(ring); }
export template <typename T> void walk(io_uring *ring, T each)
{
	io_uring_cqe *cqe;
	unsigned head;

	io_uring_for_each_cqe(ring, head, cqe)
		each(cqe);
}
"""


def module(context: Context, compiler: Compiler) -> None:
    """An exported inline function of a C++20 module may call ours."""
    flag = context.standard(compiler, "c++20")
    if not flag:
        return
    clang = "clang" in compiler.command

    def build(name: str, source: str) -> str:
        file = context.write(f"{name}.cppm", source)
        words = ["--precompile", "-o", file.with_suffix(".pcm")] if clang else \
            ["-fmodules-ts", f"-fmodule-mapper={context.build}/{name}.map", "-x", "c++", "-c",
             "-o", file.with_suffix(".o")]
        context.write(f"{name}.map", f"rings {context.build}/{name}.gcm\n")
        done = command(compiler.command, flag, *words, context.flag(), file)
        return done.stdout if done.returncode else ""

    name = f"in a C++20 module, {compiler.command}"
    control = MODULE.replace("#include <liburing.h>", "#include <atomic>\n#include <sys/socket.h>\n#include <time.h>\n"
                             "#include <fcntl.h>\n#include <linux/fs.h>")
    control = control[:control.index("export inline")] + "export inline int one() { return 1; }\n"
    if build("control", control):
        context.skip(name, "the compiler cannot make a module of the system's headers alone")
        return
    context.check(name, build("module", MODULE))


def run(context: Context) -> None:
    for compiler in context.compilers:
        external(context, compiler)
        for standard, static in (("c++17", True), ("c++20", False), ("c++23", False)) if compiler.cxx else \
                (("gnu11", True), ("c23", True)):
            text_of(context, compiler, standard, static)
            two_units(context, compiler, standard)
        if compiler.cxx:
            module(context, compiler)
