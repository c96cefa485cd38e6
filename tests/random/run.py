#!/usr/bin/env python3
"""Random programs with signals, threads, forks and others beside them, on kernel and engine.

    run.py --include DIR --libdir DIR --build-dir DIR [--seconds N] [--first SEED] [--seed SEED] [--failures N] [--ends]

program.c makes a program from a seed and says what it sees. It runs on the kernel and on
the engine, each in a process and a folder of its own. Where they differ, the kernel runs it
several times more, with more and more patience: each line that the engine says must be one that the kernel
itself says under that key. What still differs fails; the seed, and the program that is
left when all parts are removed that do not matter, are printed.
With `--ends` it fails only where a program crashes or does not end on the engine, each time
that it is run; other differences are printed. The kernel goes on with a request as soon as the
thread that submitted it returns from any system call, the engine when it looks, so that
programs whose results hang on that moment differ without a fault.
`--seed` runs one program; `--print-runs` shows what both said.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
# Milliseconds without a completion that end a part: first, and when runs are repeated.
PATIENCE = (2, 5, 15, 40, 40, 60)
LIMIT = 30

# What a completion says of its buffers.
BUFFERS = r" buffers?(?: \+[^ ]*| at \d+| content \w+)*"


def added(match):
    """Several completions of one request as one."""
    name = match[1]
    pieces = re.findall(rf" {re.escape(name)}=(\d+) \((\w+)\)( buffers[^=]*?(?= \d+\.|$))?", match[0])
    total = sum(int(res) for res, _, _ in pieces)
    return f" {name}={total}" + "".join(buffers.replace(" buffers", "") for _, _, buffers in pieces)


# What may differ, with the reason: where it stands in a line is put alike on both sides.
KNOWN = (
    (r"=-(?:512|4) \(", "=-125 (",
     "a worker of the kernel's that is cancelled says what the signal did: EINTR, or ERESTARTSYS of splice"),
    (rf"=-125 \(1?1\){BUFFERS}", "=-125 (0)",
     "a worker of the kernel's keeps the buffer of a read that is cancelled"),
    (r" 3001=-?\d+ \(0\)", " 3001=-125 (0)",
     "a request that waits when its thread ends fails on the kernel once it could go on: nothing is left to run it"),
    (rf" (\d+.READ_MULTI@FIFO)=-?\d+ \(\w+\)(?:{BUFFERS})?", r" \1",
     "a multishot read of a file that does not know RWF_NOWAIT gets nothing on the kernel, or one read by a worker"),
    (rf" (\d+.RECV_BUNDLE_MULTI@\w+)=[1-9]\d* \(\w+\)(?:{BUFFERS})?(?: \1=[1-9]\d* \(\w+\)(?:{BUFFERS})?)*", added,
     "a multishot receive of a bundle without a length posts one completion where the kernel may split it"),
)


class Broken(Exception):
    """A run that says nothing about the engine: no memory, no descriptor."""


def run(program, engine, seed, kept, quiet, expect=None):
    """What a program says, by key, and how many completions came in each part."""
    words = [str(program), str(seed), "--quiet", str(quiet)]
    if kept is not None:
        words += ["--keep", ",".join(map(str, kept)) or "999"]
    if expect:
        words += ["--expect", expect]
    folder = tempfile.mkdtemp(prefix="anyring-random-")
    os.chmod(folder, 0o777)
    environment = {**os.environ, "ANYRING_ENGINE": engine}
    try:
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        try:
            text, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            text, _ = process.communicate()
            text += b"end | no end within %d s\n" % LIMIT
        code = process.returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    said, counts = collections.defaultdict(list), ""
    for line in text.decode("utf-8", "replace").splitlines():
        key, _, rest = line.partition(" |")
        for pattern, same, _ in KNOWN:
            rest = re.sub(pattern, same, rest)
        if key == "counts":
            counts = rest.strip()
        elif key == "broken":
            raise Broken(rest)
        elif key == "skip":
            return None, rest
        else:
            said[key].append(rest)
    if code:
        said["exit"].append(f"status {code}")
    return said, counts


def joined(said):
    """The same without the parts in which something came: what is late is in the next one."""
    together = collections.defaultdict(list)
    for key, lines in said.items():
        words = key.split(" part ")
        together[words[0]] += lines
    return {key: "".join(lines) for key, lines in together.items()}


class Kernel:
    """All that the kernel said to one program."""

    def __init__(self):
        self.by_key = collections.defaultdict(set)
        self.together = collections.defaultdict(set)

    def learn(self, said):
        for key, lines in said.items():
            self.by_key[key].add("\n".join(lines))
        for key, lines in joined(said).items():
            self.together[key].add(lines)
        # What it did not say, once.
        for keys, now in ((self.by_key, said), (self.together, joined(said))):
            for key in keys:
                if key not in now:
                    keys[key].add("")

    def refuses(self, said):
        """The first line that the kernel does not say; in its part, or at least in its turn."""
        parts = [key for key in {*said, *self.by_key}
                 if "\n".join(said.get(key, ())) not in self.by_key.get(key, {""})]
        if not parts:
            return None
        now = joined(said)
        for key in sorted({*now, *self.together}):
            if now.get(key, "") not in self.together.get(key, {""}):
                return key
        # Later than on the kernel each time, where that is always at the same time.
        late = [key for key in parts if len(self.by_key.get(key, ())) == 1]
        return min(late, default=None)


def difference(program, seed, kept=None, patience=PATIENCE):
    """What the engine says that the kernel does not, or None; "skip" where the kernel lacks something."""
    kernel, engine = Kernel(), None
    for quiet in patience:
        said, counts = run(program, "kernel", seed, kept, quiet)
        if said is None:
            return "skip", counts
        kernel.learn(said)
        if engine is not None and not kernel.refuses(engine):
            return None
        engine, _ = run(program, "userspace", seed, kept, quiet, counts)
        if not kernel.refuses(engine):
            return None
    key = kernel.refuses(engine)
    now = joined(engine)
    if " part " not in key:
        return key, (sorted(kernel.together.get(key, {"nothing"})), now.get(key, "nothing"))
    return key, (sorted(kernel.by_key.get(key, {"nothing"})), "\n".join(engine.get(key, ())))


def does_not_end(program, seed):
    """Whether a program never comes to its end on the engine, and does on the kernel."""
    ended = "exit"
    for quiet in PATIENCE[:3]:
        if run(program, "userspace", seed, None, quiet)[0].get(ended) is None:
            return False
    return run(program, "kernel", seed, None, PATIENCE[0])[0].get(ended) is None


def parts_of(program, seed):
    """The numbers of the parts of a program, by turn."""
    text = subprocess.run([str(program), str(seed), "--print"], stdout=subprocess.PIPE, text=True, check=True).stdout
    turns = collections.defaultdict(list)
    for turn, part in re.findall(r"^turn (\d+), part (\d+):", text, re.M):
        turns[int(turn)].append(int(part))
    return turns


def shrink(program, seed, key, seconds):
    """The parts without which the difference goes away."""
    end, turns = time.monotonic() + seconds, parts_of(program, seed)
    kept = sum(turns.values(), [])

    def still(fewer):
        try:
            found = difference(program, seed, fewer, (2, 10, 40))
        except Broken:
            return False
        return bool(found) and found[0] != "skip"

    # Most need one turn only; then halves, quarters, and parts one at a time.
    turn = int(key.split()[0]) if key.split()[0].isdigit() else -1
    for fewer in (turns.get(turn, []), [part for at in turns if at <= turn for part in turns[at]]):
        if fewer and len(fewer) < len(kept) and still(fewer):
            kept = fewer
            break
    size = len(kept) // 2
    while size and time.monotonic() < end:
        at, found = 0, False
        while at < len(kept) and time.monotonic() < end:
            fewer = kept[:at] + kept[at + size:]
            if still(fewer):
                kept, found = fewer, True
            else:
                at += size
        if not (found and size == 1):
            size //= 2
    return kept


def report(program, seed, found, seconds):
    kept = shrink(program, seed, found[0], seconds)
    try:
        smaller = difference(program, seed, kept)
    except Broken:
        smaller = None
    key, (kernel, engine) = smaller if smaller and smaller[0] != "skip" else found
    lines = [f"DIFFERS seed {seed}: {key}"]
    lines += [f"  kernel: {line}" for line in kernel] + [f"  engine: {engine}"]
    words = ["--keep", ",".join(map(str, kept))]
    text = subprocess.run([str(program), str(seed), "--print", *words], stdout=subprocess.PIPE, text=True, check=True).stdout
    lines += ["  " + line for line in text.splitlines()]
    lines.append(f"  again: {os.path.basename(__file__)} --seed {seed}; in a new folder: program {seed} {' '.join(words)}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--include", type=pathlib.Path, required=True)
    parser.add_argument("--libdir", type=pathlib.Path, required=True)
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("RANDOM_SECONDS", "25")))
    parser.add_argument("--first", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--failures", type=int, default=1)
    parser.add_argument("--ends", action="store_true", help="fail only if a program crashes or does not end")
    parser.add_argument("--shrink", type=float, default=60, help="seconds for making a program smaller")
    parser.add_argument("--print-runs", action="store_true")
    options = parser.parse_args()

    options.build_dir.mkdir(parents=True, exist_ok=True)
    program = options.build_dir.resolve() / "program"
    library = options.libdir.resolve()
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread",
                    f"-I{options.include}", str(HERE / "program.c"), "-o", str(program), f"-L{library}",
                    f"-Wl,-rpath,{library}", "-luring"], check=True)
    try:
        run(program, "kernel", 1, [], 1)
    except Broken as broken:
        print(f"skipped: no kernel to compare with:{broken}")
        return 77
    if options.seed is not None:
        if options.print_runs:
            for engine in ("kernel", "userspace"):
                said, counts = run(program, engine, options.seed, None, 10)
                print(f"---- {engine}: {counts}")
                for key in said or ():
                    print(f"{key} | {' / '.join(said[key])}")
        found = difference(program, options.seed)
        if not found:
            print(f"seed {options.seed}: no difference")
            return 0
        if found[0] == "skip":
            print(f"skipped: this kernel lacks{found[1]}")
            return 77
        print(report(program, options.seed, found, 120))
        return 1

    first = options.first if options.first is not None else random.SystemRandom().randrange(1 << 40)
    print(f"random programs from seed {first} on, for {options.seconds:.0f} s (--first {first})", flush=True)
    end, seeds = time.monotonic() + options.seconds, iter(range(first, first + (1 << 30)))
    done = skipped = broken = failed = differs = 0
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        running = {}
        while running or (time.monotonic() < end and failed < options.failures):
            while len(running) < 2 and time.monotonic() < end and failed < options.failures:
                seed = next(seeds)
                running[threads.submit(difference, program, seed)] = seed
            ready, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in ready:
                seed = running.pop(future)
                try:
                    found = future.result()
                except Broken as reason:
                    broken += 1
                    print(f"seed {seed} could not run:{reason}", flush=True)
                    continue
                done += 1
                if found and found[0] == "skip":
                    skipped += 1
                elif found and options.ends and not does_not_end(program, seed):
                    differs += 1
                    print(f"seed {seed} ended, and said something else in turn {found[0]}", flush=True)
                elif found:
                    failed += 1
                    print(report(program, seed, found, options.shrink), flush=True)
    print(f"{done} programs, {skipped} not for this kernel, {broken} could not run, "
          f"{failed} {'do not end' if options.ends else 'differ'}" + (f", {differs} said something else" if differs else ""))
    return 1 if failed or broken > done / 10 + 2 else 0


if __name__ == "__main__":
    sys.exit(main())
