//! Register calls with odd arguments: their results.

use std::mem;

use anyring::abi::*;

use crate::world::{Kind, PAGE, Place, World};

/// What the ring has before the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Bare,
    /// Files, buffers, groups.
    Full,
    Disabled,
    Deferring,
}

impl State {
    fn flags(self) -> u32 {
        match self {
            State::Bare | State::Full => 0,
            State::Disabled => IORING_SETUP_R_DISABLED,
            State::Deferring => IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        }
    }
}

/// The argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    Null,
    Low,
    Guard,
    Kernel,
    /// Zeroes that may only be read.
    Constant,
    Zeroes,
    /// What belongs there, with one word of 32 bits at another value.
    Good(Option<(usize, u32)>),
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) state: State,
    pub(crate) opcode: u32,
    pub(crate) argument: Argument,
    /// `None`: what belongs there.
    pub(crate) count: Option<u32>,
}

const STATES: [State; 4] = [State::Bare, State::Full, State::Disabled, State::Deferring];
const COUNTS: [u32; 13] = [
    0,
    1,
    2,
    3,
    15,
    17,
    64,
    257,
    1 << 14,
    (1 << 14) + 1,
    (1 << 15) + 1,
    1 << 20,
    u32::MAX,
];
const ARGUMENTS: [Argument; 6] = [
    Argument::Null,
    Argument::Low,
    Argument::Guard,
    Argument::Kernel,
    Argument::Constant,
    Argument::Zeroes,
];
/// None is a descriptor of the test: those are not the same on both.
const WORDS: [u32; 8] = [0, 1, 2, 987_654, 4096, 0x7fff_ffff, 1 << 31, u32::MAX];

/// All calls.
pub(crate) fn calls() -> Vec<Call> {
    let mut all = Vec::new();
    for opcode in (0..=IORING_REGISTER_LAST).chain([77, 1 << 30]) {
        for state in STATES {
            let mut add = |argument, count| {
                all.push(Call {
                    state,
                    opcode,
                    argument,
                    count,
                });
            };
            add(Argument::Good(None), None);
            for word in 0..32 {
                for value in WORDS {
                    add(Argument::Good(Some((word, value))), None);
                }
            }
            for count in COUNTS {
                add(Argument::Good(None), Some(count));
                for argument in ARGUMENTS {
                    add(argument, Some(count));
                }
            }
        }
    }
    all
}

/// An argument as it should be: its address, its words and the count.
fn good(world: &mut World<'_>, opcode: u32) -> Option<(u64, usize, u32)> {
    let file = world.fd(Kind::File);
    let eventfd = world.fd(Kind::Eventfd);
    let second = world.fd(Kind::Ring);
    let data = world.data() as u64;
    let out = world.out() as u64;
    let kept = |at: *mut [u64; 16], words| (at as u64, words);
    let both = |low: i32, high: i32| u64::from(low as u32) | u64::from(high as u32) << 32;
    let keep = |world: &mut World<'_>, words: &[u64]| {
        let mut all = [0_u64; 16];
        all[..words.len()].copy_from_slice(words);
        kept(world.keep(all), 2 * words.len())
    };
    let files = keep(world, &[both(file, -1)]).0;
    let vector = keep(world, &[data, PAGE as u64]).0;
    let tags = keep(world, &[5, 0]).0;
    let ((at, words), count) = match opcode {
        IORING_REGISTER_BUFFERS => (keep(world, &[data, PAGE as u64]), 1),
        IORING_REGISTER_FILES => (keep(world, &[both(file, -1)]), 2),
        IORING_REGISTER_EVENTFD | IORING_REGISTER_EVENTFD_ASYNC => {
            (keep(world, &[both(eventfd, 0)]), 1)
        }
        IORING_REGISTER_FILES_UPDATE => (keep(world, &[20, files]), 1),
        IORING_REGISTER_PROBE => ((out, 0), 8),
        IORING_REGISTER_RESTRICTIONS => (keep(world, &[1 << 16 | 1, 0]), 1),
        IORING_REGISTER_FILES2 => (keep(world, &[2, 0, files, tags]), 32),
        IORING_REGISTER_BUFFERS2 => (keep(world, &[1, 0, vector, tags]), 32),
        IORING_REGISTER_FILES_UPDATE2 => (keep(world, &[20, files, tags, 1]), 32),
        IORING_REGISTER_BUFFERS_UPDATE => (keep(world, &[0, vector, tags, 1]), 32),
        IORING_REGISTER_IOWQ_AFF => (keep(world, &[1]), 8),
        IORING_REGISTER_IOWQ_MAX_WORKERS => (keep(world, &[0]), 2),
        IORING_REGISTER_RING_FDS => (keep(world, &[u64::from(u32::MAX), second as u64]), 1),
        IORING_UNREGISTER_RING_FDS => (keep(world, &[3, 0]), 1),
        IORING_REGISTER_PBUF_RING => (keep(world, &[out, 8 | 9 << 32, 0, 0, 0]), 1),
        IORING_UNREGISTER_PBUF_RING => (keep(world, &[0, 1 << 32, 0, 0, 0]), 1),
        IORING_REGISTER_SYNC_CANCEL => (keep(world, &[9, 0, 0, 0, 0, 0, 0, 0]), 1),
        IORING_REGISTER_FILE_ALLOC_RANGE => (keep(world, &[2 | 5 << 32, 0]), 0),
        IORING_REGISTER_PBUF_STATUS => (keep(world, &[1, 0, 0, 0, 0]), 1),
        IORING_REGISTER_CLOCK => (keep(world, &[1, 0]), 0),
        IORING_REGISTER_CLONE_BUFFERS => {
            let ring = world.ring(1);
            // SAFETY: the array is read during the call; the memory stays.
            let done = unsafe { ring.register(IORING_REGISTER_BUFFERS, vector as *const _, 1) };
            assert_eq!(done, 0);
            (keep(world, &[second as u64, 0, 0, 0]), 1)
        }
        IORING_REGISTER_RESIZE_RINGS => (keep(world, &[16 | 32 << 32, 0, 0, 0, 0]), 1),
        IORING_REGISTER_MEM_REGION => {
            let region = keep(world, &[out, PAGE as u64, 1, 0, 0, 0, 0, 0]).0;
            (keep(world, &[region, 1, 0, 0]), 1)
        }
        IORING_REGISTER_QUERY => {
            let header = keep(world, &[0, out, 16 << 32, 0]);
            (header, 0)
        }
        _ => return None,
    };
    Some((at, words, count))
}

/// Makes the call in a fresh world; `None` if there is nothing to make it with.
pub(crate) fn run(place: &Place, call: &Call) -> Option<i32> {
    let mut world = World::new(place, call.state.flags());
    if call.state == State::Full {
        world.register_all();
    }
    let (argument, count) = match call.argument {
        Argument::Null => (0, 0),
        Argument::Low => (8, 0),
        Argument::Guard => (world.guard() as u64, 0),
        Argument::Kernel => (0xffff_8880_0000_0000, 0),
        Argument::Constant => (world.constant() as u64, 0),
        Argument::Zeroes => (world.out() as u64, 0),
        Argument::Good(change) => {
            let (at, words, count) = good(&mut world, call.opcode)?;
            if let Some((word, value)) = change {
                if word >= words {
                    return None;
                }
                // SAFETY: inside the memory just filled.
                unsafe { (at as *mut u32).add(word).write_unaligned(value) };
            }
            (at, count)
        }
    };
    let count = call.count.unwrap_or(count);
    let ring = world.ring(0);
    // SAFETY: the kernel checks the argument; memory it keeps outlives the ring.
    let result = unsafe { ring.register(call.opcode, argument as *const _, count) };
    if call.opcode == IORING_REGISTER_RING_FDS && result > 0 {
        // SAFETY: entries that the call wrote.
        unsafe {
            for at in 0..result as usize {
                let entry = (argument as *mut io_uring_rsrc_update).add(at);
                (*entry).data = 0;
            }
            ring.register(
                IORING_UNREGISTER_RING_FDS,
                argument as *const _,
                result as u32,
            );
        }
    }
    Some(result)
}

/// Differences that stand in `docs/engine.md`.
pub(crate) fn is_known(call: &Call) -> bool {
    // An address of one half here and one there.
    if matches!(
        (call.opcode, call.argument),
        (IORING_REGISTER_QUERY, Argument::Good(Some((2 | 3, _))))
    ) {
        return true;
    }
    // More than the page or the words have: what is behind is not the same on both.
    // Counts above what a call allows are refused before anything is read.
    if call.count.is_some_and(|count| match call.argument {
        Argument::Constant => count > 64,
        Argument::Good(_) | Argument::Zeroes => (65..1 << 17).contains(&count),
        _ => false,
    }) {
        return true;
    }
    // A large ring of buffers reaches into memory that the engine sees is there,
    // not that nobody may use it.
    let reaches = Argument::Good(Some((2, 4096)));
    if call.opcode == IORING_REGISTER_PBUF_RING && call.argument == reaches {
        return true;
    }
    const _: () = assert!(mem::size_of::<io_uring_rsrc_register>() == 32);
    matches!(
        call.opcode,
        IORING_REGISTER_NAPI
            | IORING_UNREGISTER_NAPI
            | IORING_REGISTER_ZCRX_IFQ
            | IORING_REGISTER_ZCRX_CTRL
            | IORING_REGISTER_BPF_FILTER
    )
}
