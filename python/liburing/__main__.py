"""`python -m liburing`: what io_uring can do here."""

import os
import sys

from . import __version__, probe


def main():
    """Prints the report; 1 when io_uring cannot be used."""
    print(f"liburing (anyring {__version__}), Linux {os.uname().release}")
    try:
        found = probe()
    except OSError as error:
        print(f"io_uring cannot be used: {error}")
        if error.errno == 1:
            print("Look at sysctl kernel.io_uring_disabled and the container's seccomp profile.")
        return 1
    for name, supported in found.items():
        print(f"  {name:<32} {'yes' if supported else 'no'}")
    return 0


sys.exit(main())
