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
