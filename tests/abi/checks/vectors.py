"""Every prep vector, byte for byte: inline in C and C++, and as ffi symbols."""

from common import Compiler, Context, command, compile_program, facts, functions, link_flags

# The two fills of the tables, and two that follow from them by `effects`.
FILLS = (0x00, 0xA5, 0xFF, 0x5A)

HEAD = """
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <liburing.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static unsigned char memory[128] __attribute__((aligned(64)));
static int current;

static struct io_uring_sqe *sqe_of(int fill)
{
	memset(memory, fill, sizeof(memory));
	return (struct io_uring_sqe *) (void *) memory;
}

/* One line a result; the bytes behind the first 64 have to stay. */
static void compare(int vector, int fill, const char *wanted)
{
	char got[129];
	int i;

	for (i = 0; i < 64; i++)
		sprintf(got + 2 * i, "%02x", memory[i]);
	for (i = 64; i < 128; i++)
		if (memory[i] != fill) {
			printf("%d from %02x: byte %d was written\\n", vector, fill, i);
			return;
		}
	if (memcmp(got, wanted, 128))
		printf("%d from %02x: %s, not %s\\n", vector, fill, got, wanted);
	else
		printf("%d from %02x: ok\\n", vector, fill);
}

static void getter(int vector, __u64 got, __u64 wanted)
{
	if (got == wanted)
		printf("g%d: ok\\n", vector);
	else
		printf("g%d: %llx, not %llx\\n", vector, (unsigned long long) got, (unsigned long long) wanted);
}
"""

SYMBOLS = """
static void *ffi;

/* A program that loads the library by hand has nothing but its symbols. */
static void *symbol(const char *name)
{
	void *found = dlsym(ffi, name);

	if (!found) {
		printf("%d: no symbol %s\\n", current, name);
		fflush(stdout);
		_Exit(1);
	}
	return found;
}
"""

MAIN = """
int main(int argc, char **argv)
{
	unsigned i, fill;

	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	OPEN
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (fill = 0; fill < FILLS; fill++) {
			current = (int) i;
			rows[i].call(fills[fill]);
			compare((int) i, fills[fill], rows[i].wanted[fill]);
		}
	getters();
	(void) argc;
	(void) argv;
	return 0;
}
"""


def ranges(texts: list) -> set:
    """['0', '4-27'] as numbers."""
    found = set()
    for text in texts:
        first, _, last = text.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def effects() -> dict:
    """function -> (bytes written, bytes with bits added, bytes kept)."""
    return {
        e["function"]: (ranges(e["writes"]), {int(at) for at in e["ors_into"]}, ranges(e["keeps"]))
        for e in facts("prep-vectors")["effects"]
    }


def outcome(vector: dict, effect: tuple, fill: int) -> bytes:
    """The 64 bytes after the call, from the tables."""
    zero = bytes.fromhex(vector["from_00"])
    writes, adds, _ = effect
    return bytes(
        zero[at] if at in writes else fill | zero[at] if at in adds else fill for at in range(64)
    )


def argument(kind: str, value: object) -> str:
    number = (int(value, 16) if isinstance(value, str) else value) & (2**64 - 1)
    return f"({kind}) {'(uintptr_t) ' if kind.endswith('*') else ''}{number:#x}ULL"


def call(function: dict, args: dict, callee: str) -> str:
    words = [
        "sqe_of(fill)" if p["type"].startswith("struct io_uring_sqe") else argument(p["type"], args[p["name"]])
        for p in function["params"]
    ]
    return f"{callee}({', '.join(words)})"


def callee_of(function: dict, symbols: bool) -> str:
    if not symbols:
        return function["name"]
    kinds = ", ".join(p["type"] for p in function["params"])
    return f"(({function['return_type']} (*)({kinds})) symbol(\"{function['name']}\"))"


def program(vectors: list, getters: list, symbols: bool) -> str:
    table = {f["name"]: f for f in functions()}
    effect = effects()
    lines, rows = [HEAD], []
    if symbols:
        lines.append(SYMBOLS)
    for position, vector in enumerate(vectors):
        made = call(table[vector["function"]], vector["args"], callee_of(table[vector["function"]], symbols))
        lines.append(f"static void v{position}(int fill) {{ {made}; }}")
        wanted = ", ".join(f'"{outcome(vector, effect[vector["function"]], fill).hex()}"' for fill in FILLS)
        rows.append(f"\t{{ v{position}, {{ {wanted} }} }},")
    lines += [f"#define FILLS {len(FILLS)}",
              f"static const int fills[FILLS] = {{ {', '.join(map(str, FILLS))} }};",
              "static const struct row { void (*call)(int); const char *wanted[FILLS]; } rows[] = {",
              *rows, "};", "static void getters(void)", "{"]
    for position, row in enumerate(getters):
        words = ", ".join(f"0x{row['cqe'][at:at + 2]}" for at in range(0, 32, 2))
        made = callee_of(table[row["function"]], symbols)
        lines.append(f"\t{{ static const unsigned char cqe[16] __attribute__((aligned(8))) = {{ {words} }};\n"
                     f"\t  getter({position}, (__u64) {made}((const struct io_uring_cqe *) (const void *) cqe), "
                     f"{int(row['returns'], 16):#x}ULL); }}")
    opening = ("if (argc < 2 || !(ffi = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL))) "
               "{ printf(\"%s\\n\", dlerror()); return 2; }" if symbols else "")
    return "\n".join(lines) + "\n}\n" + MAIN.replace("OPEN", opening)


def consistent(context: Context, vectors: list) -> None:
    """The two observed fills agree with what `effects` says of the function."""
    effect = effects()
    for position, vector in enumerate(vectors):
        writes, adds, keeps = effect[vector["function"]]
        whole = writes | adds | keeps == set(range(64)) and len(writes) + len(adds) + len(keeps) == 64
        wrong = [fill for fill in (0x00, 0xA5)
                 if outcome(vector, effect[vector["function"]], fill).hex() != vector[f"from_{fill:02x}"]]
        context.check(f"facts on {vector['function']} #{position}", "" if whole and not wrong else
                      "effects and vectors disagree")


def judge(context: Context, title: str, vectors: list, getters: list, run: tuple) -> None:
    """Every expected line has to be there, and say ok."""
    path, problem, arguments = run
    if problem:
        context.check(title, problem)
        return
    done = command(path, *arguments)
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    for position, vector in enumerate(vectors):
        for fill in FILLS:
            got = said.get(f"{position} from {fill:02x}", f"no result; {said.get(str(position), done.stdout[-200:])}")
            context.check(f"{title} {vector['function']}({vector['args']}) from {fill:02x}",
                          "" if got == "ok" else got)
    for position, row in enumerate(getters):
        got = said.get(f"g{position}", "no result")
        context.check(f"{title} {row['function']}({row['cqe']})", "" if got == "ok" else got)
    if done.returncode:
        context.check(title, f"ended with {done.returncode}")


def build(context: Context, compiler: Compiler, name: str, source: str) -> tuple:
    flags = ["-std=gnu++17" if compiler.cxx else "-std=gnu11", "-O2", "-w", context.flag()]
    return compile_program(context, compiler, name, source, flags, [*link_flags(context), "-ldl"])


def run(context: Context) -> None:
    table = facts("prep-vectors")
    vectors, getters = table["vectors"] + table["vectors_other"], table["cqe_getters"]
    consistent(context, vectors)
    for compiler in context.compilers:
        path, problem = build(context, compiler, "vectors", program(vectors, getters, False))
        judge(context, f"inline, {compiler.command}:", vectors, getters, (path, problem, []))
    # The functions of class local are in no library.
    local = {f["name"] for f in functions() if f["inline_class"] == "local"}
    exported = [v for v in vectors if v["function"] not in local]
    compiler = context.c[0]
    path, problem = build(context, compiler, "vectors-symbols", program(exported, getters, True))
    judge(context, "symbol:", exported, getters, (path, problem, [context.libdir / "liburing-ffi.so.2"]))
    for name in sorted(local & {v["function"] for v in vectors}):
        context.skip(f"symbol: {name}", "always inline, in no library; its inline form was called")
