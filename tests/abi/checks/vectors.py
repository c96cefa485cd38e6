"""Every prep vector, byte for byte: inline in C and C++, and as ffi symbols."""

from common import Context, all_vectors, command, compile_source, facts, functions, include

HEAD = """
#define _GNU_SOURCE
#include <liburing.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static unsigned long checked, wrong;
static unsigned char memory[128] __attribute__((aligned(64)));

static struct io_uring_sqe *filled(int byte)
{
	memset(memory, byte, sizeof(memory));
	return (struct io_uring_sqe *) (void *) memory;
}

static void compare(const char *name, const char *hex, int fill)
{
	char got[129];
	int i;

	for (i = 0; i < 64; i++)
		sprintf(got + 2 * i, "%02x", memory[i]);
	checked++;
	for (i = 64; i < 128; i++)
		if (memory[i] != fill)
			got[0] = '?';
	if (memcmp(got, hex, 128)) {
		wrong++;
		printf("%s from %02x: %s, not %s\\n", name, fill, got, hex);
	}
}
"""


def argument(kind: str, value) -> str:
    number = int(value, 16) if isinstance(value, str) else value
    if kind.endswith("*"):
        return f"({kind}) (uintptr_t) {number & (2**64 - 1):#x}ULL"
    return f"({kind}) {number & (2**64 - 1):#x}ULL"


def call(function: dict, args: dict, callee: str) -> str:
    words = []
    for parameter in function["params"]:
        if parameter["type"].startswith("struct io_uring_sqe"):
            words.append("filled(fill)")
        else:
            words.append(argument(parameter["type"], args[parameter["name"]]))
    return f"{callee}({', '.join(words)})"


def source(symbols: bool) -> str:
    table = {f["name"]: f for f in functions()}
    lines = [HEAD, "static void *ffi;", "static void *symbol(const char *name)", "{",
             "\tvoid *found = dlsym(ffi, name);", "\tif (!found) { printf(\"no symbol %s\\n\", name); wrong++; }",
             "\treturn found;", "}"]
    body = []
    for position, vector in enumerate(all_vectors()):
        function = table[vector["function"]]
        name = function["name"]
        if symbols:
            if function["inline_class"] == "local":
                continue
            types = ", ".join(p["type"] for p in function["params"])
            callee = f"(({function['return_type']} (*)({types})) symbol(\"{name}\"))"
        else:
            callee = name
        lines.append(f"static void v{position}(void)\n{{\n\tint fill = 0x00;\n"
                     f"\t{call(function, vector['args'], callee)};\n\tcompare(\"{name}\", \"{vector['from_00']}\", 0x00);\n"
                     f"\tfill = 0xa5;\n\t{call(function, vector['args'], callee)};\n"
                     f"\tcompare(\"{name}\", \"{vector['from_a5']}\", 0xa5);\n}}")
        body.append(f"\tv{position}();")
    for getter in facts("prep-vectors")["cqe_getters"]:
        name, raw = getter["function"], getter["cqe"]
        number = f"{int(getter['returns'], 16):#x}ULL"
        words = ", ".join(f"0x{raw[i:i + 2]}" for i in range(0, 32, 2))
        body.append(f"\t{{ static const unsigned char cqe[16] __attribute__((aligned(8))) = {{ {words} }};\n"
                    f"\t  checked++; if ((__u64) {name}((const struct io_uring_cqe *) (const void *) cqe) != {number})"
                    f" {{ wrong++; printf(\"{name}\\n\"); }} }}")
    lines += ["int main(int argc, char **argv)", "{",
              "\tif (argc > 1 && !(ffi = dlopen(argv[1], RTLD_NOW))) { printf(\"%s\\n\", dlerror()); return 2; }",
              "\t(void) symbol; (void) ffi;", *body,
              "\tprintf(\"%lu checked\\n\", checked);", "\treturn wrong != 0;", "}"]
    return "\n".join(lines) + "\n"


def run(context: Context) -> None:
    warnings = ["-w", "-O2"]
    for name, compiler, symbols, arguments in (
        ("vectors_inline_c", "cc", False, []),
        ("vectors_inline_cc", "c++", False, []),
        ("vectors_symbols", "cc", True, [context.libdir / "liburing-ffi.so.2"]),
    ):
        text = source(symbols)
        if compiler == "c++":
            text = text.replace("#define _GNU_SOURCE\n", "")
        flags = ["-std=gnu++17" if compiler == "c++" else "-std=gnu11", *warnings, include(context)]
        target, output = compile_source(context, compiler, name, text, flags)
        program = context.build / name
        if not output:
            output = command(compiler, target, "-o", program, f"-L{context.libdir}", "-luring", "-ldl",
                             f"-Wl,-rpath,{context.libdir}").stdout
        done = command(program, *arguments)
        problem = output or ("" if done.returncode == 0 else done.stdout[:2000])
        context.check(f"{name}: {done.stdout.splitlines()[-1] if done.stdout else ''}", problem)
        print(f"  {name}: {done.stdout.strip().splitlines()[-1]}")
