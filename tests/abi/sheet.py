"""Many compile-time assertions in one compilation, each counted by itself."""

import re

from common import Compiler, Context, command

ERROR = re.compile(r"^(?P<file>[^:\s][^:]*):(?P<line>\d+):(?:\d+:)? (?:fatal )?error: (?P<what>.*)")
# Where a macro of a header is at fault, the line of its use follows as a note.
PLACE = re.compile(r"^(?P<file>[^:\s][^:]*):(?P<line>\d+):")


def judge(context: Context, compiler: Compiler, name: str, flags: list, head: str, items: list,
          silence: str = "-w") -> tuple:
    """What the compiler objects to: by item, and outside of all of them.

    An item is (label, text); its text may have several lines.
    """
    text, owner = head.rstrip("\n") + "\n", {}
    line = text.count("\n") + 1
    for position, (_, source) in enumerate(items):
        for offset in range(source.count("\n") + 1):
            owner[line + offset] = position
        text += source + "\n"
        line += source.count("\n") + 1
    file = context.write(f"{name}-{compiler.label}{compiler.suffix}", text)
    all_errors = "-ferror-limit=0" if "clang" in compiler.command else "-fmax-errors=0"
    done = command(compiler.command, silence, "-fsyntax-only", all_errors, *flags, file)
    problems, stray = {}, []
    pending = None
    for said in done.stdout.splitlines():
        error = ERROR.match(said)
        if error:
            if pending:
                stray.append(pending)
            pending = (error["file"] == str(file) and error["what"]) or said
        place = PLACE.match(said)
        if pending and place and place["file"] == str(file) and int(place["line"]) in owner:
            problems.setdefault(owner[int(place["line"])], pending)
            pending = None
    if pending:
        stray.append(pending)
    if done.returncode and not problems and not stray:
        stray.append(done.stdout or "failed without a word")
    return problems, stray


def sheet(context: Context, title: str, compiler: Compiler, flags: list, head: str, items: list) -> None:
    """Counts every item: it passes when the compiler has nothing against it."""
    name = re.sub(r"\W+", "-", title)
    problems, stray = judge(context, compiler, name, flags, head, items)
    if stray:
        # The items behind such an error may not have been looked at.
        context.check(f"{title}, {compiler.command}", "does not compile: " + "\n".join(stray[:5]))
        return
    for position, (label, _) in enumerate(items):
        context.check(f"{title}, {compiler.command}: {label}", problems.get(position, ""))
