//! Setups and enters with odd arguments.

use std::mem;

use anyring::Kernel;
use anyring::abi::*;
use anyring::ring::setup::params;
use anyring_engine::{BuiltIn, KernelOrEngine};

use crate::random::Random;
use crate::rings::choosing;
use crate::world::{Place, World};

/// Parameters of a setup, with what does not concern addresses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) entries: u32,
    pub(crate) flags: u32,
    pub(crate) cq_entries: u32,
    pub(crate) cpu: u32,
    pub(crate) wq_fd: u32,
    pub(crate) resv: u32,
    /// The result gets memory of ours.
    pub(crate) given: bool,
}

/// What a setup says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    result: i32,
    entries: [u32; 2],
    flags: u32,
}

/// All setups.
pub(crate) fn setups() -> Vec<Setup> {
    let mut all = Vec::new();
    let plain = Setup {
        entries: 8,
        ..Setup::default()
    };
    let with = |flags| Setup { flags, ..plain };
    let bits: Vec<u32> = (0..32).map(|bit| 1 << bit).collect();
    all.push(plain);
    for (at, one) in bits.iter().enumerate() {
        all.push(with(*one));
        all.extend(bits[..at.min(22)].iter().map(|two| with(one | two)));
    }
    let mut random = Random::new(7);
    let known = (1 << 19) - 1;
    for _ in 0..600 {
        // Few bits at a time, and a valid basis of some.
        let some = random.next() & random.next() & random.next();
        let basis = [
            0,
            IORING_SETUP_SQPOLL,
            IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
            IORING_SETUP_NO_MMAP,
        ][random.below(4)];
        all.push(Setup {
            given: random.one_in(2),
            ..with(some as u32 & known | basis)
        });
    }
    let sizes = [
        0,
        1,
        2,
        3,
        7,
        4096,
        32768,
        32769,
        65536,
        65537,
        1 << 31,
        u32::MAX,
    ];
    for entries in sizes {
        for flags in [0, IORING_SETUP_CLAMP] {
            all.push(Setup {
                entries,
                ..with(flags)
            });
            for cq_entries in sizes {
                all.push(Setup {
                    entries,
                    cq_entries,
                    ..with(flags | IORING_SETUP_CQSIZE)
                });
            }
        }
    }
    for number in [0, 1, 2, 63, 64, 4096, 1 << 31, u32::MAX] {
        all.push(Setup {
            cpu: number,
            ..with(IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF)
        });
        all.push(Setup {
            cpu: number,
            ..with(IORING_SETUP_SQPOLL)
        });
        all.push(Setup {
            cpu: number,
            ..plain
        });
        all.push(Setup {
            wq_fd: number,
            ..plain
        });
        all.push(Setup {
            resv: number,
            ..plain
        });
        if number > 63 {
            all.push(Setup {
                wq_fd: number,
                ..with(IORING_SETUP_ATTACH_WQ)
            });
        }
    }
    all
}

pub(crate) fn set_up(place: &Place, setup: &Setup) -> Made {
    let mut p = params(setup.flags);
    p.cq_entries = setup.cq_entries;
    p.sq_thread_cpu = setup.cpu;
    p.sq_thread_idle = 1;
    p.wq_fd = setup.wq_fd;
    p.resv[1] = setup.resv;
    if setup.given {
        // Small rings fit into one page each.
        p.cq_off.user_addr = place.pages()[0];
        p.sq_off.user_addr = place.pages()[1];
    }
    let kernel = KernelOrEngine::<BuiltIn>::new();
    // SAFETY: the struct is valid; memory given to the ring outlives it.
    let result = choosing(place.choice, || unsafe {
        kernel.setup(setup.entries, &raw mut p)
    });
    if result >= 0 {
        if setup.flags & IORING_SETUP_REGISTERED_FD_ONLY != 0 {
            let mut update = io_uring_rsrc_update {
                offset: result as u32,
                resv: 0,
                data: 0,
            };
            let opcode = IORING_UNREGISTER_RING_FDS | IORING_REGISTER_USE_REGISTERED_RING;
            // SAFETY: one entry is read.
            unsafe { kernel.register(result, opcode, (&raw mut update).cast(), 1) };
        } else {
            // SAFETY: just made, mapped nowhere.
            unsafe { kernel.close(result) };
        }
    }
    Made {
        result: result.min(0),
        entries: if result >= 0 {
            [p.sq_entries, p.cq_entries]
        } else {
            [0; 2]
        },
        flags: if result >= 0 { p.flags } else { 0 },
    }
}

/// Arguments of an enter. One completion is there, one entry to submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Enter {
    pub(crate) setup: u32,
    pub(crate) to_submit: u32,
    pub(crate) min_complete: u32,
    pub(crate) flags: u32,
    pub(crate) argument: Pointer,
    pub(crate) size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pointer {
    Null,
    Guard,
    Zeroes,
    /// A wait's argument with a pad that is not zero, and a bad time.
    Wrong,
    BadTime,
}

/// All enters.
pub(crate) fn enters() -> Vec<Enter> {
    let pointers = [
        Pointer::Null,
        Pointer::Guard,
        Pointer::Zeroes,
        Pointer::Wrong,
        Pointer::BadTime,
    ];
    let mut all = Vec::new();
    let mut random = Random::new(8);
    for _ in 0..1500 {
        let bits = random.next() & random.next();
        let known = if random.one_in(8) { u32::MAX } else { 0x7f };
        let flags = bits as u32 & known & !IORING_ENTER_REGISTERED_RING;
        all.push(Enter {
            setup: [
                0,
                IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                IORING_SETUP_R_DISABLED,
            ][random.below(3)],
            to_submit: [0, 1, 2, u32::MAX][random.below(4)],
            min_complete: random.below(2) as u32,
            flags,
            argument: pointers[random.below(pointers.len())],
            size: [0, 8, 16, 24, 64, 128, 4096][random.below(7)],
        });
    }
    all
}

pub(crate) fn enter(place: &Place, case: &Enter) -> [i64; 2] {
    let mut world = World::new(place, case.setup);
    let fd = world.ring(0);
    if case.setup & IORING_SETUP_R_DISABLED == 0 {
        for tag in 1..3 {
            world.push(tag, |_| {});
            world.ring(0).submit();
        }
    }
    world.push(3, |_| {});
    // Published, not submitted.
    // SAFETY: words of this ring.
    unsafe {
        let raw = fd.as_ptr();
        (*(*raw).sq.ktail.cast::<std::sync::atomic::AtomicU32>())
            .store((*raw).sq.sqe_tail, std::sync::atomic::Ordering::Release);
    }
    // SAFETY: integers only.
    let mut argument: io_uring_getevents_arg = unsafe { mem::zeroed() };
    match case.argument {
        Pointer::Wrong => argument.sigmask_sz = 3,
        Pointer::BadTime => argument.ts = 8,
        _ => {}
    }
    if case.argument == Pointer::Wrong {
        argument.sigmask = 8;
    }
    let at = match case.argument {
        Pointer::Null => 0,
        Pointer::Guard => world.guard() as usize,
        Pointer::Zeroes => world.out() as usize,
        Pointer::Wrong | Pointer::BadTime => world.keep(argument) as usize,
    };
    // SAFETY: the ring is ours; the kernel checks the argument.
    let result = unsafe {
        let number = (*fd.as_ptr()).ring_fd;
        fd.kernel().enter(
            number,
            case.to_submit,
            case.min_complete,
            case.flags,
            at as *const _,
            case.size,
        )
    };
    [i64::from(result), i64::from(world.ring(0).cq_ready())]
}
