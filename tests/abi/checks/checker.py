"""That the assertions of the other checks can fail, one at a time."""

import dataclasses

from common import Context
from sheet import judge, sheet

ITEMS = {
    False: [
        ("true", '_Static_assert(1, "");'),
        ("false", '_Static_assert(IORING_OP_NOP == 1, "");'),
        ("in two lines", "#if IO_URING_VERSION_MAJOR != 99\n#error\n#endif"),
        ("true again", '_Static_assert(sizeof(struct io_uring_sqe) == 64, "");'),
        ("unknown name", '_Static_assert(NO_SUCH_NAME == 1, "");'),
        ("in a macro", '_Static_assert(IO_URING_CHECK_VERSION(NO_SUCH_NAME, 1), "");'),
    ],
}
ITEMS[True] = [(label, text.replace("_Static_assert", "static_assert")) for label, text in ITEMS[False]]


def run(context: Context) -> None:
    for compiler in context.compilers:
        head = "#include <liburing.h>\n"
        problems, stray = judge(context, compiler, "checker", [context.flag()], head, ITEMS[compiler.cxx])
        wrong = sorted(problems) != [1, 2, 4, 5] or stray
        context.check(f"false assertions are told from true ones, {compiler.command}",
                      f"{problems} {stray}" if wrong else "")
        inner = dataclasses.replace(context, quiet=True, passed=0, failed=0, skipped=0)
        sheet(inner, "counted", compiler, [context.flag()], head, ITEMS[compiler.cxx])
        sheet(inner, "broken head", compiler, [context.flag()], "#include <no-such-header.h>\n",
              ITEMS[compiler.cxx])
        counts = (inner.passed, inner.failed, inner.skipped)
        context.check(f"and counted, {compiler.command}", "" if counts == (2, 5, 0) else str(counts))
