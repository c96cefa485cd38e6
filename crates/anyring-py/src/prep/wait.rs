//! Timers, epoll, children and futexes.

use anyring::prep::{self, futex_waitv};
use anyring_abi::__kernel_timespec;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::args::{I32, U32, U64};
use crate::keep::{Keep, copy, pin_block, words};
use crate::make::Many;
use crate::sqe::{Sqe, entry};

/// Bytes of a time.
const TIME: usize = size_of::<__kernel_timespec>();

/// `(ts, count, flags)`: completes after a time or a number of completions.
#[pyfunction]
fn _timeout(sqe: &Bound<'_, Sqe>, ts: &Bound<'_, PyAny>, count: U32, flags: U32) -> PyResult<()> {
    let (time, keep) = copy(ts, TIME)?;
    entry(sqe)?.prepare(keep.into(), |raw| {
        prep::prep_timeout(raw, time as *const __kernel_timespec, count.0, flags.0);
    })
}

/// `(ts, user_data, flags)`: gives a timeout another time.
#[pyfunction]
fn _timeout_update(
    sqe: &Bound<'_, Sqe>,
    ts: &Bound<'_, PyAny>,
    user_data: U64,
    flags: U32,
) -> PyResult<()> {
    let (time, keep) = copy(ts, TIME)?;
    entry(sqe)?.prepare(keep.into(), |raw| {
        let time = time as *const __kernel_timespec;
        prep::prep_timeout_update(raw, time, user_data.0, flags.0);
    })
}

/// `(ts, flags)`: bounds the operation linked before it.
#[pyfunction]
fn _link_timeout(sqe: &Bound<'_, Sqe>, ts: &Bound<'_, PyAny>, flags: U32) -> PyResult<()> {
    let (time, keep) = copy(ts, TIME)?;
    entry(sqe)?.prepare(keep.into(), |raw| {
        prep::prep_link_timeout(raw, time as *const __kernel_timespec, flags.0);
    })
}

/// `(epfd, fd, op, event)`: as epoll_ctl(2); the event has 12 or 16 bytes.
#[pyfunction]
fn _epoll_ctl(
    sqe: &Bound<'_, Sqe>,
    epfd: I32,
    fd: I32,
    op: I32,
    event: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let (place, keep) = copy(event, size_of::<libc::epoll_event>())?;
    entry(sqe)?.prepare(keep.into(), |raw| {
        let place = place as *const libc::epoll_event;
        prep::prep_epoll_ctl(raw, epfd.0, fd.0, op.0, place);
    })
}

/// `(fd, events, maxevents, flags)`: as epoll_wait(2), written to a buffer.
#[pyfunction]
fn _epoll_wait(
    sqe: &Bound<'_, Sqe>,
    fd: I32,
    events: &Bound<'_, PyAny>,
    maxevents: I32,
    flags: U32,
) -> PyResult<()> {
    let count = usize::try_from(maxevents.0)
        .map_err(|_| crate::make::raised::<PyValueError>("maxevents is negative"))?;
    let pinned = pin_block(events, count * size_of::<libc::epoll_event>(), true)?;
    let place = pinned.address() as *mut libc::epoll_event;
    entry(sqe)?.prepare(Keep::Pinned(pinned).into(), |raw| {
        prep::prep_epoll_wait(raw, fd.0, place, maxevents.0, flags.0);
    })
}

/// `(idtype, id, infop, options, flags)`: as waitid(2), written to 128 bytes.
#[pyfunction]
fn _waitid(
    sqe: &Bound<'_, Sqe>,
    idtype: U32,
    id: U32,
    infop: Option<&Bound<'_, PyAny>>,
    options: I32,
    flags: U32,
) -> PyResult<()> {
    let (place, keep) = match infop {
        Some(infop) => {
            let pinned = pin_block(infop, size_of::<libc::siginfo_t>(), true)?;
            let place = pinned.address() as *mut libc::siginfo_t;
            (place, Keep::Pinned(pinned).into())
        }
        None => (std::ptr::null_mut(), Default::default()),
    };
    entry(sqe)?.prepare(keep, |raw| {
        prep::prep_waitid(raw, idtype.0, id.0, place, options.0, flags.0);
    })
}

/// `(futex, val, mask, futex_flags, flags, wake)`: waits on a word of four
/// bytes, or wakes who waits on it. Kernel 6.7.
#[pyfunction]
fn _futex(
    sqe: &Bound<'_, Sqe>,
    futex: &Bound<'_, PyAny>,
    val: U64,
    mask: U64,
    futex_flags: U32,
    flags: U32,
    wake: bool,
) -> PyResult<()> {
    let pinned = pin_block(futex, size_of::<u32>(), true)?;
    let place = pinned.address() as *const u32;
    let (val, mask, futex_flags, flags) = (val.0, mask.0, futex_flags.0, flags.0);
    entry(sqe)?.prepare(Keep::Pinned(pinned).into(), |raw| {
        if wake {
            prep::prep_futex_wake(raw, place, val, mask, futex_flags, flags);
        } else {
            prep::prep_futex_wait(raw, place, val, mask, futex_flags, flags);
        }
    })
}

/// `(futexes, [(val, flags), …], flags)`: waits on the words of four bytes in
/// `futexes`, one for each pair. Kernel 6.7.
#[pyfunction]
fn _futex_waitv(
    sqe: &Bound<'_, Sqe>,
    futexes: &Bound<'_, PyAny>,
    waits: Many<(u64, u32)>,
    flags: U32,
) -> PyResult<()> {
    let Many(waits) = waits;
    for &(_, flags) in &waits {
        crate::given::futex(flags)?;
    }
    let pinned = pin_block(futexes, waits.len() * size_of::<u32>(), true)?;
    let word = size_of::<u32>() as u64;
    let address = pinned.address();
    let half = |low: u32| {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&low.to_ne_bytes());
        u64::from_ne_bytes(bytes)
    };
    // struct futex_waitv: value, address, flags and four bytes of zero.
    let (place, keep) = words(
        (0u64..)
            .zip(&waits)
            .flat_map(|(index, &(val, flags))| [val, address + index * word, half(flags)]),
    );
    entry(sqe)?.prepare(vec![Keep::Pinned(pinned), keep].into(), |raw| {
        let place = place as *const futex_waitv;
        prep::prep_futex_waitv(raw, place, waits.len() as u32, flags.0);
    })
}

/// Adds what this file has to the module.
pub(super) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_timeout, module)?)?;
    module.add_function(wrap_pyfunction!(_timeout_update, module)?)?;
    module.add_function(wrap_pyfunction!(_link_timeout, module)?)?;
    module.add_function(wrap_pyfunction!(_epoll_ctl, module)?)?;
    module.add_function(wrap_pyfunction!(_epoll_wait, module)?)?;
    module.add_function(wrap_pyfunction!(_waitid, module)?)?;
    module.add_function(wrap_pyfunction!(_futex, module)?)?;
    module.add_function(wrap_pyfunction!(_futex_waitv, module)?)
}
