#!/usr/bin/env python3
"""Counts `unsafe` in the crates, and checks docs/safety.md against what is there.

Prints for each crate the blocks, functions and implementations that are unsafe, in its
sources without its tests; with --files for each file. Fails if a crate is not in the
table of docs/safety.md, or if one whose rule there begins with "forbidden" or "none" has
unsafe code.
"""

import collections
import pathlib
import re
import sys

PROJECT = pathlib.Path(__file__).resolve().parent.parent
KINDS = ("block", "fn", "impl", "trait", "extern")

# What may hold the word without its meaning: comments (nested ones, too, as far as one
# level), strings, raw strings, characters.
ELSEWHERE = re.compile(
    r"""//[^\n]*|/\*(?:[^*/]|\*(?!/)|/(?!\*)|/\*.*?\*/)*\*/|b?r(#*)".*?"\1|[bc]?"(?:\\.|[^"\\])*"|b?'(?:\\.[^']*|[^'\\])'""",
    re.S)
UNSAFE = re.compile(r"\bunsafe\s*(\{|fn\b|impl\b|trait\b|extern\s+\"\"\s*(?:fn\b|\{)|extern\b)")


def count(source: str) -> collections.Counter:
    """How often each kind of unsafe code stands in a source."""
    code = ELSEWHERE.sub(lambda match: '""' if match[0].endswith('"') else "", source)
    found: collections.Counter = collections.Counter()
    for match in UNSAFE.finditer(code):
        word = match[1]
        if word == "{":
            found["block"] += 1
        elif word.startswith("extern"):
            found["fn" if word.endswith("fn") else "extern"] += 1
        else:
            found[word] += 1
    return found


def main() -> int:
    faults = []
    table = (PROJECT / "docs/safety.md").read_text().partition("## Where `unsafe` is")[2].partition("\n## ")[0]
    rules = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 4:
            rules.update(dict.fromkeys(re.findall(r"`([\w-]+)`", cells[1]), cells[2]))
    print(f"{'':40}" + "".join(f"{kind:>8}" for kind in KINDS))
    total: collections.Counter = collections.Counter()
    for crate in sorted(path.parent for path in PROJECT.glob("crates/*/Cargo.toml")):
        sources = crate / "src"
        here: collections.Counter = collections.Counter()
        for path in sorted(sources.rglob("*.rs")):
            found = count(path.read_text())
            here += found
            if found and "--files" in sys.argv:
                print(f"{str(path.relative_to(crate.parent)):40}" + "".join(f"{found[kind]:8}" for kind in KINDS))
        print(f"{crate.name:40}" + "".join(f"{here[kind]:8}" for kind in KINDS))
        total += here
        rule = rules.get(crate.name)
        if rule is None:
            faults.append(f"docs/safety.md has no row for {crate.name}")
        elif rule.startswith(("forbidden", "none")) and here:
            faults.append(f"docs/safety.md says that {crate.name} has no unsafe code")
    print(f"{'all':40}" + "".join(f"{total[kind]:8}" for kind in KINDS))
    for fault in faults:
        print(f"failed: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
