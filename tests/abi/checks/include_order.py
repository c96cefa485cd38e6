"""Headers of the system, also old ones, before and after liburing.h."""

import pathlib

from common import Compiler, Context, compile_object, facts
from sheet import judge
from tables import HEAD, layouts, values

SYSTEM = ["linux/io_uring.h", "linux/openat2.h", "linux/fs.h", "linux/stat.h", "linux/time_types.h",
          "linux/futex.h", "linux/blkdev.h", "sys/stat.h", "sys/mount.h",
          "sys/epoll.h", "sys/wait.h", "sys/syscall.h", "sys/mman.h", "poll.h", "fcntl.h", "signal.h", "unistd.h"]

# Kernel headers of two ages in our own words: their guard, a few constants and
# the first members of two structs, as they were before most operations came.
OLD_KERNELS = {
    "unnamed-enum": """
#ifndef LINUX_IO_URING_H
#define LINUX_IO_URING_H
#include <linux/fs.h>
#include <linux/types.h>
struct io_uring_sqe {
	__u8 opcode; __u8 flags; __u16 ioprio; __s32 fd; __u64 off; __u64 addr; __u32 len;
	union { __kernel_rwf_t rw_flags; __u32 fsync_flags; __u16 poll_events; };
	__u64 user_data;
	union { __u16 buf_index; __u64 __pad2[3]; };
};
struct io_uring_cqe { __u64 user_data; __s32 res; __u32 flags; };
#define IOSQE_FIXED_FILE (1U << 0)
#define IORING_SETUP_IOPOLL (1U << 0)
#define IORING_OP_NOP 0
#define IORING_OP_READV 1
#define IORING_ENTER_GETEVENTS (1U << 0)
#define IORING_REGISTER_BUFFERS 0
#define IORING_OFF_SQ_RING 0ULL
struct io_sqring_offsets { __u32 head, tail, ring_mask, ring_entries, flags, dropped, array, resv1; __u64 resv2; };
struct io_uring_params { __u32 sq_entries, cq_entries, flags; };
#endif
""",
    "named-enum": """
#ifndef LINUX_IO_URING_H
#define LINUX_IO_URING_H
#include <linux/types.h>
#include <linux/time_types.h>
struct io_uring_sqe { __u8 opcode; __u8 flags; __u16 ioprio; __s32 fd; __u64 rest[7]; };
struct io_uring_cqe { __u64 user_data; __s32 res; __u32 flags; __u64 big_cqe[]; };
enum io_uring_sqe_flags_bit { IOSQE_FIXED_FILE_BIT, IOSQE_IO_DRAIN_BIT };
enum io_uring_op { IORING_OP_NOP, IORING_OP_READV, IORING_OP_LAST };
enum io_uring_register_op { IORING_REGISTER_BUFFERS = 0, IORING_REGISTER_LAST };
enum { IORING_CQE_BUFFER_SHIFT = 16 };
#define IORING_CQE_F_MORE (1U << 1)
struct io_uring_buf { __u64 addr; __u32 len; __u16 bid; __u16 resv; };
struct io_uring_sync_cancel_reg { __u64 addr; };
#endif
""",
}

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
	io_uring_prep_openat2(sqe, 1, "", (struct open_how *) NULL);
	io_uring_for_each_cqe(ring, head, cqe)
		seen += cqe->res;
	return seen;
}
"""


def included(*names: str) -> str:
    return "".join(f"#include <{name}>\n" for name in names)


def pair(context: Context, compiler: Compiler, header: str, first: bool, flags: list) -> None:
    name = f"<{header}> {'before' if first else 'after'} liburing.h, {compiler.command} {' '.join(flags)}"
    _, missing = compile_object(context, compiler, "lone", included("sys/types.h", header), flags)
    if missing:
        context.skip(name, "this system has no such header that compiles by itself")
        return
    # A clash among the system's own headers is none of ours: the same headers
    # that liburing.h is to include, without it.
    table = facts("headers")
    theirs = table["liburing_h_includes_system"] + ["linux/fs.h", "linux/types.h", "linux/time_types.h",
                                                    "linux/openat2.h", "linux/ioctl.h"]
    order = [header, *theirs] if first else [*theirs, header]
    _, clash = compile_object(context, compiler, "theirs", included(*order), flags)
    if clash:
        context.skip(name, "clashes with the system's own headers, without liburing.h too")
        return
    order = [header, "liburing.h"] if first else ["liburing.h", header]
    _, problem = compile_object(context, compiler, "order", included(*order) + USE,
                                [*flags, "-Wall", "-Wextra", "-Werror", context.flag()])
    context.check(name, problem)


def old_kernel(context: Context, compiler: Compiler, name: str, folder: pathlib.Path) -> None:
    """With an older kernel header first or last, every constant and struct is right."""
    flags = ["-std=gnu++17" if compiler.cxx else "-std=gnu11", f"-I{folder}", context.flag()]
    kernel = included("linux/io_uring.h")
    plain = HEAD[compiler.cxx]
    items = values(compiler.cxx) + layouts(compiler.cxx)
    for when, head in (("before", kernel + plain), ("after", plain + kernel)):
        problems, stray = judge(context, compiler, "old-tables", flags, head, items)
        wrong = stray[:5] + [f"{items[at][0]}: {what}" for at, what in sorted(problems.items())]
        context.check(f"{name} linux/io_uring.h {when}, {len(items)} facts, {compiler.command}", "\n".join(wrong[:20]))
        _, problem = compile_object(context, compiler, "old", head + USE,
                                    [*flags, "-Wall", "-Wextra", "-Werror"])
        context.check(f"{name} linux/io_uring.h {when}, used, {compiler.command}", problem)


def own_block_commands(context: Context, compiler: Compiler) -> None:
    """A system that has the block commands keeps its own."""
    folder = context.build / "with-blkdev"
    (folder / "linux").mkdir(parents=True, exist_ok=True)
    (folder / "linux" / "blkdev.h").write_text(
        "#ifndef OWN_BLKDEV_H\n#define OWN_BLKDEV_H\n#include <linux/ioctl.h>\n"
        "#define BLOCK_URING_CMD_DISCARD _IO(0x12, 0)\n#define OWN_BLKDEV 1\n#endif\n")
    source = ("#include <liburing.h>\n#ifndef OWN_BLKDEV\n#error not included\n#endif\n"
              "#if BLOCK_URING_CMD_DISCARD != _IO(0x12, 0) || BLOCK_URING_CMD_ZONE_RESET_ALL != _IO(0x12, 1)\n"
              "#error differs\n#endif\nextern int nothing;\n")
    _, problem = compile_object(context, compiler, "blkdev", source,
                                ["-Wall", "-Wextra", "-Werror", f"-I{folder}", context.flag()])
    context.check(f"block commands of the system, {compiler.command}", problem)


def run(context: Context) -> None:
    for compiler in context.compilers:
        gnu = ["-std=gnu++17"] if compiler.cxx else ["-std=gnu11", "-D_GNU_SOURCE"]
        for header in SYSTEM:
            for first in (True, False):
                pair(context, compiler, header, first, gnu)
        if not compiler.cxx:
            for header in ("linux/io_uring.h", "linux/fs.h", "sys/stat.h"):
                for first in (True, False):
                    pair(context, compiler, header, first, ["-std=gnu11"])
        for name, text in OLD_KERNELS.items():
            folder = context.build / f"old-{name}"
            (folder / "linux").mkdir(parents=True, exist_ok=True)
            (folder / "linux" / "io_uring.h").write_text(text)
            old_kernel(context, compiler, f"an old ({name})", folder)
        _, missing = compile_object(context, compiler, "system-kernel", included("linux/io_uring.h"), [])
        if missing:
            context.skip(f"linux/io_uring.h of the system, {compiler.command}", "not installed")
        else:
            old_kernel(context, compiler, "the system's", context.build)
        own_block_commands(context, compiler)
