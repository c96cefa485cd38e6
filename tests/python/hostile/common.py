import os, sys, time, gc, faulthandler, struct, mmap
faulthandler.enable()
import liburing as L
SIZE = 300
def heap(n=4000, size=SIZE):
    return [bytearray(b'Z'*size) for _ in range(n)]
def changed(bs):
    return [(i, bytes(b[:24])) for i, b in enumerate(bs) if b.count(b'Z') != len(b)]
def ctypes_address(block, offset):
    import ctypes
    return ctypes.addressof(ctypes.c_char.from_buffer(block)) + offset
def grow_stack():
    """A limit on address space holds for the stack, too: where that cannot grow the kernel
    ends the program with SIGSEGV. What it has grown it keeps."""
    around, limit = [], sys.getrecursionlimit()
    for _ in range(9000):
        around = [around]
    sys.setrecursionlimit(10_000)
    try:
        repr(around)
    except RecursionError:
        pass
    finally:
        sys.setrecursionlimit(limit)
grow_stack()
