//! A ring on one of the two kernels, with an object of every kind.

use std::ffi::CString;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::{fs, mem, ptr};

use anyring::RingRef;
use anyring::abi::*;
use anyring::ring::setup::queue_exit;
use anyring_engine::{Choice, KernelOrEngine};

use crate::rings::{last, ring_on};

/// What a descriptor can be of; also its place among the registered files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Kind {
    File,
    ReadOnly,
    WriteOnly,
    Folder,
    /// Opened with O_PATH.
    Path,
    /// A stream socket with bytes to read, and its other end.
    Stream,
    Peer,
    /// A stream socket that is not connected.
    Lonely,
    /// One that listens, with a connection waiting.
    Listener,
    Datagram,
    /// A TCP connection with bytes to read.
    Tcp,
    PipeRead,
    PipeWrite,
    /// A pipe with nothing in it.
    Dry,
    Epoll,
    Eventfd,
    Null,
    /// An empty registered slot and no descriptor.
    None,
    /// The second ring; not registered.
    Ring,
}

pub(crate) const KINDS: [Kind; 19] = [
    Kind::File,
    Kind::ReadOnly,
    Kind::WriteOnly,
    Kind::Folder,
    Kind::Path,
    Kind::Stream,
    Kind::Peer,
    Kind::Lonely,
    Kind::Listener,
    Kind::Datagram,
    Kind::Tcp,
    Kind::PipeRead,
    Kind::PipeWrite,
    Kind::Dry,
    Kind::Epoll,
    Kind::Eventfd,
    Kind::Null,
    Kind::None,
    Kind::Ring,
];
/// Registered slots: those of kinds, and empty ones.
pub(crate) const SLOTS: usize = 24;
/// Bytes of each piece of memory.
pub(crate) const PAGE: usize = 4096;
/// The buffer group that is a ring, and the classic one.
pub(crate) const GROUP: u16 = 1;
pub(crate) const CLASSIC: u16 = 2;
const GROUP_BUFFERS: u16 = 4;
const PAGES: usize = 8;

/// A completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) second: bool,
    pub(crate) tag: u64,
    pub(crate) res: i32,
    pub(crate) flags: u32,
}

/// Objects and memory that outlive a case.
pub(crate) struct Place {
    pub(crate) choice: Choice,
    dir: PathBuf,
    memory: *mut u8,
    listener: RawFd,
    address: [u8; 16],
}

pub(crate) struct World<'a> {
    rings: [Box<io_uring>; 2],
    pub(crate) fds: Vec<RawFd>,
    others: Vec<RawFd>,
    place: &'a Place,
    used: usize,
}

fn check(result: i32) -> i32 {
    assert!(result >= 0, "errno {}", last());
    result
}

fn text(path: &Path) -> CString {
    CString::new(path.to_str().expect("a plain name")).expect("no NUL")
}

/// A pair of sockets or of pipe ends.
fn pair(make: impl Fn(*mut i32) -> i32) -> [RawFd; 2] {
    let mut fds = [0; 2];
    check(make(fds.as_mut_ptr()));
    fds
}

fn put(fd: RawFd, bytes: &[u8]) {
    // SAFETY: the bytes are valid.
    let count = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
    assert_eq!(count, bytes.len() as isize, "errno {}", last());
}

impl Place {
    pub(crate) fn new(choice: Choice, dir: &Path) -> Place {
        fs::create_dir_all(dir).expect("a folder");
        let no_access = libc::PROT_NONE;
        // SAFETY: a fresh mapping, of which two pages are taken away again.
        let memory = unsafe {
            let at = libc::mmap(
                ptr::null_mut(),
                PAGES * PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(at, libc::MAP_FAILED);
            check(libc::mprotect(at.byte_add(PAGE), PAGE, no_access));
            check(libc::mprotect(at.byte_add(3 * PAGE), PAGE, no_access));
            check(libc::mprotect(at.byte_add(5 * PAGE), PAGE, libc::PROT_READ));
            at.cast::<u8>()
        };
        // SAFETY: addresses are valid during the calls.
        let (listener, address) = unsafe {
            let fd = check(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0));
            let mut address: libc::sockaddr_in = mem::zeroed();
            address.sin_family = libc::AF_INET as u16;
            address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
            let mut len = 16;
            check(libc::bind(fd, (&raw const address).cast(), len));
            check(libc::listen(fd, 5));
            check(libc::getsockname(
                fd,
                (&raw mut address).cast(),
                &raw mut len,
            ));
            (fd, mem::transmute::<libc::sockaddr_in, [u8; 16]>(address))
        };
        Place {
            choice,
            dir: dir.to_path_buf(),
            memory,
            listener,
            address,
        }
    }

    /// Two pages for a ring of the program's memory, zeroed.
    pub(crate) fn pages(&self) -> [u64; 2] {
        [6, 7].map(|at| {
            // SAFETY: pages of ours that may be written.
            unsafe { ptr::write_bytes(self.page(at), 0, PAGE) };
            self.page(at) as u64
        })
    }

    fn page(&self, at: usize) -> *mut u8 {
        self.memory.wrapping_add(at * PAGE)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: ours, not used any more.
        unsafe {
            libc::munmap(self.memory.cast(), PAGES * PAGE);
            libc::close(self.listener);
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl World<'_> {
    pub(crate) fn new(place: &Place, flags: u32) -> World<'_> {
        let entries = 8;
        let rings = [flags, 0].map(|flags| ring_on(place.choice, entries, flags).expect("a ring"));
        let mut world = World {
            rings,
            fds: Vec::new(),
            others: Vec::new(),
            place,
            used: 0,
        };
        // SAFETY: pages of ours that may be written.
        unsafe {
            for at in [2, 4, 6, 7] {
                ptr::write_bytes(place.page(at), 0, PAGE);
            }
            for at in 0..PAGE {
                place.page(0).add(at).write(at as u8);
            }
        }
        world.make_objects();
        world
    }

    fn make_objects(&mut self) {
        let dir = self.place.dir.clone();
        let bytes: Vec<u8> = (0..PAGE).map(|at| (at >> 3) as u8).collect();
        // A rename may have left a device for the victim.
        for name in ["victim", "fresh"] {
            let _ = fs::remove_file(dir.join(name));
            let _ = fs::remove_dir(dir.join(name));
        }
        for name in ["file", "victim"] {
            fs::write(dir.join(name), &bytes).expect("a file");
        }
        let open = |name: &str, flags: i32| {
            let path = text(&dir.join(name));
            // SAFETY: a terminated string.
            check(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) })
        };
        // SAFETY: plain calls with room for what they give.
        unsafe {
            let unix = |kind| move |to| libc::socketpair(libc::AF_UNIX, kind, 0, to);
            let [stream, peer] = pair(unix(libc::SOCK_STREAM));
            let [datagram, other] = pair(unix(libc::SOCK_DGRAM));
            let [read, write] = pair(|to| libc::pipe(to));
            let [dry, end] = pair(|to| libc::pipe(to));
            let lonely = check(libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0));
            let (listener, client) = self.listen();
            let tcp = check(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0));
            let address = self.place.address;
            check(libc::connect(tcp, address.as_ptr().cast(), 16));
            let accepted = check(libc::accept(
                self.place.listener,
                ptr::null_mut(),
                ptr::null_mut(),
            ));
            // Ports are free again at once.
            let linger = libc::linger {
                l_onoff: 1,
                l_linger: 0,
            };
            for fd in [tcp, accepted] {
                check(libc::setsockopt(
                    fd,
                    libc::SOL_SOCKET,
                    libc::SO_LINGER,
                    (&raw const linger).cast(),
                    8,
                ));
            }
            for fd in [peer, other, write, accepted] {
                put(fd, &bytes[..64]);
            }
            self.fds = vec![
                open("file", libc::O_RDWR),
                open("file", libc::O_RDONLY),
                open("file", libc::O_WRONLY),
                open(".", libc::O_RDONLY | libc::O_DIRECTORY),
                open("file", libc::O_PATH),
                stream,
                peer,
                lonely,
                listener,
                datagram,
                tcp,
                read,
                write,
                dry,
                check(libc::epoll_create1(0)),
                check(libc::eventfd(1, 0)),
                open("/dev/null", libc::O_RDWR),
                -1,
            ];
            self.others = vec![other, end, client, accepted];
        }
        let second = self.rings[1].ring_fd;
        self.fds.push(second);
    }

    /// A listener with an address of the system's choice, and who knocks.
    fn listen(&self) -> (RawFd, RawFd) {
        // SAFETY: addresses are valid during the calls.
        unsafe {
            let fd = check(libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0));
            let mut address: libc::sockaddr_un = mem::zeroed();
            address.sun_family = libc::AF_UNIX as u16;
            // Only the family: the kernel finds an abstract name.
            check(libc::bind(fd, (&raw const address).cast(), 2));
            check(libc::listen(fd, 5));
            let mut len = mem::size_of_val(&address) as u32;
            check(libc::getsockname(
                fd,
                (&raw mut address).cast(),
                &raw mut len,
            ));
            let client = check(libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0));
            check(libc::connect(client, (&raw const address).cast(), len));
            (fd, client)
        }
    }

    /// Registers files, buffers and buffer groups.
    pub(crate) fn register_all(&mut self) {
        let mut table = self.fds.clone();
        table.truncate(Kind::None as usize);
        table.resize(SLOTS, -1);
        // No table takes those.
        table[Kind::Path as usize] = -1;
        let buffer = libc::iovec {
            iov_base: self.data().cast(),
            iov_len: PAGE,
        };
        let reg = io_uring_buf_reg {
            ring_addr: self.place.page(6) as u64,
            ring_entries: u32::from(GROUP_BUFFERS),
            bgid: GROUP,
            // SAFETY: integers only.
            ..unsafe { mem::zeroed() }
        };
        let ring = self.ring(0);
        // SAFETY: the tables are read during the calls; the memory stays.
        unsafe {
            let count = table.len() as u32;
            let result = ring.register(IORING_REGISTER_FILES, table.as_ptr().cast(), count);
            assert_eq!(result, 0, "files");
            let result = ring.register(IORING_REGISTER_BUFFERS, (&raw const buffer).cast(), 1);
            assert_eq!(result, 0, "buffers");
            let result = ring.register(IORING_REGISTER_PBUF_RING, (&raw const reg).cast(), 1);
            assert_eq!(result, 0, "a buffer ring");
            let group = self.place.page(6).cast::<io_uring_buf_ring>();
            for bid in 0..GROUP_BUFFERS {
                let at = self.place.page(7).add(usize::from(bid) * 64).cast();
                let mask = i32::from(GROUP_BUFFERS) - 1;
                anyring::buffers::add(group, at, 64, bid, mask, i32::from(bid));
            }
            anyring::buffers::advance(group, i32::from(GROUP_BUFFERS));
        }
        let at = self.place.page(7).wrapping_add(1024);
        self.push(1, |sqe| {
            anyring::prep::prep_provide_buffers(sqe, at.cast(), 64, 4, i32::from(CLASSIC), 10);
        });
        ring.submit();
        let mut seen = Vec::new();
        self.collect(&mut seen);
        assert_eq!((seen.len(), seen[0].res), (1, 0));
    }

    pub(crate) fn ring(&mut self, which: usize) -> RingRef<KernelOrEngine> {
        // SAFETY: set up; not used after the world is dropped.
        unsafe { RingRef::new(&raw mut *self.rings[which], KernelOrEngine::new()) }
    }

    /// Puts an entry into the first ring's queue.
    pub(crate) fn push(&mut self, tag: u64, fill: impl FnOnce(&mut io_uring_sqe)) {
        let slot = self.ring(0).get_sqe().expect("room in the queue");
        // SAFETY: a fresh entry: zeroes are a value.
        let sqe = unsafe {
            ptr::write_bytes(slot.as_ptr(), 0, 1);
            &mut *slot.as_ptr()
        };
        fill(sqe);
        sqe.user_data = tag;
    }

    /// Takes what both rings have.
    pub(crate) fn collect(&mut self, seen: &mut Vec<Seen>) {
        for which in 0..2 {
            let ring = self.ring(which);
            let _ = ring.get_events();
            loop {
                let peek = ring.peek_raw();
                if peek.cqe.is_null() {
                    break;
                }
                // SAFETY: a ready entry, read before it is given back.
                let cqe = unsafe { &*peek.cqe };
                seen.push(Seen {
                    second: which == 1,
                    tag: cqe.user_data,
                    // A worker of the kernel that was stopped.
                    res: if cqe.res == -libc::EINTR {
                        -libc::ECANCELED
                    } else {
                        cqe.res
                    },
                    // A hint, for which the engine does not make a call.
                    flags: cqe.flags & !IORING_CQE_F_SOCK_NONEMPTY,
                });
                ring.cq_advance(1);
            }
        }
    }

    pub(crate) fn fd(&self, kind: Kind) -> RawFd {
        self.fds[kind as usize]
    }

    /// The program closed it.
    pub(crate) fn forget(&mut self, fd: RawFd) {
        for one in &mut self.fds {
            if *one == fd {
                *one = -1;
            }
        }
    }

    /// Bytes to send, with nothing mapped behind them; registered as a buffer.
    pub(crate) fn data(&self) -> *mut u8 {
        self.place.page(0)
    }

    /// What nobody may touch.
    pub(crate) fn guard(&self) -> *mut u8 {
        self.place.page(1)
    }

    /// Room for results, with nothing mapped behind it.
    pub(crate) fn out(&self) -> *mut u8 {
        self.place.page(2)
    }

    /// What may only be read.
    pub(crate) fn constant(&self) -> *mut u8 {
        self.place.page(5)
    }

    /// Memory for structs that requests point to.
    pub(crate) fn keep<T: Copy>(&mut self, value: T) -> *mut T {
        let at = self.place.page(4).wrapping_add(self.used);
        self.used += mem::size_of::<T>().next_multiple_of(16);
        assert!(self.used <= PAGE, "cases need less");
        // SAFETY: fresh memory of ours, aligned.
        unsafe { at.cast::<T>().write(value) };
        at.cast()
    }

    pub(crate) fn keep_text(&mut self, text: &str) -> *const libc::c_char {
        let mut bytes = [0_u8; 64];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        self.keep(bytes).cast_const().cast()
    }

    /// A name with its folders.
    pub(crate) fn path(&mut self, name: &str) -> *const libc::c_char {
        let path = self.place.dir.join(name);
        let mut bytes = [0_u8; 256];
        let text = path.to_str().expect("a plain name");
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        self.keep(bytes).cast_const().cast()
    }

    /// Address of something that listens on TCP.
    pub(crate) fn address(&mut self) -> *const libc::sockaddr {
        let address = self.place.address;
        self.keep(address).cast_const().cast()
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        for which in 0..2 {
            let ring = self.ring(which);
            // SAFETY: not used any more.
            unsafe { queue_exit(ring) };
        }
        self.fds.truncate(Kind::Ring as usize);
        for fd in self.fds.iter().chain(&self.others) {
            if *fd >= 0 {
                // SAFETY: ours.
                unsafe { libc::close(*fd) };
            }
        }
    }
}
