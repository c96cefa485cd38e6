//! Names, calls and documentation of the hot functions.

use std::ffi::{CStr, c_char};

use pyo3::ffi;
use pyo3::prelude::*;

use super::{
    cq_advance, cqe_seen, get_sqe, peek_cqe, prep_nop, set_data, set_data64, submit,
    submit_and_wait, transfer, wait_cqe, wait_cqe_nr,
};

/// One argument, several, or several and keywords.
#[derive(Clone, Copy)]
enum Call {
    One(ffi::PyCFunction),
    Several(ffi::PyCFunctionFast),
    Keywords(ffi::PyCFunctionFastWithKeywords),
}

/// Name, call, and documentation with the signature.
const CALLS: &[(&CStr, Call, &CStr)] = &[
    (
        c"io_uring_get_sqe",
        Call::One(get_sqe),
        c"io_uring_get_sqe(ring, /)\n--\n\nA fresh entry, None when the queue is full.",
    ),
    (
        c"io_uring_prep_nop",
        Call::One(prep_nop),
        c"io_uring_prep_nop(sqe, /)\n--\n\nDoes nothing. Kernel 5.1.",
    ),
    (
        c"io_uring_prep_read",
        Call::Keywords(transfer::prep_read),
        c"io_uring_prep_read(sqe, fd, buf, /, offset=0)\n--\n\nReads into a buffer: `(offset)`, or `(nbytes, offset)` as the older\nreleases; offset in bytes, 2**64-1 is the file position. Kernel 5.6.",
    ),
    (
        c"io_uring_prep_write",
        Call::Keywords(transfer::prep_write),
        c"io_uring_prep_write(sqe, fd, buf, /, offset=0)\n--\n\nWrites a buffer: `(offset)`, or `(nbytes, offset)` as the older releases;\noffset in bytes, 2**64-1 is the file position. Kernel 5.6.",
    ),
    (
        c"io_uring_submit",
        Call::One(submit),
        c"io_uring_submit(ring, /)\n--\n\nSubmits what was prepared; the number taken.\n\nRaises OSError as io_uring_enter(2) does.",
    ),
    (
        c"io_uring_submit_and_wait",
        Call::Several(submit_and_wait),
        c"io_uring_submit_and_wait(ring, wait_nr, /)\n--\n\nSubmits and waits for completions; the number taken.\n\nRaises OSError as io_uring_enter(2) does, InterruptedError after a signal.",
    ),
    (
        c"io_uring_wait_cqe",
        Call::Several(wait_cqe),
        c"io_uring_wait_cqe(ring, cqe, /)\n--\n\nWaits for one completion and fills the Cqe; 0.\n\nRaises InterruptedError after a signal whose handler did not raise.",
    ),
    (
        c"io_uring_wait_cqe_nr",
        Call::Several(wait_cqe_nr),
        c"io_uring_wait_cqe_nr(ring, cqe, wait_nr, /)\n--\n\nWaits for that many completions and fills the Cqe; 0.\n\nRaises BlockingIOError for none while none is ready.",
    ),
    (
        c"io_uring_peek_cqe",
        Call::Several(peek_cqe),
        c"io_uring_peek_cqe(ring, cqe_ptr, /)\n--\n\nFills the Cqe with what is ready; 0.\n\nRaises BlockingIOError when nothing is; -11 on a ring of the older style.",
    ),
    (
        c"io_uring_cqe_seen",
        Call::Several(cqe_seen),
        c"io_uring_cqe_seen(ring, cqe, /)\n--\n\nGives the oldest completion back.",
    ),
    (
        c"io_uring_cq_advance",
        Call::Several(cq_advance),
        c"io_uring_cq_advance(ring, nr, /)\n--\n\nGives completions back, no more than are ready.",
    ),
    (
        c"io_uring_sqe_set_data64",
        Call::Several(set_data64),
        c"io_uring_sqe_set_data64(sqe, data, /)\n--\n\nTags the entry, 0 to 2**64-1.",
    ),
    (
        c"io_uring_sqe_set_data",
        Call::Several(set_data),
        c"io_uring_sqe_set_data(sqe, data, /)\n--\n\nTags the entry, 0 to 2**64-1; a negative number is taken modulo 2**64.",
    ),
];

/// Adds what this file has to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let name = module.name()?;
    for &(function, call, doc) in CALLS {
        let (pointer, flags) = match call {
            Call::One(call) => (ffi::PyMethodDefPointer { PyCFunction: call }, ffi::METH_O),
            Call::Several(call) => (
                ffi::PyMethodDefPointer {
                    PyCFunctionFast: call,
                },
                ffi::METH_FASTCALL,
            ),
            Call::Keywords(call) => (
                ffi::PyMethodDefPointer {
                    PyCFunctionFastWithKeywords: call,
                },
                ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
            ),
        };
        let text = |text: &'static CStr| -> *const c_char { text.as_ptr() };
        // The interpreter refers to it as long as the function lives.
        let definition = Box::leak(Box::new(ffi::PyMethodDef {
            ml_name: text(function),
            ml_meth: pointer,
            ml_flags: flags,
            ml_doc: text(doc),
        }));
        // SAFETY: a definition that is never freed, the module and its name.
        let object = unsafe {
            Bound::from_owned_ptr_or_err(
                module.py(),
                ffi::PyCFunction_NewEx(definition, module.as_ptr(), name.as_ptr()),
            )?
        };
        module.add(function.to_str()?, object)?;
    }
    Ok(())
}
