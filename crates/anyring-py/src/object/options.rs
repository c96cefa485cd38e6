//! What every operation can be told beside its own arguments.

use anyring_abi as abi;
use anyring_abi::io_uring_sqe;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// The keyword arguments common to all operations.
#[derive(Default)]
pub(super) struct Options {
    pub(super) user_data: Option<Py<PyAny>>,
    /// Seconds after which the operation is cancelled.
    pub(super) timeout: Option<f64>,
    flags: u8,
    personality: u16,
}

impl Options {
    pub(super) fn read(options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut read = Options::default();
        let Some(options) = options.filter(|options| !options.is_empty()) else {
            return Ok(read);
        };
        for (key, value) in options.iter() {
            let key = key.cast::<PyString>()?.to_cow()?;
            let flag = match &*key {
                "user_data" => {
                    read.user_data = Some(value.unbind());
                    continue;
                }
                "timeout" => {
                    read.timeout = value.extract()?;
                    continue;
                }
                "personality" => {
                    read.personality = value.extract()?;
                    continue;
                }
                "drain" => abi::IOSQE_IO_DRAIN_BIT,
                "force_async" => abi::IOSQE_ASYNC_BIT,
                _ => {
                    return Err(crate::make::raised::<PyTypeError>(format!(
                        "unexpected keyword argument '{key}'"
                    )));
                }
            };
            if value.is_truthy()? {
                read.flags |= 1 << flag;
            }
        }
        Ok(read)
    }

    pub(super) fn apply(&self, sqe: &mut io_uring_sqe) {
        sqe.flags |= self.flags;
        sqe.personality = self.personality;
    }
}
