"""How big the library is without symbols for debuggers."""

from common import Context, output_of

LIMIT = 100_000


def run(context: Context) -> None:
    for name in ("liburing.so.2", "liburing-ffi.so.2"):
        target = context.build / f"stripped-{name}"
        output_of("strip", "-o", target, context.libdir / name)
        size = target.stat().st_size
        context.say(f"  stripped {name}: {size} bytes")
        if name == "liburing.so.2":
            context.check(f"{name} is below {LIMIT} bytes", "" if size < LIMIT else str(size))
