"""Each public header by itself, in every language standard, with every compiler."""

from common import Compiler, Context, compile_object, facts, functions

BASE = ["-Wall", "-Wextra", "-Werror"]
STRICT = ["-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Wcast-qual", "-Wcast-align",
          "-Wpointer-arith", "-Wundef", "-Wmissing-declarations", "-Wredundant-decls", "-Wfloat-equal"]
ONLY = {
    False: ["-Wstrict-prototypes", "-Wmissing-prototypes", "-Wbad-function-cast"],
    True: ["-Wextra-semi", "-Wold-style-cast", "-Wzero-as-null-pointer-constant"],
}
STANDARDS = {
    False: ["gnu89", "c99", "gnu99", "c11", "gnu11", "c17", "c23"],
    True: ["c++11", "c++14", "c++17", "gnu++17", "c++20", "c++23"],
}
LENIENT = ("gnu89", "c99", "gnu99")

USE = """
int use(struct io_uring *ring);
int use(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	unsigned head;
	unsigned seen = 0;

	if (!sqe)
		return -1;
	io_uring_prep_nop(sqe);
	IO_URING_WRITE_ONCE(*ring->sq.ktail, IO_URING_READ_ONCE(*ring->sq.khead));
	io_uring_smp_mb();
	io_uring_smp_store_release(ring->cq.khead, io_uring_smp_load_acquire(ring->cq.ktail));
#if defined(__cplusplus) || __STDC_VERSION__ >= 199901L
	io_uring_for_each_cqe(ring, head, cqe) {
		if (uring_unlikely(cqe->res < 0))
			continue;
		if (uring_likely(cqe->res > 1))
			break;
		seen++;
	}
#else
	for (head = 0; io_uring_peek_batch_cqe(ring, &cqe, 1) && head < 1; head++)
		seen++;
#endif
	return seen > 0;
}
"""


def every_function() -> str:
    """Pulls every body of the header into the object."""
    lines = "".join(f"\tuse_of((any) &{f['name']});\n" for f in functions())
    return ("typedef void (*any)(void);\nvoid use_of(any function);\nvoid use_all(void);\n"
            f"void use_all(void)\n{{\n{lines}}}\n")


def warnings(compiler: Compiler, standard: str) -> list:
    if standard in LENIENT:
        return BASE
    return BASE + STRICT + ONLY[compiler.cxx]


def one(context: Context, compiler: Compiler, standard: str, flag: str) -> None:
    strict = warnings(compiler, standard)
    for header in facts("headers")["public_headers"]:
        # Twice: the guard has to hold.
        source = f"#include <{header}>\n#include <{header}>\nextern int nothing;\n"
        if header == "liburing.h":
            source += USE
        flags = [flag, "-O1", "-D_GNU_SOURCE", *strict, context.flag()]
        _, problem = compile_object(context, compiler, "alone", source, flags)
        context.check(f"{header} alone, {compiler.command} {flag}", problem)
    # The casts of function pointers are the test's own.
    calm = [w for w in strict if w != "-Wold-style-cast"] + ["-Wno-cast-function-type"]
    _, problem = compile_object(context, compiler, "bodies", "#include <liburing.h>\n" + every_function(),
                                [flag, "-O2", "-D_GNU_SOURCE", *calm, context.flag()])
    context.check(f"every function used, {compiler.command} {flag}", problem)
    _, problem = compile_object(context, compiler, "system", "#include <liburing.h>\n" + USE,
                                [flag, "-D_GNU_SOURCE", *BASE, "-isystem", context.include])
    context.check(f"as a system header, {compiler.command} {flag}", problem)


def run(context: Context) -> None:
    for compiler in context.compilers:
        for standard in STANDARDS[compiler.cxx]:
            flag = context.standard(compiler, standard)
            if flag:
                one(context, compiler, standard, flag)
    for compiler in context.c:
        for standard in ("c99", "c11", "c17"):
            flags = [f"-std={standard}", "-D_POSIX_C_SOURCE=200809L", *BASE, context.flag()]
            _, problem = compile_object(context, compiler, "posix", "#include <liburing.h>\n" + USE, flags)
            context.check(f"liburing.h with POSIX features only, {compiler.command} {flags[0]}", problem)
