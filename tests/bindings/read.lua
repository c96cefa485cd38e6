-- Reads the beginning of a file through a ring.
-- luajit read.lua FOLDER-OF-LIBURING-FFI.H LIBRARY FILE
local ffi = require("ffi")
local include, library, path = arg[1], arg[2], arg[3]

local header = assert(io.open(include .. "/liburing-ffi.h")):read("*a")
ffi.cdef(header)
ffi.cdef("int open(const char *path, int flags, ...); int close(int fd); char *strerror(int error);")
local uring = ffi.load(library)

local function check(result)
  if result < 0 then error(ffi.string(ffi.C.strerror(-result))) end
  return result
end

local ring = ffi.new("struct io_uring")
check(uring.io_uring_queue_init(8, ring, 0))

local fd = ffi.C.open(path, 0)
assert(fd >= 0, "cannot open " .. path)
local buffer = ffi.new("char[?]", 4096)
local sqe = uring.io_uring_get_sqe(ring)
uring.io_uring_prep_read(sqe, fd, buffer, 4096, 0)
uring.io_uring_sqe_set_data64(sqe, 42)
check(uring.io_uring_submit(ring))

local cqe = ffi.new("struct io_uring_cqe *[1]")
check(uring.io_uring_wait_cqe(ring, cqe))
assert(cqe[0].user_data == 42)
local bytes = check(cqe[0].res)
uring.io_uring_cqe_seen(ring, cqe[0])
io.write(ffi.string(buffer, bytes))

ffi.C.close(fd)
uring.io_uring_queue_exit(ring)
