//! A ring with files, sockets and pipes of its own, on one of the two kernels.

use std::ffi::CString;
use std::os::fd::RawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, ptr};

use anyring::RingRef;
use anyring::abi::*;
use anyring::buffers;
use anyring::ring::setup::queue_exit;
use anyring_engine::{Choice, KernelOrEngine};

use crate::rings::{last, ring_on};

pub(crate) const FILES: usize = 4;
pub(crate) const STREAMS: usize = 3;
pub(crate) const PIPES: usize = 2;
/// Slots of the registered table that stand for the objects above; behind them
/// are slots that programs fill and clear.
pub(crate) const OBJECTS: usize = FILES + 2 * STREAMS + 2 * PIPES;
pub(crate) const SLOTS: usize = OBJECTS + 4;
/// Bytes that programs may read into and write from.
const ARENA: usize = 1 << 20;
const FIXED: usize = 4096;
/// Entries of the buffer ring, and bytes of each buffer.
pub(crate) const GROUP: (u16, u32) = (8, 64);

/// A completion, with what differs between the worlds taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) tag: u64,
    pub(crate) res: i32,
    pub(crate) flags: u32,
    /// 0 for the first ring, 1 for the second.
    pub(crate) ring: u8,
}

impl Seen {
    pub(crate) fn brief(&self) -> String {
        let ring = if self.ring == 0 { "" } else { "second ring " };
        format!("{ring}{}={} ({:#x})", self.tag, self.res, self.flags)
    }
}

pub(crate) struct World {
    raw: [Box<io_uring>; 2],
    pub(crate) dir: PathBuf,
    pub(crate) dir_fd: RawFd,
    pub(crate) files: Vec<RawFd>,
    /// A file that nobody writes to.
    pub(crate) source: RawFd,
    pub(crate) streams: Vec<[RawFd; 2]>,
    pub(crate) pipes: Vec<[RawFd; 2]>,
    arena: Vec<u8>,
    used: usize,
    fixed: Vec<u8>,
    group: Vec<u8>,
    group_ring: *mut io_uring_buf_ring,
    /// What requests point to beside the arena; kept to the end.
    kept: Vec<Box<[u64]>>,
    names: Vec<CString>,
}

impl World {
    pub(crate) fn new(choice: Choice, flags: u32, dir: &Path) -> Result<World, i32> {
        let raw = [ring_on(choice, 16, flags)?, ring_on(choice, 64, 0)?];
        fs::create_dir_all(dir).expect("a folder");
        let open = |path: &Path, flags: i32| {
            let path = CString::new(path.to_str().expect("a plain name")).expect("no NUL");
            // SAFETY: a terminated string.
            let fd = unsafe { libc::open(path.as_ptr(), flags, 0o644) };
            assert!(fd >= 0, "open: {}", last());
            fd
        };
        let dir_fd = open(dir, libc::O_RDONLY | libc::O_DIRECTORY);
        let files = (0..FILES)
            .map(|at| open(&dir.join(format!("f{at}")), libc::O_RDWR | libc::O_CREAT))
            .collect();
        let source: Vec<u8> = (0..4096_u32).map(|at| ((at * 7) >> 3) as u8).collect();
        fs::write(dir.join("source"), source).expect("a file");
        let mut world = World {
            raw,
            dir: dir.to_path_buf(),
            dir_fd,
            files,
            source: open(&dir.join("source"), libc::O_RDONLY),
            streams: Vec::new(),
            pipes: Vec::new(),
            arena: vec![0xa5; ARENA],
            used: 0,
            fixed: vec![0x5a; FIXED],
            group: vec![0; usize::from(GROUP.0) * GROUP.1 as usize],
            group_ring: ptr::null_mut(),
            kept: Vec::new(),
            names: (0..6)
                .map(|at| CString::new(format!("n{at}")).expect("no NUL"))
                .chain([CString::new("n0/below").expect("no NUL")])
                .collect(),
        };
        for _ in 0..STREAMS {
            let mut pair = [0; 2];
            // SAFETY: room for two.
            let made =
                unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()) };
            assert_eq!(made, 0);
            world.streams.push(pair);
        }
        for _ in 0..PIPES {
            let mut pair = [0; 2];
            // SAFETY: room for two.
            let made = unsafe { libc::pipe2(pair.as_mut_ptr(), libc::O_CLOEXEC) };
            assert_eq!(made, 0);
            world.pipes.push(pair);
        }
        world.register();
        Ok(world)
    }

    fn register(&mut self) {
        let mut table: Vec<i32> = self.files.clone();
        table.extend(self.streams.iter().flatten());
        table.extend(self.pipes.iter().flatten());
        table.resize(SLOTS, -1);
        let buffer = libc::iovec {
            iov_base: self.fixed.as_mut_ptr().cast(),
            iov_len: FIXED,
        };
        let ring = self.ring(0);
        // SAFETY: the tables are read during the calls; the buffer stays.
        unsafe {
            let result = ring.register(
                IORING_REGISTER_FILES,
                table.as_ptr().cast(),
                table.len() as u32,
            );
            assert_eq!(result, 0, "files");
            let result = ring.register(IORING_REGISTER_BUFFERS, (&raw const buffer).cast(), 1);
            assert_eq!(result, 0, "buffers");
        }
        self.group_ring = ring
            .setup_buf_ring(u32::from(GROUP.0), 1, 0)
            .expect("a buffer ring");
        for bid in 0..GROUP.0 {
            self.give_back(bid);
        }
    }

    /// Puts a buffer of the ring group back.
    pub(crate) fn give_back(&mut self, bid: u16) {
        let at = usize::from(bid) * GROUP.1 as usize;
        // SAFETY: a buffer ring of ours with this mask; the buffer stays.
        unsafe {
            let buffer = self.group.as_mut_ptr().add(at).cast();
            let mask = i32::from(GROUP.0) - 1;
            buffers::add(self.group_ring, buffer, GROUP.1, bid, mask, 0);
            buffers::advance(self.group_ring, 1);
        }
    }

    pub(crate) fn ring(&mut self, which: usize) -> RingRef<KernelOrEngine> {
        // SAFETY: set up; not used after the world is dropped.
        unsafe { RingRef::new(&raw mut *self.raw[which], KernelOrEngine::new()) }
    }

    pub(crate) fn second_fd(&self) -> RawFd {
        self.raw[1].ring_fd
    }

    /// Fresh memory, filled with a pattern.
    pub(crate) fn buffer(&mut self, len: usize, seed: u64) -> *mut u8 {
        let at = self.used;
        self.used = (at + len + 7) & !7;
        assert!(self.used <= ARENA, "programs are shorter than this");
        for (place, byte) in self.arena[at..at + len].iter_mut().enumerate() {
            *byte = (seed as u8).wrapping_add(place as u8);
        }
        self.arena[at..].as_mut_ptr()
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn has_room(&self) -> bool {
        self.used + 65536 < ARENA
    }

    /// Memory for a struct that requests point to.
    pub(crate) fn keep(&mut self, words: &[u64]) -> *mut u64 {
        self.kept.push(words.into());
        self.kept.last_mut().expect("just added").as_mut_ptr()
    }

    pub(crate) fn fixed(&mut self, at: usize) -> *mut u8 {
        self.fixed.as_mut_ptr().wrapping_add(at)
    }

    pub(crate) fn name(&self, at: usize) -> *const libc::c_char {
        self.names[at % self.names.len()].as_ptr()
    }

    /// Takes what both rings have.
    pub(crate) fn collect(&mut self, seen: &mut Vec<Seen>, gives_fd: impl Fn(u64) -> bool) {
        for which in 0..2 {
            let ring = self.ring(which);
            let _ = ring.submit_and_get_events();
            loop {
                let peek = ring.peek_raw();
                if peek.cqe.is_null() {
                    break;
                }
                // SAFETY: a ready entry, read before it is given back.
                let (tag, mut res, mut flags) =
                    unsafe { ((*peek.cqe).user_data, (*peek.cqe).res, (*peek.cqe).flags) };
                // A hint, for which the engine does not make a call.
                flags &= !IORING_CQE_F_SOCK_NONEMPTY;
                ring.cq_advance(1);
                if which == 0 && res >= 0 && gives_fd(tag) {
                    // SAFETY: a descriptor that nobody else knows.
                    assert_eq!(unsafe { libc::close(res) }, 0, "an open descriptor");
                    res = 0;
                }
                if res == -libc::EINTR {
                    // What a worker of the kernel was stopped in.
                    res = -libc::ECANCELED;
                }
                let bid = (flags >> IORING_CQE_BUFFER_SHIFT) as u16;
                // Others are of a classic group, which a mistaken entry made.
                if flags & IORING_CQE_F_BUFFER != 0 && bid < GROUP.0 {
                    let at = usize::from(bid) * GROUP.1 as usize;
                    let taken = self.group[at..at + GROUP.1 as usize].to_vec();
                    let copy = self.buffer(taken.len(), 0);
                    // SAFETY: fresh memory of that length.
                    unsafe { ptr::copy_nonoverlapping(taken.as_ptr(), copy, taken.len()) };
                    self.give_back(bid);
                }
                seen.push(Seen {
                    tag,
                    res,
                    flags,
                    ring: which as u8,
                });
            }
        }
    }

    /// Everything that programs can have changed. While requests wait, one of
    /// them may have taken more than its counterpart.
    pub(crate) fn contents(&self, waiting: bool) -> Vec<(String, Vec<u8>)> {
        let mut all = vec![("registered buffer".into(), self.fixed.clone())];
        walk(&self.dir, &self.dir, &mut all);
        if waiting {
            return all;
        }
        all.push(("memory".into(), self.arena[..self.used].to_vec()));
        for fds in self.streams.iter().chain(&self.pipes) {
            for fd in fds {
                let mut waiting = 0;
                // SAFETY: an integer is written.
                unsafe { libc::ioctl(*fd, libc::FIONREAD, &raw mut waiting) };
                all.push(("bytes waiting".into(), waiting.to_string().into_bytes()));
            }
        }
        for fd in &self.files {
            // SAFETY: a plain call.
            let at = unsafe { libc::lseek(*fd, 0, libc::SEEK_CUR) };
            all.push(("position".into(), at.to_string().into_bytes()));
        }
        all
    }
}

fn walk(root: &Path, at: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    let mut names: Vec<_> = fs::read_dir(at)
        .expect("a readable folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    names.sort();
    for path in names {
        let about = fs::symlink_metadata(&path).expect("an entry");
        let name = path
            .strip_prefix(root)
            .expect("below it")
            .display()
            .to_string();
        let mode = about.permissions().mode();
        let content = if about.is_file() {
            fs::read(&path).expect("a readable file")
        } else if about.is_symlink() {
            fs::read_link(&path)
                .expect("a link")
                .into_os_string()
                .into_encoded_bytes()
        } else {
            // A folder, or the device that a rename leaves for a whiteout.
            if about.is_dir() {
                walk(root, &path, all);
            }
            Vec::new()
        };
        all.push((format!("{name} mode {mode:o}"), content));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let ring = self.ring(0);
        // SAFETY: made by that ring with so many entries, not used any more.
        unsafe { ring.free_buf_ring(self.group_ring, u32::from(GROUP.0), 1) };
        for which in 0..2 {
            let ring = self.ring(which);
            // SAFETY: not used any more.
            unsafe { queue_exit(ring) };
        }
        let pairs = self.streams.iter().chain(&self.pipes).flatten();
        for fd in self
            .files
            .iter()
            .chain(pairs)
            .chain([&self.dir_fd, &self.source])
        {
            // SAFETY: ours.
            unsafe { libc::close(*fd) };
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
