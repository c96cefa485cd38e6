//! What a stream receives: handed to the protocol as it completes.

use std::time::{Duration, Instant};

use anyring::prep;
use anyring_abi as abi;
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::done::{Hold, bytes};
use super::io::fresh;
use super::pool::{GROUP, SIZE};
use super::state::{Event, Kind, Proactor, blank};
use super::stream::Stream;
use super::turn::PATIENCE;
use crate::make;

/// Bytes of a large receive.
const PIECE: usize = 256 << 10;
/// So many pieces of a connection are received one by one, and so many after a
/// pause, before a multishot receive takes over. What is received one by one is
/// in the hands of the protocol before more is taken from the socket: a
/// connection that is handed to other code, which happens early, is handed over
/// whole.
const SINGLES: u8 = 100;
/// One wait for a receive that is being cancelled.
const PAUSE: Duration = Duration::from_millis(5);

/// What arrived while reading was paused.
pub(super) enum Held {
    Data(Py<PyBytes>),
    End,
    Failure(i32),
}

impl Stream {
    /// Has the next submission include a receive, if one is wanted then. Until
    /// then nothing is taken from the socket, so that a pause in this turn of
    /// the loop leaves all there.
    pub(super) fn arm(this: &Bound<'_, Self>, proactor: &mut Proactor) -> PyResult<()> {
        let mut stream = this.try_borrow_mut()?;
        if !stream.arming && stream.receiving.is_none() && stream.wants && !stream.paused {
            stream.arming = true;
            proactor.mark_arming(this.clone().unbind());
        }
        Ok(())
    }

    /// Queues a receive, if one is wanted.
    pub(super) fn receive(this: &Bound<'_, Self>, proactor: &mut Proactor) -> PyResult<()> {
        let mut stream = this.try_borrow_mut()?;
        stream.arming = false;
        if !stream.wants || stream.paused || stream.receiving.is_some() || stream.fd < 0 {
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
        if stream.singles < SINGLES {
            prep::prep_recv(&mut sqe, stream.fd, std::ptr::null_mut(), 0, 0);
        } else {
            prep::prep_recv_multishot(&mut sqe, stream.fd, std::ptr::null_mut(), 0, 0);
        }
        sqe.flags |= 1 << abi::IOSQE_BUFFER_SELECT_BIT;
        sqe.file_index = 0;
        sqe.buf_index = GROUP;
        let kind = Kind::Receive(this.clone().unbind());
        stream.receiving = Some(proactor.start(sqe, kind, Hold::Nothing)?);
        Ok(())
    }

    /// Ends the receive in flight. What it has taken from the socket is held
    /// back, if anything is to come of it.
    pub(super) fn end_receive(this: &Bound<'_, Self>) -> PyResult<()> {
        let py = this.py();
        let stream = this.try_borrow()?;
        let (Some(token), Some(proactor)) = (stream.receiving, stream.proactor(py)) else {
            return Ok(());
        };
        drop(stream);
        let mut found = Vec::new();
        {
            let mut proactor = proactor.try_borrow_mut()?;
            // At once: until then more is received whenever the kernel is
            // entered for anything.
            proactor.cancel_now(py, token)?;
            let end = Instant::now() + PATIENCE;
            proactor.harvest(py)?;
            while proactor.is_in_flight(token) && Instant::now() < end {
                // Another thread or a worker has to get to it.
                proactor.enter(py, Some(PAUSE))?;
                proactor.harvest(py)?;
            }
            for event in std::mem::take(&mut proactor.events) {
                match event {
                    Event::Received(ref stream, ..) if stream.is(this) => found.push(event),
                    Event::Done(Kind::ReceiveWhole(ref stream), ..) if stream.is(this) => {
                        found.push(event);
                    }
                    event => proactor.events.push_back(event),
                }
            }
        }
        for event in found {
            match event {
                Event::Received(_, result, flags) => received(this, &proactor, result, flags)?,
                Event::Done(_, hold, result) => received_whole(this, &proactor, hold, result)?,
                _ => {}
            }
        }
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
        error if error < 0 => Some(Held::Failure(error.wrapping_neg())),
        _ => None,
    };
    if flags & abi::IORING_CQE_F_BUFFER != 0 {
        let mut proactor = proactor.try_borrow_mut()?;
        let pool = proactor.pool()?;
        if result > 0 {
            let data = match make::bytes(py, pool.data(flags, result as usize)) {
                Ok(data) => data,
                Err(error) => {
                    // It stays for the next turn.
                    let event = Event::Received(this.clone().unbind(), result, flags);
                    proactor.events.push_front(event);
                    return Err(error);
                }
            };
            item = Some(Held::Data(data.unbind()));
        }
        pool.give_back(flags);
    }
    let mut stream = this.try_borrow_mut()?;
    let ended = flags & abi::IORING_CQE_F_MORE == 0;
    if ended {
        stream.receiving = None;
        stream.singles = stream.singles.saturating_add(1);
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
        Hold::Bytes(whole) if result > 0 => match bytes(py, &whole, result as usize) {
            Ok(data) => Held::Data(data.downcast_into::<PyBytes>()?.unbind()),
            Err(error) => {
                // It stays for the next turn.
                let kind = Kind::ReceiveWhole(this.clone().unbind());
                let event = Event::Done(kind, Hold::Bytes(whole), result);
                proactor.try_borrow_mut()?.events.push_front(event);
                return Err(error);
            }
        },
        _ if result == 0 => Held::End,
        _ => Held::Failure(result.wrapping_neg()),
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
    let protocol = stream.protocol.as_ref();
    let (receiver, is_feed) = match &stream.feed {
        Some(feed) => (protocol.map(|_| feed.clone_ref(py)), true),
        None => (protocol.map(|known| known.clone_ref(py)), false),
    };
    drop(stream);
    let Some(run) = run else { return Ok(()) };
    match (item, receiver) {
        (Held::Data(data), Some(receiver)) => {
            let receive = if is_feed {
                Ok(receiver)
            } else {
                receiver.getattr(py, make::names(py)?.data_received.bind(py))
            };
            let Err(error) = receive.and_then(|receive| run.call1(py, (receive, data))) else {
                return Ok(());
            };
            if error.is_instance_of::<PyKeyboardInterrupt>(py)
                || error.is_instance_of::<PySystemExit>(py)
            {
                return Err(error);
            }
            let error = error.into_value(py);
            owner.call_method1(make::names(py)?.on_receive_error.bind(py), (error,))?;
        }
        (Held::Data(_), None) => {}
        (Held::End, _) => {
            run.call1(py, (owner.getattr(make::names(py)?.on_eof.bind(py))?,))?;
        }
        (Held::Failure(error), _) => {
            owner.call_method1(make::names(py)?.on_read_error.bind(py), (error,))?;
        }
    }
    Ok(())
}
