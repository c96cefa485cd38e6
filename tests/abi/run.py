#!/usr/bin/env python3
"""Proves that the built libraries and headers equal the fact tables.

Runs every module in checks/: each has a function `run(context)`. Ends with
`N passed, N failed, N skipped`.
"""

import argparse
import importlib.util
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from common import HERE, Context, Skip  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--include", type=pathlib.Path, required=True)
    parser.add_argument("--libdir", type=pathlib.Path, required=True)
    parser.add_argument("--build-dir", type=pathlib.Path, default=pathlib.Path("target/abi"))
    parser.add_argument("--peer", action="store_true", help="compare with an installed liburing")
    parser.add_argument("--only", help="run this module alone")
    arguments = parser.parse_args()
    arguments.build_dir.mkdir(parents=True, exist_ok=True)
    context = Context(
        arguments.include.resolve(),
        arguments.libdir.resolve(),
        arguments.build_dir.resolve(),
        arguments.peer,
    )
    for path in sorted((HERE / "checks").glob("*.py")):
        if arguments.only and path.stem != arguments.only:
            continue
        before = (context.passed, context.failed, context.skipped)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        try:
            module.run(context)
        except Skip as reason:
            context.skip(path.stem, str(reason))
        after = (context.passed, context.failed, context.skipped)
        counts = [now - then for now, then in zip(after, before)]
        if not any(counts):
            context.check(path.stem, "checked nothing")
        print(f"{path.stem}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
    print(f"{context.passed} passed, {context.failed} failed, {context.skipped} skipped")
    return 1 if context.failed or not context.passed else 0


if __name__ == "__main__":
    sys.exit(main())
