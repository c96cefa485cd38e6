//! An open file of every kind, in the states that decide what an operation on
//! it does.

use std::ffi::CString;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::{fs, mem, ptr};

use crate::rings::last;

/// Bytes that are there to be read where a kind has any.
pub(crate) const THERE: usize = 64;

/// What a descriptor refers to, and its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    FileReadOnly,
    FileWriteOnly,
    FileAppend,
    FileNonblock,
    Memfd,
    Proc,
    Sys,
    Directory,
    OPath,
    PtyMasterIdle,
    PtyMasterReady,
    PtySlaveIdle,
    PtySlaveReady,
    FifoIdle,
    FifoReady,
    FifoNoWriter,
    PipeReadIdle,
    PipeReadReady,
    PipeReadHungUp,
    PipeReadNonblock,
    PipeWrite,
    PipeWriteFull,
    PipeWriteFullNonblock,
    PipeWriteBroken,
    UnixIdle,
    UnixReady,
    UnixNonblock,
    UnixPeerClosed,
    UnixPeerClosedReady,
    UnixFull,
    UnixUnconnected,
    UnixListenerIdle,
    UnixListenerReady,
    UnixDatagramIdle,
    UnixDatagramReady,
    UnixSeqpacketIdle,
    UnixSeqpacketReady,
    TcpIdle,
    TcpReady,
    TcpPeerClosed,
    TcpPeerClosedReady,
    TcpReset,
    TcpUnconnected,
    TcpListenerIdle,
    TcpListenerReady,
    UdpIdle,
    UdpReady,
    UdpUnconnected,
    NetlinkIdle,
    EventfdZero,
    EventfdReady,
    EventfdSemaphore,
    EventfdFull,
    TimerfdUnarmed,
    TimerfdExpired,
    SignalfdIdle,
    InotifyIdle,
    InotifyReady,
    FanotifyIdle,
    EpollIdle,
    EpollReady,
    PidfdAlive,
    PidfdEnded,
    Userfaultfd,
    DevNull,
    DevZero,
    DevFull,
    DevUrandom,
    Closed,
}

use Kind::*;

pub(crate) const KINDS: &[Kind] = &[
    File,
    FileReadOnly,
    FileWriteOnly,
    FileAppend,
    FileNonblock,
    Memfd,
    Proc,
    Sys,
    Directory,
    OPath,
    PtyMasterIdle,
    PtyMasterReady,
    PtySlaveIdle,
    PtySlaveReady,
    FifoIdle,
    FifoReady,
    FifoNoWriter,
    PipeReadIdle,
    PipeReadReady,
    PipeReadHungUp,
    PipeReadNonblock,
    PipeWrite,
    PipeWriteFull,
    PipeWriteFullNonblock,
    PipeWriteBroken,
    UnixIdle,
    UnixReady,
    UnixNonblock,
    UnixPeerClosed,
    UnixPeerClosedReady,
    UnixFull,
    UnixUnconnected,
    UnixListenerIdle,
    UnixListenerReady,
    UnixDatagramIdle,
    UnixDatagramReady,
    UnixSeqpacketIdle,
    UnixSeqpacketReady,
    TcpIdle,
    TcpReady,
    TcpPeerClosed,
    TcpPeerClosedReady,
    TcpReset,
    TcpUnconnected,
    TcpListenerIdle,
    TcpListenerReady,
    UdpIdle,
    UdpReady,
    UdpUnconnected,
    NetlinkIdle,
    EventfdZero,
    EventfdReady,
    EventfdSemaphore,
    EventfdFull,
    TimerfdUnarmed,
    TimerfdExpired,
    SignalfdIdle,
    InotifyIdle,
    InotifyReady,
    FanotifyIdle,
    EpollIdle,
    EpollReady,
    PidfdAlive,
    PidfdEnded,
    Userfaultfd,
    DevNull,
    DevZero,
    DevFull,
    DevUrandom,
    Closed,
];

/// A descriptor of a kind, and what keeps it in its state.
pub(crate) struct Object {
    pub(crate) fd: RawFd,
    kind: Kind,
    /// Other ends; the first one feeds the object.
    others: Vec<RawFd>,
    child: libc::pid_t,
    folder: PathBuf,
}

fn check(result: i32) -> Result<i32, i32> {
    if result < 0 { Err(last()) } else { Ok(result) }
}

fn text(path: &Path) -> CString {
    CString::new(path.to_str().expect("a plain name")).expect("no NUL")
}

fn open(path: &Path, flags: i32) -> Result<RawFd, i32> {
    let path = text(path);
    // SAFETY: a terminated string; O_CREAT is not among the flags.
    check(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) })
}

fn put(fd: RawFd, count: usize) -> Result<(), i32> {
    if !poll(fd, libc::POLLOUT, 0) {
        return Err(libc::EAGAIN);
    }
    let bytes = [7_u8; THERE];
    // SAFETY: the bytes are valid.
    check(unsafe { libc::write(fd, bytes.as_ptr().cast(), count) } as i32).map(drop)
}

/// Fills what a nonblocking write can fill.
fn fill(fd: RawFd) {
    let bytes = [7_u8; 4096];
    for size in [4096, 1] {
        // SAFETY: the bytes are valid; a socket or a pipe of this test.
        unsafe {
            let flags = libc::fcntl(fd, libc::F_GETFL);
            libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK);
            while libc::write(fd, bytes.as_ptr().cast(), size) > 0 {}
            libc::fcntl(fd, libc::F_SETFL, flags);
        }
    }
}

fn pair(make: impl FnOnce(*mut i32) -> i32) -> Result<[RawFd; 2], i32> {
    let mut fds = [0; 2];
    check(make(fds.as_mut_ptr()))?;
    Ok(fds)
}

fn socket(domain: i32, kind: i32) -> Result<RawFd, i32> {
    // SAFETY: no memory.
    check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, 0) })
}

fn unix(kind: i32) -> Result<[RawFd; 2], i32> {
    // SAFETY: room for two descriptors.
    pair(|to| unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, to) })
}

fn pipe(flags: i32) -> Result<[RawFd; 2], i32> {
    // SAFETY: room for two descriptors.
    pair(|to| unsafe { libc::pipe2(to, flags | libc::O_CLOEXEC) })
}

/// Binds to an address of the system's choice; the address.
fn bind(fd: RawFd, domain: i32) -> Result<Vec<u8>, i32> {
    let mut address = [0_u8; 110];
    address[..2].copy_from_slice(&(domain as u16).to_ne_bytes());
    let len = if domain == libc::AF_INET {
        address[4..8].copy_from_slice(&[127, 0, 0, 1]);
        16
    } else {
        2
    };
    let mut size = 110;
    // SAFETY: the address is valid for its length.
    unsafe {
        check(libc::bind(fd, address.as_ptr().cast(), len))?;
        check(libc::getsockname(
            fd,
            address.as_mut_ptr().cast(),
            &raw mut size,
        ))?;
    }
    Ok(address[..size as usize].to_vec())
}

fn connect(fd: RawFd, address: &[u8]) -> Result<(), i32> {
    // SAFETY: the address is valid for its length.
    check(unsafe { libc::connect(fd, address.as_ptr().cast(), address.len() as u32) }).map(drop)
}

fn listener(domain: i32) -> Result<(RawFd, Vec<u8>), i32> {
    let fd = socket(domain, libc::SOCK_STREAM)?;
    let address = bind(fd, domain)?;
    // SAFETY: no memory.
    check(unsafe { libc::listen(fd, 8) })?;
    Ok((fd, address))
}

/// A TCP connection on the loopback interface. Neither end stays in TIME_WAIT.
fn tcp() -> Result<[RawFd; 2], i32> {
    let (listening, address) = listener(libc::AF_INET)?;
    let client = socket(libc::AF_INET, libc::SOCK_STREAM)?;
    connect(client, &address)?;
    // SAFETY: no address is asked for.
    let served = check(unsafe { libc::accept(listening, ptr::null_mut(), ptr::null_mut()) })?;
    close(listening);
    Ok([client, served])
}

fn linger(fd: RawFd) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let at = (&raw const linger).cast();
    // SAFETY: the struct is valid.
    unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, at, 8) };
}

fn close(fd: RawFd) {
    // SAFETY: a descriptor of this test.
    unsafe { libc::close(fd) };
}

fn udp() -> Result<[RawFd; 2], i32> {
    let [one, two] = [
        socket(libc::AF_INET, libc::SOCK_DGRAM)?,
        socket(libc::AF_INET, libc::SOCK_DGRAM)?,
    ];
    let addresses = [bind(one, libc::AF_INET)?, bind(two, libc::AF_INET)?];
    connect(one, &addresses[1])?;
    connect(two, &addresses[0])?;
    Ok([one, two])
}

fn arm(fd: RawFd) -> Result<(), i32> {
    // SAFETY: integers only.
    let mut time: libc::itimerspec = unsafe { mem::zeroed() };
    time.it_value.tv_nsec = 1;
    // SAFETY: the struct is valid.
    check(unsafe { libc::timerfd_settime(fd, 0, &raw const time, ptr::null_mut()) })?;
    Ok(())
}

fn poll(fd: RawFd, events: i16, time: i32) -> bool {
    let mut poll = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: one entry.
    unsafe { libc::poll(&raw mut poll, 1, time) > 0 }
}

fn ready(fd: RawFd) {
    poll(fd, libc::POLLIN, 1000);
}

/// Reads what is there; what was taken already is not waited for.
fn drain(fd: RawFd, count: usize) {
    let mut bytes = vec![0_u8; count];
    if poll(fd, libc::POLLIN, 0) {
        // SAFETY: room for the bytes.
        unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len()) };
    }
}

fn watch(epoll: RawFd, fd: RawFd) -> Result<(), i32> {
    let mut event = libc::epoll_event {
        events: libc::EPOLLIN as u32,
        u64: 3,
    };
    // SAFETY: the event is valid.
    check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) }).map(drop)
}

/// A child that waits for a signal; its number and a descriptor of it.
fn child() -> Result<(libc::pid_t, RawFd), i32> {
    // SAFETY: the child makes async-signal-safe calls only.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        loop {
            // SAFETY: waits for the signal that ends it.
            unsafe { libc::pause() };
        }
    }
    check(pid)?;
    // SAFETY: no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    Ok((pid, check(fd as i32)?))
}

impl Object {
    /// Makes one; the errno where this machine does not allow the kind.
    pub(crate) fn new(kind: Kind, folder: &Path) -> Result<Object, i32> {
        let mut object = Object {
            fd: -1,
            kind,
            others: Vec::new(),
            child: 0,
            folder: folder.to_path_buf(),
        };
        object.open(folder)?;
        Ok(object)
    }

    fn take(&mut self, [fd, other]: [RawFd; 2]) {
        self.fd = fd;
        self.others.push(other);
    }

    fn open(&mut self, folder: &Path) -> Result<(), i32> {
        let bytes: Vec<u8> = (0..4096_u32).map(|at| (at >> 3) as u8).collect();
        let file = folder.join("file");
        let fifo = folder.join("fifo");
        let nonblock = libc::O_NONBLOCK;
        match self.kind {
            File | FileReadOnly | FileWriteOnly | FileAppend | FileNonblock | OPath => {
                fs::write(&file, &bytes).expect("a file");
                let flags = match self.kind {
                    FileReadOnly => libc::O_RDONLY,
                    FileWriteOnly => libc::O_WRONLY,
                    FileAppend => libc::O_RDWR | libc::O_APPEND,
                    FileNonblock => libc::O_RDWR | nonblock,
                    OPath => libc::O_PATH,
                    _ => libc::O_RDWR,
                };
                self.fd = open(&file, flags)?;
            }
            Memfd => {
                // SAFETY: a terminated name.
                let fd = unsafe { libc::memfd_create(c"kind".as_ptr(), libc::MFD_CLOEXEC) };
                self.fd = check(fd)?;
                // SAFETY: the bytes are valid.
                unsafe { libc::pwrite(self.fd, bytes.as_ptr().cast(), bytes.len(), 0) };
            }
            Proc => self.fd = open(Path::new("/proc/version"), libc::O_RDONLY)?,
            Sys => {
                self.fd = open(
                    Path::new("/sys/kernel/mm/transparent_hugepage/enabled"),
                    libc::O_RDONLY,
                )?
            }
            Directory => self.fd = open(folder, libc::O_RDONLY | libc::O_DIRECTORY)?,
            PtyMasterIdle | PtyMasterReady | PtySlaveIdle | PtySlaveReady => {
                let (mut master, mut slave) = (-1, -1);
                // SAFETY: room for two descriptors; the rest may be NULL.
                check(unsafe {
                    libc::openpty(
                        &raw mut master,
                        &raw mut slave,
                        ptr::null_mut(),
                        ptr::null(),
                        ptr::null(),
                    )
                })?;
                // The kernel echoes some time later.
                // SAFETY: integers only; a terminal of this test.
                unsafe {
                    let mut modes: libc::termios = mem::zeroed();
                    libc::tcgetattr(slave, &raw mut modes);
                    modes.c_lflag &= !libc::ECHO;
                    libc::tcsetattr(slave, libc::TCSANOW, &raw const modes);
                }
                if matches!(self.kind, PtyMasterIdle | PtyMasterReady) {
                    self.take([master, slave]);
                } else {
                    self.take([slave, master]);
                }
                if matches!(self.kind, PtyMasterReady | PtySlaveReady) {
                    self.feed();
                    ready(self.fd);
                }
            }
            FifoIdle | FifoReady | FifoNoWriter => {
                let _ = fs::remove_file(&fifo);
                let name = text(&fifo);
                // SAFETY: a terminated name.
                check(unsafe { libc::mkfifo(name.as_ptr(), 0o600) })?;
                self.fd = open(&fifo, libc::O_RDONLY | nonblock)?;
                // SAFETY: plain flags.
                check(unsafe { libc::fcntl(self.fd, libc::F_SETFL, 0) })?;
                if self.kind != FifoNoWriter {
                    self.others.push(open(&fifo, libc::O_WRONLY)?);
                }
                if self.kind == FifoReady {
                    self.feed();
                }
            }
            PipeReadIdle | PipeReadReady | PipeReadHungUp | PipeReadNonblock => {
                let flags = if self.kind == PipeReadNonblock {
                    nonblock
                } else {
                    0
                };
                self.take(pipe(flags)?);
                if self.kind == PipeReadReady {
                    self.feed();
                }
                if self.kind == PipeReadHungUp {
                    close(self.others.remove(0));
                }
            }
            PipeWrite | PipeWriteFull | PipeWriteFullNonblock | PipeWriteBroken => {
                let flags = if self.kind == PipeWriteFullNonblock {
                    nonblock
                } else {
                    0
                };
                let [read, write] = pipe(flags)?;
                self.take([write, read]);
                if matches!(self.kind, PipeWriteFull | PipeWriteFullNonblock) {
                    fill(write);
                }
                if self.kind == PipeWriteBroken {
                    close(self.others.remove(0));
                }
            }
            UnixIdle | UnixReady | UnixPeerClosed | UnixPeerClosedReady | UnixFull => {
                self.take(unix(libc::SOCK_STREAM)?);
                if matches!(self.kind, UnixReady | UnixPeerClosedReady) {
                    self.feed();
                }
                if matches!(self.kind, UnixPeerClosed | UnixPeerClosedReady) {
                    close(self.others.remove(0));
                }
                if self.kind == UnixFull {
                    fill(self.fd);
                }
            }
            UnixNonblock => self.take(unix(libc::SOCK_STREAM | libc::SOCK_NONBLOCK)?),
            UnixUnconnected => self.fd = socket(libc::AF_UNIX, libc::SOCK_STREAM)?,
            UnixListenerIdle | UnixListenerReady | TcpListenerIdle | TcpListenerReady => {
                let unix = matches!(self.kind, UnixListenerIdle | UnixListenerReady);
                let domain = if unix { libc::AF_UNIX } else { libc::AF_INET };
                let (fd, address) = listener(domain)?;
                self.fd = fd;
                let count = if matches!(self.kind, UnixListenerReady | TcpListenerReady) {
                    2
                } else {
                    0
                };
                for _ in 0..count {
                    let client = socket(domain, libc::SOCK_STREAM)?;
                    self.others.push(client);
                    connect(client, &address)?;
                }
                if count != 0 {
                    ready(fd);
                }
            }
            UnixDatagramIdle | UnixDatagramReady => {
                self.take(unix(libc::SOCK_DGRAM)?);
                if self.kind == UnixDatagramReady {
                    self.feed();
                }
            }
            UnixSeqpacketIdle | UnixSeqpacketReady => {
                self.take(unix(libc::SOCK_SEQPACKET)?);
                if self.kind == UnixSeqpacketReady {
                    self.feed();
                }
            }
            TcpIdle | TcpReady | TcpPeerClosed | TcpPeerClosedReady | TcpReset => {
                self.take(tcp()?);
                if matches!(self.kind, TcpReady | TcpPeerClosedReady) {
                    self.feed();
                    ready(self.fd);
                }
                if self.kind == TcpReset {
                    linger(self.others[0]);
                }
                if matches!(self.kind, TcpPeerClosed | TcpPeerClosedReady | TcpReset) {
                    close(self.others.remove(0));
                    ready(self.fd);
                }
                linger(self.fd);
            }
            TcpUnconnected => self.fd = socket(libc::AF_INET, libc::SOCK_STREAM)?,
            UdpIdle | UdpReady => {
                self.take(udp()?);
                if self.kind == UdpReady {
                    self.feed();
                    ready(self.fd);
                }
            }
            UdpUnconnected => self.fd = socket(libc::AF_INET, libc::SOCK_DGRAM)?,
            NetlinkIdle => self.fd = socket(libc::AF_NETLINK, libc::SOCK_RAW)?,
            EventfdZero | EventfdReady | EventfdSemaphore | EventfdFull => {
                let (count, flags) = match self.kind {
                    EventfdReady => (3, 0),
                    EventfdSemaphore => (2, libc::EFD_SEMAPHORE),
                    _ => (0, 0),
                };
                // SAFETY: no memory.
                self.fd = check(unsafe { libc::eventfd(count, flags | libc::EFD_CLOEXEC) })?;
                if self.kind == EventfdFull {
                    let most = u64::MAX - 1;
                    // SAFETY: eight bytes.
                    unsafe { libc::write(self.fd, (&raw const most).cast(), 8) };
                }
            }
            TimerfdUnarmed | TimerfdExpired => {
                // SAFETY: no memory.
                self.fd = check(unsafe {
                    libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC)
                })?;
                if self.kind == TimerfdExpired {
                    arm(self.fd)?;
                    ready(self.fd);
                }
            }
            SignalfdIdle => {
                // SAFETY: a set of one signal that is not sent.
                self.fd = check(unsafe {
                    let mut set = mem::zeroed();
                    libc::sigemptyset(&raw mut set);
                    libc::sigaddset(&raw mut set, libc::SIGURG);
                    libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC)
                })?;
            }
            InotifyIdle | InotifyReady => {
                // SAFETY: no memory.
                self.fd = check(unsafe { libc::inotify_init1(libc::IN_CLOEXEC) })?;
                let inner = folder.join("watched");
                let _ = fs::create_dir(&inner);
                let _ = fs::remove_file(inner.join("new"));
                let name = text(&inner);
                // SAFETY: a terminated name.
                check(unsafe { libc::inotify_add_watch(self.fd, name.as_ptr(), libc::IN_CREATE) })?;
                if self.kind == InotifyReady {
                    self.feed();
                }
            }
            FanotifyIdle => {
                // SAFETY: no memory.
                self.fd = check(unsafe {
                    libc::fanotify_init(
                        libc::FAN_CLASS_NOTIF | libc::FAN_CLOEXEC,
                        libc::O_RDONLY as u32,
                    )
                })?;
            }
            EpollIdle | EpollReady => {
                // SAFETY: no memory.
                self.fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
                let count = u32::from(self.kind == EpollReady);
                // SAFETY: no memory.
                let inner = check(unsafe { libc::eventfd(count, libc::EFD_CLOEXEC) })?;
                self.others.push(inner);
                watch(self.fd, inner)?;
            }
            PidfdAlive | PidfdEnded => {
                let (pid, fd) = child()?;
                self.child = pid;
                self.fd = fd;
                if self.kind == PidfdEnded {
                    self.feed();
                    ready(self.fd);
                }
            }
            Userfaultfd => {
                // SAFETY: no memory. 1 is UFFD_USER_MODE_ONLY.
                let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | 1) };
                self.fd = check(fd as i32)?;
            }
            DevNull => self.fd = open(Path::new("/dev/null"), libc::O_RDWR)?,
            DevZero => self.fd = open(Path::new("/dev/zero"), libc::O_RDWR)?,
            DevFull => self.fd = open(Path::new("/dev/full"), libc::O_RDWR)?,
            DevUrandom => self.fd = open(Path::new("/dev/urandom"), libc::O_RDONLY)?,
            Closed => {
                // A number that stays free: far above all others.
                self.fd = 900;
            }
        }
        Ok(())
    }

    /// Makes what waits for the object go on: bytes to read, room to write, an
    /// event.
    pub(crate) fn feed(&self) {
        let other = self.others.first().copied();
        match (self.kind, other) {
            (PipeWriteFull | PipeWriteFullNonblock | UnixFull, Some(other)) => {
                drain(other, 1 << 20);
            }
            (EventfdZero | EventfdReady | EventfdSemaphore, _) => {
                let _ = put_number(self.fd, 1);
            }
            (EventfdFull, _) => drain(self.fd, 8),
            (EpollIdle | EpollReady, Some(other)) => {
                let _ = put_number(other, 1);
            }
            (TimerfdUnarmed | TimerfdExpired, _) => {
                let _ = arm(self.fd);
            }
            (InotifyIdle | InotifyReady, _) => {
                let name = self.folder.join("watched").join("new");
                let _ = fs::remove_file(&name);
                let _ = fs::write(name, b"");
            }
            (PidfdAlive | PidfdEnded, _) => {
                // SAFETY: a child of this test.
                unsafe { libc::kill(self.child, libc::SIGKILL) };
            }
            (PtySlaveIdle | PtySlaveReady, Some(other)) => {
                // SAFETY: valid bytes; a line, which a terminal hands on whole.
                unsafe { libc::write(other, c"a line of text\n".as_ptr().cast(), 15) };
            }
            (_, Some(other)) => {
                let _ = put(other, THERE);
            }
            _ => {}
        }
    }

    /// Ends the other side.
    pub(crate) fn hang_up(&mut self) {
        for other in self.others.drain(..) {
            close(other);
        }
    }

    /// What poll(2) and FIONREAD say of it: that both sides used up the same.
    pub(crate) fn state(&self) -> (i16, i32) {
        let mut poll = libc::pollfd {
            fd: self.fd,
            events: libc::POLLIN | libc::POLLOUT | libc::POLLPRI | libc::POLLRDHUP,
            revents: 0,
        };
        let mut count = -1;
        // SAFETY: one entry; an int.
        unsafe {
            libc::poll(&raw mut poll, 1, 0);
            if self.kind != Userfaultfd {
                libc::ioctl(self.fd, libc::FIONREAD, &raw mut count);
            }
        }
        (poll.revents, count)
    }
}

fn put_number(fd: RawFd, count: u64) -> Result<(), i32> {
    if !poll(fd, libc::POLLOUT, 0) {
        return Err(libc::EAGAIN);
    }
    // SAFETY: eight bytes.
    check(unsafe { libc::write(fd, (&raw const count).cast(), 8) } as i32).map(drop)
}

impl Drop for Object {
    fn drop(&mut self) {
        self.hang_up();
        if self.fd >= 0 && self.kind != Closed {
            close(self.fd);
        }
        if self.child > 0 {
            // SAFETY: a child of this test.
            unsafe {
                libc::kill(self.child, libc::SIGKILL);
                libc::waitpid(self.child, ptr::null_mut(), 0);
            }
        }
    }
}
