"""Reads the start of a file with the functions: python read_one.py FILE

In the style of the PyPI package: entries are prepared and submitted by hand.
"""

import os
import sys

import liburing


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python read_one.py FILE")
    ring, cqe = liburing.Ring(), liburing.Cqe()
    fd = os.open(sys.argv[1], os.O_RDONLY)
    buffer = bytearray(4096)
    liburing.io_uring_queue_init(8, ring)
    try:
        sqe = liburing.io_uring_get_sqe(ring)
        assert sqe is not None, "an empty queue has room"
        liburing.io_uring_prep_read(sqe, fd, buffer, 0)
        sqe.user_data = 1
        liburing.io_uring_submit(ring)
        liburing.io_uring_wait_cqe(ring, cqe)
        entry = cqe[0]
        print(f"tag={entry.user_data}, res={entry.res}")
        liburing.io_uring_cqe_seen(ring, entry)
    finally:
        liburing.io_uring_queue_exit(ring)
        os.close(fd)


if __name__ == "__main__":
    main()
