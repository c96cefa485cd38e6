// Reads the beginning of a file through a ring.
// zig translate-c …/liburing-ffi.h > uring.zig
// zig run read.zig -L… -luring-ffi -lc -- FILE
const c = @import("uring.zig");

extern fn open(path: [*:0]const u8, flags: c_int, ...) c_int;
extern fn close(fd: c_int) c_int;
extern fn write(fd: c_int, from: [*]const u8, count: usize) isize;

fn check(result: c_int) !c_int {
    if (result < 0) return error.Failed;
    return result;
}

pub export fn main(argc: c_int, argv: [*][*:0]const u8) c_int {
    if (argc < 2) return 2;
    run(argv[1]) catch return 1;
    return 0;
}

fn run(path: [*:0]const u8) !void {
    var ring: c.struct_io_uring = undefined;
    _ = try check(c.io_uring_queue_init(8, &ring, 0));
    defer c.io_uring_queue_exit(&ring);

    const fd = try check(open(path, 0));
    defer _ = close(fd);
    var buffer: [4096]u8 = undefined;
    const sqe = c.io_uring_get_sqe(&ring);
    c.io_uring_prep_read(sqe, fd, &buffer, buffer.len, 0);
    c.io_uring_sqe_set_data64(sqe, 42);
    _ = try check(c.io_uring_submit(&ring));

    var cqe: [*c]c.struct_io_uring_cqe = undefined;
    _ = try check(c.io_uring_wait_cqe(&ring, &cqe));
    if (cqe.*.user_data != 42) return error.Failed;
    const count = try check(cqe.*.res);
    c.io_uring_cqe_seen(&ring, cqe);
    _ = write(1, &buffer, @intCast(count));
}
