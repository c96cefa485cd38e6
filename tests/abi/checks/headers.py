"""Each header alone, in every language, with every compiler, in every order."""

import itertools

from common import Context, command, compile_source, facts, functions, have, include

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion",
            "-Wcast-qual", "-Wundef", "-Wno-unused-function", "-Werror"]
C_ONLY = ["-Wstrict-prototypes", "-Wmissing-declarations"]
C = ["gnu89", "c99", "c11", "gnu11", "c17", "c2x", "c23"]
CXX = ["c++11", "c++14", "c++17", "c++20", "c++2b", "c++23"]
SYSTEM = ["linux/io_uring.h", "linux/openat2.h", "linux/fs.h", "sys/stat.h", "sys/mount.h",
          "linux/time_types.h", "linux/blkdev.h", "poll.h", "sys/epoll.h", "fcntl.h"]

# An old kernel header in our own words: the guard, a few constants, the first
# form of two structs.
OLD_KERNEL_HEADER = """
#ifndef LINUX_IO_URING_H
#define LINUX_IO_URING_H
#include <linux/types.h>
struct io_uring_sqe {
	__u8 opcode; __u8 flags; __u16 ioprio; __s32 fd; __u64 off; __u64 addr; __u32 len;
	union { __u32 rw_flags; __u32 fsync_flags; }; __u64 user_data; __u64 pad[3];
};
struct io_uring_cqe { __u64 user_data; __s32 res; __u32 flags; };
enum { IORING_OP_NOP, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_LAST };
enum io_uring_op { OLD_DUMMY };
#define IOSQE_FIXED_FILE (1U << 0)
#define IORING_SETUP_IOPOLL (1U<<0)
#define IORING_ENTER_GETEVENTS (1U << 0)
#endif
"""

USE = """
int use(struct io_uring *ring);
int use(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	unsigned head;
	int seen = 0;

	if (!sqe)
		return -1;
	sqe->addr3 = IORING_OP_PIPE + IORING_SETUP_CQE_MIXED + IORING_REGISTER_QUERY;
	io_uring_prep_cmd_sock(sqe, SOCKET_URING_OP_GETSOCKOPT, 1, 2, 3, NULL, 4);
	io_uring_for_each_cqe(ring, head, cqe) {
		struct io_uring_cqe *inner;
		unsigned inner_head;

		io_uring_for_each_cqe(ring, inner_head, inner)
			seen += inner->res;
		seen += cqe->res;
	}
	return seen;
}
"""


def accepts(compiler: str, standard: str) -> bool:
    done = command(compiler, f"-std={standard}", "-x", "c++" if "++" in compiler else "c",
                   "-fsyntax-only", "/dev/null")
    return done.returncode == 0


def alone(context: Context) -> None:
    headers = facts("headers")["public_headers"]
    # compat.h and io_uring.h use what POSIX and GNU feature macros bring.
    for compiler, standards, language in (
        ("gcc", C, C_ONLY), ("clang", C, C_ONLY), ("g++", CXX, []), ("clang++", CXX, []),
    ):
        if not have(compiler):
            context.skip(f"headers with {compiler}", "not installed")
            continue
        for standard in standards:
            if not accepts(compiler, standard):
                continue
            strict = [] if standard in ("gnu89", "c99") else WARNINGS + language
            for header in headers:
                name = f"alone_{compiler}_{standard}_{header}".replace("/", "_").replace("+", "p")
                flags = [f"-std={standard}", "-D_GNU_SOURCE", *strict, include(context)]
                body = f"#include <{header}>\n#include <{header}>\n"
                if header == "liburing.h" and standard != "gnu89":
                    body += USE
                else:
                    body += "extern int nothing;\n"
                _, output = compile_source(context, compiler, name, body, flags)
                context.check(f"{header} alone, {compiler} -std={standard}", output[:1500])
            system = [f"-std={standard}", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
                      "-isystem", context.include]
            _, output = compile_source(
                context, compiler, f"system_{standard}".replace("+", "p"),
                "#include <liburing.h>\nextern int nothing;\n", system)
            context.check(f"as system header, {compiler} -std={standard}", output[:1500])


def orders(context: Context) -> None:
    old = context.build / "old"
    (old / "linux").mkdir(parents=True, exist_ok=True)
    (old / "linux" / "io_uring.h").write_text(OLD_KERNEL_HEADER)
    for compiler, standard in (("cc", "gnu11"), ("c++", "gnu++17")):
        for header, first, extra in itertools.product(SYSTEM, (True, False), ([], [f"-I{old}"])):
            if extra and header != "linux/io_uring.h":
                continue
            plain = f"#include <{header}>\n"
            _, lone = compile_source(context, compiler, "lone", plain, [f"-std={standard}", *extra])
            if lone:
                context.skip(f"<{header}>", "does not compile by itself here")
                continue
            ours = "#include <liburing.h>\n"
            source = (plain + ours if first else ours + plain) + USE
            flags = [f"-std={standard}", "-D_GNU_SOURCE", "-Wall", "-Wextra", *extra, include(context)]
            # A clash between the system's own headers is not ours.
            system = "#include <linux/fs.h>\n#include <sys/wait.h>\n#include <sys/stat.h>\n"
            _, theirs = compile_source(context, compiler, "theirs",
                                       plain + system if first else system + plain,
                                       [f"-std={standard}", "-D_GNU_SOURCE"])
            if theirs:
                context.skip(f"<{header}> {'before' if first else 'after'}",
                             "clashes with <linux/fs.h> by itself")
                continue
            _, output = compile_source(context, compiler, "order", source, flags)
            age = "an old " if extra else ""
            context.check(
                f"{age}<{header}> {'before' if first else 'after'} liburing.h, {compiler}",
                output[:2000])


def linkage(context: Context) -> None:
    wanted = {f["name"] for f in functions() if f["inline_class"] == "ffi"}
    source = "#define _GNU_SOURCE\n#define IOURINGINLINE\n#include <liburing.h>\n"
    target, output = compile_source(context, "cc", "external", source, ["-O2", include(context)])
    found = {
        line.split()[2]
        for line in command("nm", target).stdout.splitlines()
        if len(line.split()) == 3 and line.split()[1] == "T"
    }
    context.check("IOURINGINLINE as nothing", output[:500] or ", ".join(sorted(wanted ^ found)))
    for standard, static in (("c++17", True), ("c++20", False)):
        done = command("c++", f"-std={standard}", "-E", "-P", "-x", "c++", include(context),
                       context.include / "liburing.h")
        got = "static inline void io_uring_prep_nop(" in done.stdout
        context.check(f"linkage in {standard}", "" if got == static and done.returncode == 0
                      else "static" if got else "not static")
    for standard in ("gnu11", "c++20"):
        compiler = "c++" if "+" in standard else "cc"
        objects = []
        for unit in ("a", "b"):
            source = "#include <liburing.h>\n" + USE.replace("use(", f"use_{unit}(")
            if unit == "a":
                source += "int main(void) { return 0; }\n"
            target, _ = compile_source(context, compiler, f"unit_{unit}", source,
                                       [f"-std={standard}", "-O0", include(context)])
            objects.append(target)
        done = command(compiler, *objects, "-o", context.build / "units",
                       f"-L{context.libdir}", "-luring")
        context.check(f"two units, {standard}", done.stdout if done.returncode else "")


def modules(context: Context) -> None:
    """An exported inline function of a module may use what is inline here."""
    source = context.build / "module.cc"
    source.write_text("""module;
#include <liburing.h>
export module check;
export inline int peek(io_uring *ring)
{
	io_uring_cqe *cqe;

	io_uring_prep_nop(io_uring_get_sqe(ring));
	return io_uring_peek_cqe(ring, &cqe);
}
""")
    flags = ["-std=c++20", "-fmodules-ts", include(context)]
    if command("g++", *flags, "-x", "c++", "-fsyntax-only", "/dev/null").returncode:
        context.skip("modules", "this compiler has none")
        return
    done = command("g++", *flags, "-c", source, "-o", context.build / "module.o", cwd=context.build)
    context.check("a C++20 module", done.stdout[:1000] if done.returncode else "")


def run(context: Context) -> None:
    alone(context)
    orders(context)
    linkage(context)
    modules(context)
