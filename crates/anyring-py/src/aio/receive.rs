//! What a stream receives: handed to the protocol as it completes.

use anyring::prep;
use anyring_abi as abi;
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::done::{Hold, bytes};
use super::io::fresh;
use super::pool::{GROUP, SIZE};
use super::state::{Kind, Proactor, blank};
use super::stream::Stream;

/// Bytes of a large receive.
const PIECE: usize = 256 << 10;

/// What arrived while reading was paused.
pub(super) enum Held {
    Data(Py<PyBytes>),
    End,
    Failure(i32),
}

impl Stream {
    /// Has the next submission include a receive, if one is wanted.
    pub(super) fn arm(this: &Bound<'_, Self>, proactor: &mut Proactor) -> PyResult<()> {
        let mut stream = this.try_borrow_mut()?;
        if !stream.wants || stream.paused || stream.receiving.is_some() {
            return Ok(());
        }
        let mut sqe = blank();
        if stream.bulk {
            let (hold, address, size) = fresh(this.py(), PIECE)?;
            prep::prep_recv(&mut sqe, stream.fd, address.cast(), size, 0);
            let kind = Kind::ReceiveWhole(this.clone().unbind());
            stream.receiving = Some(proactor.start(sqe, kind, hold)?);
            return Ok(());
        }
        prep::prep_recv_multishot(&mut sqe, stream.fd, std::ptr::null_mut(), 0, 0);
        sqe.flags |= 1 << abi::IOSQE_BUFFER_SELECT_BIT;
        sqe.file_index = 0;
        sqe.buf_index = GROUP;
        let kind = Kind::Receive(this.clone().unbind());
        stream.receiving = Some(proactor.start(sqe, kind, Hold::Nothing)?);
        Ok(())
    }
}

/// A receive has brought something or ended.
pub(super) fn received(
    this: &Bound<'_, Stream>,
    proactor: &Bound<'_, Proactor>,
    result: i32,
    flags: u32,
) -> PyResult<()> {
    let py = this.py();
    let mut item = match result {
        0 => Some(Held::End),
        error if error < 0 => Some(Held::Failure(-error)),
        _ => None,
    };
    if flags & abi::IORING_CQE_F_BUFFER != 0 {
        let mut proactor = proactor.try_borrow_mut()?;
        let pool = proactor.pool()?;
        if result > 0 {
            let data = PyBytes::new(py, pool.data(flags, result as usize));
            item = Some(Held::Data(data.unbind()));
        }
        pool.give_back(flags);
    }
    let mut stream = this.try_borrow_mut()?;
    let ended = flags & abi::IORING_CQE_F_MORE == 0;
    if ended {
        stream.receiving = None;
    }
    if result == SIZE as i32 && !stream.bulk {
        stream.bulk = true;
        if let Some(token) = stream.receiving {
            proactor.try_borrow_mut()?.push_cancel(token)?;
        }
    }
    drop(stream);
    take(this, proactor, item, ended)
}

/// A large receive has ended.
pub(super) fn received_whole(
    this: &Bound<'_, Stream>,
    proactor: &Bound<'_, Proactor>,
    hold: Hold,
    result: i32,
) -> PyResult<()> {
    let py = this.py();
    let item = match hold {
        Hold::Bytes(whole) if result > 0 => {
            let data = bytes(py, whole, result as usize).downcast_into::<PyBytes>()?;
            Held::Data(data.unbind())
        }
        _ if result == 0 => Held::End,
        _ => Held::Failure(-result),
    };
    {
        let mut stream = this.try_borrow_mut()?;
        stream.receiving = None;
        // A pause says nothing about what is coming.
        stream.bulk = result >= SIZE as i32 || result == -libc::ECANCELED;
    }
    take(this, proactor, Some(item), true)
}

/// Hands out or holds what a receive brought, and begins the next one if it
/// has `ended`.
fn take(
    this: &Bound<'_, Stream>,
    proactor: &Bound<'_, Proactor>,
    item: Option<Held>,
    ended: bool,
) -> PyResult<()> {
    let mut stream = this.try_borrow_mut()?;
    let item = item.filter(|item| match item {
        // Cancelled by a pause, or the pool was empty: begun again below.
        Held::Failure(error) => !matches!(
            *error,
            libc::ECANCELED | libc::ENOBUFS | libc::EINTR | libc::EAGAIN
        ),
        _ => true,
    });
    if matches!(item, Some(Held::End | Held::Failure(_))) {
        stream.receiving = None;
    }
    if let Some(item) = item.filter(|_| stream.wants) {
        let last = matches!(item, Held::End | Held::Failure(_));
        if stream.paused || !stream.held.is_empty() {
            stream.held.push_back(item);
        } else {
            stream.wants = !last;
            drop(stream);
            deliver(this, item)?;
            stream = this.try_borrow_mut()?;
        }
    }
    let again = ended && stream.held.is_empty();
    drop(stream);
    if again {
        Stream::arm(this, &mut *proactor.try_borrow_mut()?)?;
    }
    Ok(())
}

/// Hands out what was held back.
pub(super) fn held(this: &Bound<'_, Stream>) -> PyResult<()> {
    loop {
        let mut stream = this.try_borrow_mut()?;
        if stream.paused {
            return Ok(());
        }
        let Some(item) = stream.held.pop_front() else {
            break;
        };
        if matches!(item, Held::End | Held::Failure(_)) {
            stream.wants = false;
        }
        drop(stream);
        deliver(this, item)?;
    }
    let proactor = this.try_borrow()?.proactor(this.py());
    match proactor {
        Some(proactor) => Stream::arm(this, &mut *proactor.try_borrow_mut()?),
        None => Ok(()),
    }
}

fn deliver(this: &Bound<'_, Stream>, item: Held) -> PyResult<()> {
    let py = this.py();
    let stream = this.try_borrow()?;
    let Some(owner) = stream.owner(py) else {
        return Ok(());
    };
    let run = stream.run.as_ref().map(|run| run.clone_ref(py));
    let receive = stream.receive.as_ref().map(|receive| receive.clone_ref(py));
    drop(stream);
    let Some(run) = run else { return Ok(()) };
    match (item, receive) {
        (Held::Data(data), Some(receive)) => {
            let Err(error) = run.call1(py, (receive, data)) else {
                return Ok(());
            };
            if error.is_instance_of::<PyKeyboardInterrupt>(py)
                || error.is_instance_of::<PySystemExit>(py)
            {
                return Err(error);
            }
            let error = error.into_value(py);
            owner.call_method1(intern!(py, "_on_receive_error"), (error,))?;
        }
        (Held::Data(_), None) => {}
        (Held::End, _) => {
            run.call1(py, (owner.getattr(intern!(py, "_on_eof"))?,))?;
        }
        (Held::Failure(error), _) => {
            owner.call_method1(intern!(py, "_on_read_error"), (error,))?;
        }
    }
    Ok(())
}
