#!/usr/bin/env python3
"""Proves that the built libraries and headers equal the fact tables.

Runs every module in checks/: each has a function `run(context)`. Ends with
`N passed, N failed, N skipped`; fails if something failed or nothing ran.
"""

import argparse
import importlib.util
import pathlib
import random
import sys
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from common import HERE, Compiler, Context, Skip, have, twin  # noqa: E402


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--include", type=pathlib.Path, required=True, help="folder of liburing.h")
    parser.add_argument("--libdir", type=pathlib.Path, required=True, help="folder of liburing.so.2")
    parser.add_argument("--build-dir", type=pathlib.Path, default=pathlib.Path("target/abi"))
    parser.add_argument("--peer", action="store_true", help="compare with an installed liburing")
    parser.add_argument("--cc", action="append", help="a C compiler; its C++ twin is used too "
                        "(default: gcc and clang)")
    parser.add_argument("--only", action="append", metavar="NAME", help="a module of checks/")
    parser.add_argument("--seed", type=int, help="of the random arguments")
    return parser.parse_args()


def find_compilers(context: Context, names: list) -> None:
    for name in names:
        for found, cxx, list_ in ((name, False, context.c), (twin(name), True, context.cxx)):
            if have(found):
                list_.append(Compiler(found, cxx))
            else:
                context.skip(f"everything with {found}", "not installed")
    if not context.c:
        raise SystemExit("no C compiler was found")


def run_module(context: Context, path: pathlib.Path) -> None:
    before = (context.passed, context.failed, context.skipped)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        module.run(context)
    except Skip as reason:
        context.skip(path.stem, str(reason))
    except Exception:  # a broken check is a failure, and the others still run
        context.check(path.stem, traceback.format_exc())
    counts = [now - then for now, then in zip((context.passed, context.failed, context.skipped), before)]
    if not any(counts):
        context.check(path.stem, "checked nothing")
        counts[1] = 1
    context.say(f"{path.stem}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")


def main() -> int:
    given = arguments()
    modules = sorted((HERE / "checks").glob("*.py"))
    unknown = set(given.only or []) - {path.stem for path in modules}
    if unknown:
        raise SystemExit(f"no such check: {', '.join(sorted(unknown))}")
    given.build_dir.mkdir(parents=True, exist_ok=True)
    context = Context(
        given.include.resolve(), given.libdir.resolve(), given.build_dir.resolve(), given.peer,
        random.SystemRandom().randrange(2**32) if given.seed is None else given.seed,
    )
    find_compilers(context, given.cc or ["gcc", "clang"])
    for path in modules:
        if not given.only or path.stem in given.only:
            run_module(context, path)
    print(f"{context.passed} passed, {context.failed} failed, {context.skipped} skipped")
    return 1 if context.failed or not context.passed else 0


if __name__ == "__main__":
    sys.exit(main())
