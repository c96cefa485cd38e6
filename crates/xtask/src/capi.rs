//! The `extern "C"` twins of the prep functions.

use std::fmt::Write as _;

use anyring_spec::{Node, rows};

use crate::prep_rust::{doc, parameters};
use crate::{Output, banner, rustfmt};

pub(crate) fn generate() -> Result<Vec<Output>, String> {
    let mut file = banner("//", "");
    file.push_str(
        "//! Functions that write an SQE, as symbols.\n\n\
         use core::ffi::{c_char, c_int, c_uint, c_void};\n\n\
         use anyring::abi::{__kernel_timespec, io_uring_sqe};\n\
         use anyring::prep;\n\
         use anyring::prep::futex_waitv;\n\
         use libc::{epoll_event, id_t, idtype_t, iovec, mode_t, msghdr, off_t, open_how, siginfo_t, sockaddr, socklen_t, statx};\n\n",
    );
    for (_, row) in rows() {
        if row.node == Node::Local {
            continue;
        }
        let arguments = parameters(row)?;
        let mut c_parameters: Vec<String> = arguments
            .iter()
            .map(|(name, ty)| format!("{name}: {ty}"))
            .collect();
        c_parameters.insert(row.sqe_position, "sqe: *mut io_uring_sqe".to_owned());
        let passed: String = arguments
            .iter()
            .map(|(name, _)| format!(", {name}"))
            .collect();
        let _ = write!(
            file,
            "/// {}\n\
             #[cfg_attr(anyring_staticlib, unsafe(no_mangle))]\n\
             pub unsafe extern \"C\" fn {}({}) {{\n\
                 // SAFETY: an entry of the ring, the contract of the crate.\n\
                 prep::{}(unsafe {{ &mut *sqe }}{passed});\n\
             }}\n\n",
            doc(row),
            row.c_name(),
            c_parameters.join(", "),
            row.name,
        );
    }
    Ok(vec![(
        "crates/anyring-capi/src/prep.rs".into(),
        rustfmt(&file)?,
    )])
}
