"""Answers that are there at once, for programs that await them."""


class Number(int):
    """An integer. Awaiting it gives the same as a plain int."""

    __slots__ = ()

    def __await__(self):
        return int(self)
        yield


class Truth(int):
    """True or False as an integer. Awaiting it gives the plain bool."""

    __slots__ = ()

    def __await__(self):
        return bool(self)
        yield

    def __repr__(self):
        return repr(bool(self))

    __str__ = __repr__


_TRUE, _FALSE = Truth(True), Truth(False)


def answer(value):
    """A bool as a `Truth`."""
    return _TRUE if value else _FALSE
