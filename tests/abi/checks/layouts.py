"""Size, alignment, offset and type of every struct member, in C and in C++."""

from common import Context
from sheet import sheet
from tables import HEAD, layouts


def run(context: Context) -> None:
    for compiler in context.compilers:
        flags = ["-std=gnu++17" if compiler.cxx else "-std=gnu11", context.flag()]
        sheet(context, "layouts", compiler, flags, HEAD[compiler.cxx], layouts(compiler.cxx))
