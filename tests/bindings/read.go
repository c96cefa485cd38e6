// Reads the beginning of a file through a ring, by cgo.
// CGO_CFLAGS=-I… CGO_LDFLAGS=-L… go run read.go FILE
package main

/*
#cgo LDFLAGS: -luring
#define _GNU_SOURCE
#include <liburing.h>
#include <stdlib.h>
*/
import "C"

import (
	"os"
	"syscall"
	"unsafe"
)

func check(result C.int) int {
	if result < 0 {
		panic(syscall.Errno(-result))
	}
	return int(result)
}

func main() {
	// A ring's memory must not move: it is C's.
	ring := (*C.struct_io_uring)(C.calloc(1, C.sizeof_struct_io_uring))
	defer C.free(unsafe.Pointer(ring))
	check(C.io_uring_queue_init(8, ring, 0))
	defer C.io_uring_queue_exit(ring)

	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	defer file.Close()
	// Memory of Go may not be handed to the kernel beyond a call: it is C's, too.
	buffer := C.malloc(4096)
	defer C.free(buffer)
	sqe := C.io_uring_get_sqe(ring)
	C.io_uring_prep_read(sqe, C.int(file.Fd()), buffer, 4096, 0)
	C.io_uring_sqe_set_data64(sqe, 42)
	check(C.io_uring_submit(ring))

	var cqe *C.struct_io_uring_cqe
	check(C.io_uring_wait_cqe(ring, &cqe))
	if cqe.user_data != 42 {
		panic("another request's completion")
	}
	count := check(cqe.res)
	C.io_uring_cqe_seen(ring, cqe)
	os.Stdout.Write(C.GoBytes(buffer, C.int(count)))
}
