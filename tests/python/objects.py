"""What the tests of the object tier share."""

import pytest

import liburing


def needs(ring, *operations):
    """Skips with the reason when the kernel lacks one of them."""
    known = ring.probe()
    for operation in operations:
        if not known[f"IORING_OP_{operation}"]:
            pytest.skip(f"the kernel has no IORING_OP_{operation}")


def ended_with(handle, number):
    """Whether a handle failed with this errno, named."""
    error = handle.exception()
    assert isinstance(error, OSError) and error.operation == handle.name
    assert error.errno == number, error
    return True


def fresh(entries=8, **arguments):
    """A ring; a skip where io_uring is not allowed."""
    try:
        return liburing.Ring(entries, **arguments)
    except OSError as error:
        pytest.skip(f"no io_uring here: {error}")
