# Reads the beginning of a file through a ring.
# python3 read_cffi.py FOLDER-OF-LIBURING-FFI.H LIBRARY FILE
import os
import pathlib
import sys

import cffi

include, library, path = sys.argv[1:]
ffi = cffi.FFI()
ffi.cdef(pathlib.Path(include, "liburing-ffi.h").read_text())
uring = ffi.dlopen(library)


def check(result):
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


ring = ffi.new("struct io_uring *")
check(uring.io_uring_queue_init(8, ring, 0))

fd = os.open(path, os.O_RDONLY)
buffer = ffi.new("char[]", 4096)
sqe = uring.io_uring_get_sqe(ring)
uring.io_uring_prep_read(sqe, fd, buffer, 4096, 0)
uring.io_uring_sqe_set_data64(sqe, 42)
check(uring.io_uring_submit(ring))

cqe = ffi.new("struct io_uring_cqe **")
check(uring.io_uring_wait_cqe(ring, cqe))
assert cqe[0].user_data == 42
count = check(cqe[0].res)
uring.io_uring_cqe_seen(ring, cqe[0])
sys.stdout.buffer.write(ffi.buffer(buffer, count))

os.close(fd)
uring.io_uring_queue_exit(ring)
