//! io_uring_register(2).

use alloc::sync::Arc;
use core::ffi::{c_int, c_uint};

use anyring_abi as abi;

use crate::os::sys::{self, Fd};
use crate::os::user_memory;
use crate::ring::Ring;
use crate::ring::state::{Notify, State};

pub(crate) mod buffers;
pub(crate) mod files;
pub(crate) mod limits;
pub(crate) mod query;
pub(crate) mod rings;

/// Register calls that the engine answers with more than an error.
pub(crate) fn is_known(opcode: u32) -> bool {
    opcode < abi::IORING_REGISTER_LAST
        && !matches!(
            opcode,
            abi::IORING_REGISTER_NAPI
                | abi::IORING_UNREGISTER_NAPI
                | abi::IORING_REGISTER_ZCRX_IFQ
                | abi::IORING_REGISTER_ZCRX_CTRL
                | abi::IORING_REGISTER_BPF_FILTER
        )
}

/// A call on a ring of the engine; its result or -errno.
pub(crate) fn register(ring: &Arc<Ring>, opcode: c_uint, arg: u64, nr: c_uint) -> c_int {
    let opcode = opcode & !abi::IORING_REGISTER_USE_REGISTERED_RING;
    if !crate::chaos::mask().has_register(opcode) {
        return -libc::EINVAL;
    }
    call(ring, opcode, arg, nr).unwrap_or_else(|error| error)
}

/// A call without a ring.
pub(crate) fn without_ring(opcode: c_uint, arg: u64, nr: c_uint) -> c_int {
    match opcode {
        abi::IORING_REGISTER_QUERY => query::query(arg, nr),
        abi::IORING_REGISTER_SEND_MSG_RING => rings::send_message(arg, nr),
        _ => Err(-libc::EINVAL),
    }
    .unwrap_or_else(|error| error)
}

fn call(ring: &Arc<Ring>, opcode: c_uint, arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    match opcode {
        // These look at other rings, or wait: not under this one's lock.
        abi::IORING_REGISTER_RING_FDS => return rings::register_fds(arg, nr),
        abi::IORING_UNREGISTER_RING_FDS => return rings::unregister_fds(arg, nr),
        abi::IORING_REGISTER_CLONE_BUFFERS => return buffers::clone(ring, arg, nr),
        abi::IORING_REGISTER_SYNC_CANCEL => return rings::sync_cancel(ring, arg, nr),
        abi::IORING_REGISTER_QUERY => return query::query(arg, nr),
        _ => {}
    }
    let result = ring.with(true, |state| {
        if state.gone {
            return Err(-libc::EBADFD);
        }
        if state.issuer != 0 && state.issuer != sys::gettid() {
            return Err(-libc::EEXIST);
        }
        if let Some(restrictions) = &state.restrictions {
            if !state.disabled {
                restrictions.check_register(opcode)?;
            }
        }
        // A program may ask what there is before it maps a new ring.
        let asks = matches!(opcode, abi::IORING_REGISTER_PROBE);
        let shown = state.shown && !asks;
        if shown {
            ring.put_back(state);
        }
        let result = on_state(state, opcode, arg, nr);
        // A call that changed nothing leaves what is there to be mapped. Where the
        // program cannot map something, the library can.
        let _ = ring.show(state, shown && result.is_err());
        state.post_tags();
        result
    });
    if opcode == abi::IORING_REGISTER_ENABLE_RINGS && result.is_ok() {
        crate::wait::sqpoll_idle::wake(ring);
    }
    result
}

fn on_state(state: &mut State, opcode: c_uint, arg: u64, nr: c_uint) -> Result<c_int, c_int> {
    let expect = |wanted: c_uint| {
        if nr == wanted && arg != 0 {
            Ok(())
        } else {
            Err(-libc::EINVAL)
        }
    };
    let nothing = || {
        if nr == 0 && arg == 0 {
            Ok(())
        } else {
            Err(-libc::EINVAL)
        }
    };
    match opcode {
        abi::IORING_REGISTER_FILES => files::register(state, arg, nr),
        abi::IORING_UNREGISTER_FILES => {
            nothing()?;
            files::unregister(state)
        }
        abi::IORING_REGISTER_FILES2 => files::register2(state, arg, nr),
        abi::IORING_REGISTER_FILES_UPDATE => files::update(state, arg, nr),
        abi::IORING_REGISTER_FILES_UPDATE2 => files::update2(state, arg, nr),
        abi::IORING_REGISTER_FILE_ALLOC_RANGE => {
            if nr != 0 || arg == 0 {
                return Err(-libc::EINVAL);
            }
            files::range(state, arg)
        }
        abi::IORING_REGISTER_BUFFERS => buffers::register(state, arg, nr),
        abi::IORING_UNREGISTER_BUFFERS => {
            nothing()?;
            buffers::unregister(state)
        }
        abi::IORING_REGISTER_BUFFERS2 => buffers::register2(state, arg, nr),
        abi::IORING_REGISTER_BUFFERS_UPDATE => buffers::update(state, arg, nr),
        abi::IORING_REGISTER_PBUF_RING => {
            expect(1)?;
            let reg: abi::io_uring_buf_reg = user_memory::read(arg)?;
            state.groups.register(&reg, &mut state.mappable)?;
            Ok(0)
        }
        abi::IORING_UNREGISTER_PBUF_RING => {
            expect(1)?;
            let reg: abi::io_uring_buf_reg = user_memory::read(arg)?;
            if reg.flags != 0 || reg.resv.iter().any(|word| *word != 0) {
                return Err(-libc::EINVAL);
            }
            state.groups.unregister(reg.bgid)?;
            Ok(0)
        }
        abi::IORING_REGISTER_PBUF_STATUS => {
            expect(1)?;
            let mut status: abi::io_uring_buf_status = user_memory::read(arg)?;
            if status.resv.iter().any(|word| *word != 0) {
                return Err(-libc::EINVAL);
            }
            status.head = u32::from(state.groups.head(status.buf_group as u16)?);
            user_memory::write(arg, &status)?;
            Ok(0)
        }
        abi::IORING_REGISTER_EVENTFD | abi::IORING_REGISTER_EVENTFD_ASYNC => {
            if nr != 1 {
                return Err(-libc::EINVAL);
            }
            let fd: c_int = user_memory::read(arg)?;
            eventfd(state, fd, opcode == abi::IORING_REGISTER_EVENTFD_ASYNC)
        }
        abi::IORING_UNREGISTER_EVENTFD => {
            nothing()?;
            state.notify.take().map(|_| 0).ok_or(-libc::ENXIO)
        }
        abi::IORING_REGISTER_PROBE => {
            if arg == 0 || nr > 256 {
                return Err(-libc::EINVAL);
            }
            query::probe(arg, nr)
        }
        abi::IORING_REGISTER_PERSONALITY => {
            nothing()?;
            limits::add_personality(state)
        }
        abi::IORING_UNREGISTER_PERSONALITY => {
            if arg != 0 {
                return Err(-libc::EINVAL);
            }
            limits::remove_personality(state, nr)
        }
        abi::IORING_REGISTER_RESTRICTIONS => limits::restrict(state, arg, nr),
        abi::IORING_REGISTER_ENABLE_RINGS => {
            nothing()?;
            if !state.disabled {
                return Err(-libc::EBADFD);
            }
            state.disabled = false;
            if state.flags & abi::IORING_SETUP_SINGLE_ISSUER != 0 {
                state.issuer = sys::gettid();
            }
            Ok(0)
        }
        abi::IORING_REGISTER_IOWQ_AFF => {
            if arg == 0 || nr == 0 {
                return Err(-libc::EINVAL);
            }
            // A mask of CPUs: read, so that a bad one is refused.
            user_memory::read_array::<u8>(arg, nr.min(1024) as usize).map(|_| 0)
        }
        abi::IORING_UNREGISTER_IOWQ_AFF => nothing().map(|()| 0),
        abi::IORING_REGISTER_IOWQ_MAX_WORKERS => {
            expect(2)?;
            limits::workers(state, arg)
        }
        abi::IORING_REGISTER_CLOCK => {
            if arg == 0 || nr != 0 {
                return Err(-libc::EINVAL);
            }
            let clock: abi::io_uring_clock_register = user_memory::read(arg)?;
            let known = [libc::CLOCK_MONOTONIC as u32, libc::CLOCK_BOOTTIME as u32];
            if clock.__resv.iter().any(|word| *word != 0) || !known.contains(&clock.clockid) {
                return Err(-libc::EINVAL);
            }
            state.clock = clock.clockid as c_int;
            Ok(0)
        }
        abi::IORING_REGISTER_RESIZE_RINGS => {
            expect(1)?;
            rings::resize(state, arg)
        }
        abi::IORING_REGISTER_MEM_REGION => {
            expect(1)?;
            rings::region(state, arg)
        }
        abi::IORING_REGISTER_NAPI | abi::IORING_UNREGISTER_NAPI | abi::IORING_REGISTER_ZCRX_IFQ => {
            Err(-libc::EOPNOTSUPP)
        }
        _ => Err(-libc::EINVAL),
    }
}

fn eventfd(state: &mut State, fd: c_int, only_async: bool) -> Result<c_int, c_int> {
    if state.notify.is_some() {
        return Err(-libc::EBUSY);
    }
    if !sys::is_open(fd) {
        return Err(-libc::EBADF);
    }
    if !is_eventfd(fd) {
        return Err(-libc::EINVAL);
    }
    let fd: Fd = sys::dup(fd)?;
    state.notify = Some(Notify { fd, only_async });
    Ok(0)
}

/// Whether a descriptor is an eventfd: an addition of zero changes nothing,
/// and other files take eight bytes of it, so its name is asked for.
fn is_eventfd(fd: c_int) -> bool {
    let name = sys::link_of(fd);
    // Without /proc there is no telling: believed.
    name.is_none_or(|name| name.starts_with(b"anon_inode:[eventfd"))
}
