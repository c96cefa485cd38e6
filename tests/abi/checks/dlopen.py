"""Every name of the ffi library can be had by hand, as SDL and bindings do it."""

import ctypes

from common import Context, functions


def run(context: Context) -> None:
    library = ctypes.CDLL(str(context.libdir / "liburing-ffi.so.2"))
    for function in functions():
        # In the archive means: in the shared one too, here (additions.txt).
        if function["in_ffi_archive"]:
            context.check(f"dlsym {function['name']}",
                          "" if hasattr(library, function["name"]) else "not found")
    context.check("dlsym of what is not there", "found" if hasattr(library, "io_uring_no_such") else "")
    version = library.io_uring_major_version(), library.io_uring_minor_version()
    context.check("version of the loaded library", "" if version == (2, 15) else str(version))
