"""Chaos for rings of this process: what ``uring chaos`` does to a whole program."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import tempfile
from collections.abc import Iterable

from . import _liburing

KINDS = ("order", "delay", "short", "error", "worker", "end", "notification", "submit", "interrupt", "sleep")
# As crates/anyring-cli/src/chaos/rules.rs has them; a test compares.
USUAL = (
    "order",
    "delay:p=0.2,time=2ms",
    "short:p=0.2",
    "worker:p=0.1",
    "end:p=0.1",
    "notification:p=0.3,time=5ms",
    "submit:p=0.1",
)
STRICT = (
    "order",
    "delay:p=0.3,time=5ms",
    "short:p=0.3",
    "worker:p=0.2",
    "end:p=0.2",
    "notification:p=0.5,time=10ms",
    "submit:p=0.2",
    "interrupt:p=0.1",
    "sleep",
)
UNITS = {"us": 1, "ms": 1000, "s": 1_000_000}


class Decision:
    """What was decided: request or call ``number`` of the block's ring ``ring`` was struck in
    the way ``kind``, with ``value``: the errno of "error", microseconds of "delay" and
    "notification", millionths of "short"; ``about`` says which request that was.
    """

    __slots__ = ("about", "kind", "number", "ring", "value")

    def __init__(self, ring: int, kind: str, number: int, value: int, about: str) -> None:
        self.ring, self.kind, self.number, self.value, self.about = ring, kind, number, value, about

    def __repr__(self) -> str:
        return f"<Decision ring {self.ring}, #{self.number}: {self.kind} {self.value} {self.about}>"


def micros(text: str) -> int:
    unit = text.lstrip("0123456789.")
    if unit not in UNITS:
        raise ValueError(f"{text!r}: a time is meant, as 5ms")
    return round(float(text[: len(text) - len(unit)]) * UNITS[unit])


def translated(rule: str) -> str:
    """A rule in the form that the engine reads."""
    kind, _, rest = rule.partition(":")
    if kind not in KINDS:
        raise ValueError(f"{rule!r}: {kind} is none of {', '.join(KINDS)}")
    words, given = [kind], set()
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        given.add(key)
        if key == "op" and equals:
            known = dict(_liburing.operations())
            for name in value.split("|"):
                number = known.get(f"IORING_OP_{name.upper()}")
                if number is None:
                    raise ValueError(f"{rule!r}: there is no operation {name}")
                words.append(f"op={number}")
        elif key in ("fd", "nth") and value.isdigit() and (key == "fd" or int(value)):
            words.append(f"{key}={int(value)}")
        elif key == "path" and value and ";" not in value:
            words.append(part)
        elif key == "p" and equals:
            share = float(value.rstrip("%")) / (100 if value.endswith("%") else 1)
            if not 0 <= share <= 1:
                raise ValueError(f"{rule!r}: a probability from 0 to 1, or with %, is meant")
            words.append(f"p={round(share * 1_000_000)}")
        elif key == "errno" and isinstance(getattr(errno, value, None), int):
            words.append(f"errno={getattr(errno, value)}")
        elif key == "time" and equals:
            words.append(f"us={micros(value)}")
        elif key in ("from", "to") and equals:
            words.append(f"{key}={micros(value) // 1000}")
        else:
            raise ValueError(f"{rule!r}: {part}: op, fd, path, nth, p, errno, time, from or to is meant")
    if (kind == "error") != ("errno" in given):
        raise ValueError(f"{rule!r}: errno belongs to error, and error needs it")
    if (kind in ("delay", "notification")) != ("time" in given):
        raise ValueError(f"{rule!r}: time belongs to delay and notification, and they need it")
    return ",".join(words)


class chaos:  # noqa: N801
    """Strikes rings that are made in a ``with`` block, in ways that io_uring(7) allows.

    Rings made in the block, by all tiers and event loops, are served by the userspace
    engine; those made before are left alone. ``seed`` decides which request is struck and
    how (a random one, kept as ``seed``, without it), ``rules`` what happens, in the form of
    ``uring chaos`` (docs/chaos.md); without rules order, delays, short transfers and what else
    a right program bears unnoticed, with ``strict`` more of it and interrupted waits.
    ``decisions`` lists what was done, also after the block. One block at a time in a process
    (RuntimeError).
    """

    _on = False

    def __init__(self, seed: int | None = None, rules: Iterable[str] | None = None, *, strict: bool = False) -> None:
        if rules is not None and strict:
            raise ValueError("rules, or strict")
        if isinstance(rules, str):
            raise TypeError("rules are a list of texts")
        self._seed = random.SystemRandom().randrange(1 << 32) if seed is None else int(seed)
        if not 0 <= self._seed < 1 << 64:
            raise ValueError("a seed has 64 bits")
        self._rules = tuple(rules) if rules is not None else STRICT if strict else USUAL
        self._text = ";".join([f"seed={self.seed}", *map(translated, self.rules)])
        self._log = ""
        self._decisions: list[Decision] = []

    def __enter__(self) -> chaos:
        if chaos._on:
            raise RuntimeError("chaos is on already")
        number, self._log = tempfile.mkstemp(prefix="liburing-chaos-")
        os.close(number)
        self._decisions = []
        try:
            self._before = _liburing._chaos_begin(f"{self._text};log={self._log}".encode())
        except BaseException:
            os.unlink(self._log)
            raise
        chaos._on = True
        return self

    def __exit__(self, *exception: object) -> None:
        _liburing._chaos_end(self._before)
        chaos._on = False
        self._decisions = self._read()
        with contextlib.suppress(OSError):
            os.unlink(self._log)
        self._log = ""

    def _read(self) -> list[Decision]:
        with open(self._log) as log:
            lines = [line.rstrip("\n").split(" ", 5) for line in log if not line.startswith("ring ")]
        return [Decision(int(ring), kind, int(number), int(value), about) for _, ring, kind, number, value, about in lines]

    @property
    def seed(self) -> int:
        """What decides all, from 0 to 2**64 - 1."""
        return self._seed

    @property
    def rules(self) -> tuple[str, ...]:
        """What happens."""
        return self._rules

    @property
    def decisions(self) -> list[Decision]:
        """What was decided so far, in order."""
        return self._read() if self._log else list(self._decisions)
