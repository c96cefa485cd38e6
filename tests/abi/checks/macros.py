"""The macros that are more than numbers: defined, usable, and what they do."""

from common import Compiler, Context, compile_object, compile_program, ends_well, facts, link_flags
from sheet import sheet
from tables import ASSERT

# Undefined again at the end of liburing.h.
LINKAGE = ("IOURINGINLINE", "_LOCAL_INLINE")

PROGRAM = """
#include <liburing.h>
#include <stdio.h>
#include <string.h>

static int wrong;
#define EXPECT(what) ((what) ? (void) 0 : (void) (wrong++, printf("line %d: %s\\n", __LINE__, #what)))

#define BARRIERS(type)						\\
	do {							\\
		type word = 5;					\\
		IO_URING_WRITE_ONCE(word, 7);			\\
		EXPECT(word == 7 && IO_URING_READ_ONCE(word) == 7);	\\
		io_uring_smp_store_release(&word, 9);		\\
		EXPECT(word == 9 && io_uring_smp_load_acquire(&word) == 9);	\\
		io_uring_smp_store_release(&word, word);	\\
		io_uring_smp_mb();				\\
	} while (0)

static struct io_uring ring;
static struct io_uring_cqe cqes[8];
static unsigned cq_head, cq_tail, sq_flags;

static void fill(unsigned first, unsigned count)
{
	memset(&ring, 0, sizeof(ring));
	memset(cqes, 0, sizeof(cqes));
	for (unsigned i = 0; i < 8; i++)
		cqes[i].user_data = i;
	cq_head = first;
	cq_tail = first + count;
	ring.sq.kflags = &sq_flags;
	ring.cq.khead = &cq_head;
	ring.cq.ktail = &cq_tail;
	ring.cq.cqes = cqes;
	ring.cq.ring_mask = 7;
	ring.cq.ring_entries = 8;
}

static void plain_walk(void)
{
	struct io_uring_cqe *cqe;
	unsigned head, turns = 0;

	/* Starts right before the indices wrap. */
	fill(0xfffffffeu, 5);
	io_uring_for_each_cqe(&ring, head, cqe) {
		EXPECT(head == 0xfffffffeu + turns);
		EXPECT(cqe == &cqes[(6 + turns) & 7]);
		/* What arrives meanwhile is left for the next walk. */
		cq_tail++;
		turns++;
		if (turns == 2)
			continue;
		EXPECT(turns != 2);
	}
	EXPECT(turns == 5);
	EXPECT(head == 3);
	EXPECT(cq_head == 0xfffffffeu);
}

static void broken_walk(void)
{
	struct io_uring_cqe *cqe;
	unsigned head, turns = 0;

	fill(2, 4);
	io_uring_for_each_cqe(&ring, head, cqe)
		if (++turns == 3)
			break;
	EXPECT(turns == 3 && head == 4);
	turns = 0;
	fill(2, 0);
	io_uring_for_each_cqe(&ring, head, cqe)
		turns++;
	EXPECT(turns == 0 && head == 2);
}

static void nested_walk(void)
{
	struct io_uring_cqe *outer, *inner;
	unsigned outer_head, inner_head, turns = 0;

	fill(0, 3);
	io_uring_for_each_cqe(&ring, outer_head, outer)
		io_uring_for_each_cqe(&ring, inner_head, inner)
			turns += (unsigned) (outer->user_data * 10 + inner->user_data);
	EXPECT(turns == 3 * 30 + 3 * 3);
}

static void big_entries(void)
{
	struct io_uring_cqe *cqe;
	unsigned head, turns = 0;

	/* Mixed: big, filler, small. Fillers are shown. */
	fill(1, 4);
	ring.flags = IORING_SETUP_CQE_MIXED;
	cqes[1].flags = IORING_CQE_F_32;
	cqes[3].flags = IORING_CQE_F_SKIP;
	io_uring_for_each_cqe(&ring, head, cqe) {
		static const unsigned at[] = { 1, 3, 4 };

		EXPECT(turns < 3 && head == at[turns] && cqe == &cqes[at[turns]]);
		turns++;
	}
	EXPECT(turns == 3 && head == 5);

	/* All entries have 32 bytes: four of them fit the memory. */
	turns = 0;
	fill(0, 3);
	ring.cq.ring_mask = 3;
	ring.cq.ring_entries = 4;
	ring.flags = IORING_SETUP_CQE32;
	io_uring_for_each_cqe(&ring, head, cqe) {
		EXPECT(cqe == &cqes[2 * turns]);
		turns++;
	}
	EXPECT(turns == 3);
}

int main(void)
{
	BARRIERS(unsigned char);
	BARRIERS(unsigned short);
	BARRIERS(unsigned);
	BARRIERS(int);
	BARRIERS(__u64);
	plain_walk();
	broken_walk();
	nested_walk();
	big_entries();
	EXPECT(uring_likely(5) == 1 && uring_likely(0) == 0);
	EXPECT(uring_unlikely(5) == 1 && uring_unlikely(0) == 0);
	EXPECT(io_uring_check_version(2, 15) == 0 && io_uring_check_version(2, 16));
	return wrong != 0;
}
"""


def items(compiler: Compiler) -> list:
    check, found = ASSERT[compiler.cxx], []
    for macro in facts("macros")["macros"]:
        name = macro["name"]
        if name in LINKAGE:
            found.append((f"{name} does not leak", f"#ifdef {name}\n#error leaks\n#endif"))
            continue
        # In C++ the barriers are functions.
        if compiler.cxx and macro["header"] == "liburing/barrier.h" and macro["kind"] != "include guard":
            continue
        found.append((f"{name} is defined", f"#ifndef {name}\n#error missing\n#endif"))
        if macro["kind"] in ("include guard", "empty marker"):
            found.append((f"{name} is empty", f'{check}(sizeof(TEXT({name})) == 1, "empty");'))
        if macro["kind"] in ("number", "integer expression") and macro["params"] is None:
            found.append((f"{name} is a constant", f'{check}(({name}) == ({name}), "constant");'))
    for major, minor, older in ((2, 15, 0), (2, 14, 0), (1, 99, 0), (2, 16, 1), (3, 0, 1), (0, 0, 0)):
        version = f"IO_URING_CHECK_VERSION({major}, {minor})"
        found.append((version, f'{check}(!!{version} == {older}, "version");'))
        found.append((f"{version} in #if", f"#if !!{version} != {older}\n#error differs\n#endif"))
    timeout = "sizeof(LIBURING_UDATA_TIMEOUT) == sizeof(__u64) && LIBURING_UDATA_TIMEOUT == ~0ULL"
    found.append(("LIBURING_UDATA_TIMEOUT", f'{check}({timeout}, "all ones");'))
    if compiler.cxx:
        found.append(("LIBURING_NOEXCEPT", "void calm(int) LIBURING_NOEXCEPT;\n"
                      'static_assert(noexcept(calm(1)), "noexcept");'))
    else:
        found.append(("LIBURING_NOEXCEPT", '_Static_assert(sizeof(TEXT(LIBURING_NOEXCEPT)) == 1, "empty");'))
    return found


def own_hints(context: Context, compiler: Compiler) -> None:
    """A program's own branch hints stay, and do not warn."""
    source = ("#define uring_likely(x) (x)\n#define uring_unlikely(x) (x)\n#include <liburing.h>\n"
              "extern char kept[uring_likely(3) == 3 && uring_unlikely(4) == 4 ? 1 : -1];\n")
    _, problem = compile_object(context, compiler, "hints", source, ["-Wall", "-Wextra", context.flag()])
    context.check(f"own uring_likely, {compiler.command}", problem)


def run(context: Context) -> None:
    head = "#include <liburing.h>\n#define TEXT(x) TEXT_OF(x)\n#define TEXT_OF(x) #x\n"
    for compiler in context.compilers:
        standard = "-std=gnu++17" if compiler.cxx else "-std=gnu11"
        sheet(context, "macros", compiler, [standard, context.flag()], head, items(compiler))
        own_hints(context, compiler)
        for flag in ("-O0", "-O2"):
            program, problem = compile_program(
                context, compiler, "macros-run", PROGRAM,
                [standard, flag, "-Wall", "-Wextra", "-Werror", context.flag()], link_flags(context))
            context.check(f"walks and barriers, {compiler.command} {flag}", problem or ends_well(program))
