"""A program in the style of the older releases, as found in tutorials.

The file object goes at once and takes its descriptor with it, so the result is
tag=1, res=-9 (EBADF).
"""

import liburing
ring = liburing.io_uring()
liburing.io_uring_queue_init(64, ring, 0)
fd = open('data.bin', 'rb').fileno()
buf = bytearray(4096)
sqe = liburing.io_uring_get_sqe(ring)
liburing.io_uring_prep_read(sqe, fd, buf, len(buf), 0)
sqe.user_data = 1
liburing.io_uring_submit(ring)
cqes = liburing.io_uring_cqes()
liburing.io_uring_wait_cqes(ring, cqes, 1)
for cqe in cqes:
    print(f'tag={cqe.user_data}, res={cqe.res}')
    liburing.io_uring_cqe_seen(ring, cqe)
liburing.io_uring_queue_exit(ring)
