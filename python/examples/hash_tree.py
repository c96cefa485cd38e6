"""SHA-256 of all files below a folder, many at a time: python hash_tree.py FOLDER

Prints lines as sha256sum does. Opening, reading and closing go through one ring
in batches, hashing to threads; a progress bar shows on a terminal if tqdm is
installed, otherwise a line now and then.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import liburing

AT_ONCE = 64
PIECE = 256 * 1024


def files_below(folder: str) -> list[str]:
    """The regular files below a folder."""
    found = []
    for root, _, names in os.walk(folder):
        paths = (os.path.join(root, name) for name in names)
        found += [path for path in paths if os.path.isfile(path) and not os.path.islink(path)]
    return sorted(found)


def hash_batch(ring: liburing.Ring, paths: list[str], threads: ThreadPoolExecutor) -> list[str]:
    """The digests of a few files, read side by side."""
    fds = ring.open_batch(paths).result().tolist()
    memory = bytearray(PIECE * len(fds))
    digests = [hashlib.sha256() for _ in fds]
    active, offset = list(range(len(fds))), 0
    try:
        while active:
            part = [fds[place] for place in active]
            sizes = ring.read_batch(part, memory, [offset] * len(part), PIECE).result()
            view = memoryview(memory)
            pieces = [view[at * PIECE : at * PIECE + size] for at, size in enumerate(sizes)]
            list(threads.map(lambda place, piece: digests[place].update(piece), active, pieces))
            # A read that was not full met the end of its file.
            active = [place for place, size in zip(active, sizes) if size == PIECE]
            offset += PIECE
    finally:
        ring.close_batch(fds).result()
    return [digest.hexdigest() for digest in digests]


def progress(total: int, batches: Iterator[list[str]]) -> Iterator[list[str]]:
    """Passes batches on and says how far it is."""
    try:
        from tqdm import tqdm
    except ImportError:
        done = 0
        for batch in batches:
            yield batch
            done += len(batch)
            print(f"{done} of {total} files", file=sys.stderr)
        return
    with tqdm(total=total, unit="file", file=sys.stderr) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch))


def main() -> None:
    """Prints the digests."""
    if len(sys.argv) != 2:
        sys.exit("usage: python hash_tree.py FOLDER")
    paths = files_below(sys.argv[1])
    parts = (paths[at : at + AT_ONCE] for at in range(0, len(paths), AT_ONCE))
    with liburing.Ring(2 * AT_ONCE) as ring, ThreadPoolExecutor(os.cpu_count()) as threads:
        for batch in progress(len(paths), parts):
            for path, digest in zip(batch, hash_batch(ring, batch, threads)):
                print(f"{digest}  {path}")


if __name__ == "__main__":
    main()
