//! A program that the observer starts: exact, by ptrace(2).
//!
//! A seccomp filter stops the program at io_uring's three system calls, and at
//! munmap(2), where the memory of a ring may go with its last completions. What is in the rings is read from the program's memory at these stops.
//! Threads and children are followed; signals reach the program as they come. The
//! filter cannot be taken off again, so the program ends when the observer does
//! (`PTRACE_O_EXITKILL`).

use std::collections::HashMap;
use std::ffi::CString;
use std::time::{Duration, Instant};

use anyring_abi as abi;

use crate::event::{Event, Happening};
use crate::layout::Layout;
use crate::process;
use crate::queues::{Memory, Queues};
use crate::sys::{self, Go, Stop, read_memory};

/// The memory of a ring, in the program.
struct Within {
    pid: i32,
    queues: u64,
    entries: u64,
}

impl Memory for Within {
    fn queues(&self, at: usize, to: &mut [u8]) -> bool {
        read_memory(self.pid, self.queues.wrapping_add(at as u64), to).is_ok()
    }

    fn entries(&self, at: usize, to: &mut [u8]) -> bool {
        read_memory(self.pid, self.entries.wrapping_add(at as u64), to).is_ok()
    }
}

struct Ring {
    number: u32,
    fd: i32,
    /// The process that made it, or in which it was found.
    maker: i32,
    inode: Option<u64>,
    /// Where setup was told the memory is (NO_MMAP), else found in the maps.
    place: Option<(u64, u64)>,
    queues: Queues,
}

struct Call {
    nr: u64,
    args: [u64; 6],
    at: Instant,
    ring: Option<u32>,
}

/// A program that is traced.
pub struct Started {
    root: i32,
    began: Instant,
    /// Thread to process.
    threads: HashMap<i32, i32>,
    calls: HashMap<i32, Call>,
    rings: HashMap<u32, Ring>,
    /// Descriptor of a process to ring.
    fds: HashMap<(i32, i32), u32>,
    /// Index of a registered ring descriptor of a thread to ring.
    registered: HashMap<(i32, u64), u32>,
    next: u32,
    status: Option<i32>,
    stopping: u32,
    /// The thread that stopped goes on at the next step: what the caller looks up in
    /// between is as it was.
    resume: Option<(i32, Go, i32)>,
}

/// How often a ring is looked at that is submitted to without a system call.
const SQPOLL_LOOK: Duration = Duration::from_micros(500);

impl Started {
    /// Starts a program.
    ///
    /// # Errors
    /// In words: why it cannot be started or traced.
    pub fn new(program: &[String]) -> Result<Started, String> {
        let words: Result<Vec<CString>, _> = program
            .iter()
            .map(|word| CString::new(word.as_bytes()))
            .collect();
        let words = words.map_err(|_| "a NUL byte in an argument")?;
        let root = sys::start(&words).map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM) => "ptrace(2) is forbidden here (a seccomp filter of a container, or kernel.yama.ptrace_scope); `uring trace -p` may still work".to_string(),
            _ => format!("{}: {error}", program.first().map_or("", |word| word)),
        })?;
        sys::block_signals();
        Ok(Started {
            root,
            began: Instant::now(),
            threads: HashMap::from([(root, root)]),
            calls: HashMap::new(),
            rings: HashMap::new(),
            fds: HashMap::new(),
            registered: HashMap::new(),
            next: 0,
            status: None,
            stopping: 0,
            resume: None,
        })
    }

    /// The process that was started.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.root
    }

    /// The wait status of the program, once it has ended.
    #[must_use]
    pub fn status(&self) -> Option<i32> {
        self.status
    }

    /// Waits for what comes next; false once all processes have ended.
    ///
    /// # Errors
    /// In words: the program could not be started.
    pub fn step(&mut self, out: &mut Vec<Event>) -> Result<bool, String> {
        if let Some((tid, how, signal)) = self.resume.take() {
            // A thread that was killed meanwhile reports its end next.
            let _ = sys::go(tid, how, signal);
        }
        match sys::wait() {
            Ok(Some((tid, status))) => self.stopped(tid, status, out)?,
            Ok(None) => {
                let polled = self
                    .rings
                    .values()
                    .any(|ring| ring.queues.layout.flags & abi::IORING_SETUP_SQPOLL != 0);
                let time = if polled {
                    SQPOLL_LOOK
                } else {
                    Duration::from_millis(500)
                };
                match sys::wait_signal(time) {
                    Some(libc::SIGCHLD) => {}
                    Some(signal) => self.interrupt(signal),
                    None => self.look_all(None, out),
                }
            }
            Err(_) => return Ok(false),
        }
        Ok(true)
    }

    /// A signal for the observer is the program's: the first as it is (SIGINT of a
    /// terminal has reached the program already), a third ends it.
    fn interrupt(&mut self, signal: i32) {
        self.stopping += 1;
        let signal = if self.stopping > 2 {
            libc::SIGKILL
        } else {
            signal
        };
        if self.status.is_none() {
            sys::kill(self.root, signal);
        }
        if self.stopping > 2 || self.status.is_some() {
            let all: std::collections::HashSet<i32> = self.threads.values().copied().collect();
            all.into_iter().for_each(|pid| sys::kill(pid, signal));
        }
    }

    fn stopped(&mut self, tid: i32, status: i32, out: &mut Vec<Event>) -> Result<(), String> {
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            return self.ended(tid, status, out);
        }
        let signal = libc::WSTOPSIG(status);
        let kind = status >> 16;
        let mut how = Go::Continue;
        let mut deliver = 0;
        match kind {
            libc::PTRACE_EVENT_SECCOMP => {
                if self.before(tid, out) {
                    how = Go::ToEndOfCall;
                }
            }
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                if let Ok(child) = sys::event_message(tid) {
                    self.born(tid, child as i32);
                }
            }
            libc::PTRACE_EVENT_EXEC => {
                // The thread that called is now the process; descriptors were closed.
                let pid = self.process(tid);
                self.calls.retain(|thread, _| *thread != tid);
                self.forget(pid, tid, out);
            }
            libc::PTRACE_EVENT_EXIT => {
                if self.process(tid) == tid {
                    self.look_all(Some(tid), out);
                }
            }
            libc::PTRACE_EVENT_STOP => {
                self.process(tid);
                if matches!(
                    signal,
                    libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU
                ) {
                    how = Go::Listen;
                }
            }
            _ if signal == libc::SIGTRAP | 0x80 => self.after(tid, out),
            _ => deliver = signal,
        }
        // A thread in the middle of a call goes on to the call's end, whatever stops it
        // in between.
        if how == Go::Continue && self.calls.contains_key(&tid) {
            how = Go::ToEndOfCall;
        }
        self.resume = Some((tid, how, deliver));
        Ok(())
    }

    fn ended(&mut self, tid: i32, status: i32, out: &mut Vec<Event>) -> Result<(), String> {
        self.calls.remove(&tid);
        self.registered.retain(|(thread, _), _| *thread != tid);
        let pid = self.threads.remove(&tid).unwrap_or(tid);
        if pid != tid {
            return Ok(());
        }
        self.forget(pid, pid, out);
        if tid == self.root {
            self.status = Some(status);
            if let Some(error) = sys::start_error() {
                return Err(error.to_string());
            }
        }
        out.push(self.event(pid, tid, None, Happening::Ended(status)));
        Ok(())
    }

    fn process(&mut self, tid: i32) -> i32 {
        *self
            .threads
            .entry(tid)
            .or_insert_with(|| process::of_thread(tid).unwrap_or(tid))
    }

    fn born(&mut self, parent: i32, child: i32) {
        let of = process::of_thread(child).unwrap_or(child);
        self.threads.insert(child, of);
        let parent = self.process(parent);
        if of != parent {
            let inherited: Vec<_> = self
                .fds
                .iter()
                .filter(|((pid, _), _)| *pid == parent)
                .map(|((_, fd), ring)| ((of, *fd), *ring))
                .collect();
            self.fds.extend(inherited);
        }
    }

    /// The rings of a process are no longer its own.
    fn forget(&mut self, pid: i32, tid: i32, out: &mut Vec<Event>) {
        let mut held: Vec<u32> = self
            .fds
            .iter()
            .filter(|((of, _), _)| *of == pid)
            .map(|(_, ring)| *ring)
            .collect();
        held.sort_unstable();
        self.fds.retain(|(of, _), _| *of != pid);
        for number in held {
            self.gone(number, pid, tid, out);
        }
    }

    fn gone(&mut self, number: u32, pid: i32, tid: i32, out: &mut Vec<Event>) {
        if self.fds.values().all(|ring| *ring != number) {
            out.push(self.event(pid, tid, Some(number), Happening::RingGone));
            self.rings.remove(&number);
            self.registered.retain(|_, ring| *ring != number);
        }
    }

    fn event(&self, pid: i32, tid: i32, ring: Option<u32>, what: Happening) -> Event {
        let fd = ring
            .and_then(|ring| self.rings.get(&ring))
            .map_or(-1, |ring| ring.fd);
        Event {
            at: self.began.elapsed(),
            pid,
            tid,
            ring: ring.unwrap_or(0),
            fd,
            what,
        }
    }

    /// A call begins; true if its end is to be seen.
    fn before(&mut self, tid: i32, out: &mut Vec<Event>) -> bool {
        let Ok(Stop::Before(nr, args)) = sys::stop_info(tid) else {
            return false;
        };
        let pid = self.process(tid);
        if nr as i64 == sys::MUNMAP {
            // The last look at a ring whose memory goes; what other rings' requests use
            // may go as well.
            let mut all: Vec<u32> = self
                .fds
                .iter()
                .filter(|((of, _), _)| *of == pid)
                .map(|(_, number)| *number)
                .collect();
            all.sort_unstable();
            all.dedup();
            let gone = args[0]..args[0].saturating_add(args[1]);
            for number in &all {
                self.look(*number, pid, tid, None, out);
                // What is mapped there next is another's.
                if let Some(ring) = self.rings.get_mut(number).filter(|ring| ring.maker == pid) {
                    let part = |(queues, entries): (u64, u64)| {
                        gone.contains(&queues) || gone.contains(&entries)
                    };
                    if ring.place.is_some_and(part) {
                        ring.place = None;
                    }
                }
            }
            if !all.is_empty() {
                out.push(self.event(pid, tid, None, Happening::Unmaps(args[0], args[1])));
            }
            return false;
        }
        let ring = match nr as i64 {
            abi::NR_IO_URING_ENTER
                if args[3] & u64::from(abi::IORING_ENTER_REGISTERED_RING) != 0 =>
            {
                self.registered.get(&(tid, args[0] as u32 as u64)).copied()
            }
            abi::NR_IO_URING_REGISTER
                if args[1] & u64::from(abi::IORING_REGISTER_USE_REGISTERED_RING) != 0 =>
            {
                self.registered.get(&(tid, args[0] as u32 as u64)).copied()
            }
            abi::NR_IO_URING_ENTER | abi::NR_IO_URING_REGISTER => {
                self.known(pid, tid, args[0] as i32, out)
            }
            _ => None,
        };
        self.calls.insert(
            tid,
            Call {
                nr,
                args,
                at: Instant::now(),
                ring,
            },
        );
        if let Some(number) = ring {
            self.look(number, pid, tid, None, out);
        }
        true
    }

    /// The ring of a descriptor; one that was made before it was inherited, or came by
    /// a socket, is found by /proc.
    fn known(&mut self, pid: i32, tid: i32, fd: i32, out: &mut Vec<Event>) -> Option<u32> {
        if let Some(number) = self.fds.get(&(pid, fd)) {
            return Some(*number);
        }
        let inode = process::ring_inode(pid, fd)?;
        if let Some((number, _)) = self
            .rings
            .iter()
            .find(|(_, ring)| ring.inode == Some(inode))
        {
            self.fds.insert((pid, fd), *number);
            return Some(*number);
        }
        let place = process::mapped(pid, inode)?;
        let mut header = [0; 16];
        for (i, word) in header.iter_mut().enumerate() {
            let mut bytes = [0; 4];
            read_memory(pid, place.0 + i as u64 * 4, &mut bytes).ok()?;
            *word = u32::from_ne_bytes(bytes);
        }
        let (layout, notes) = Layout::inferred(&header, &process::info(pid, fd)?).ok()?;
        Some(self.made(pid, tid, fd, layout, Some(place), notes, out))
    }

    fn made(
        &mut self,
        pid: i32,
        tid: i32,
        fd: i32,
        layout: Layout,
        place: Option<(u64, u64)>,
        notes: Vec<String>,
        out: &mut Vec<Event>,
    ) -> u32 {
        self.next += 1;
        let number = self.next;
        if fd >= 0 {
            // Its number was free: a ring that had it was closed.
            if let Some(old) = self.fds.insert((pid, fd), number) {
                self.gone(old, pid, tid, out);
            }
        }
        let what = Happening::Ring {
            sq_entries: layout.sq_entries,
            cq_entries: layout.cq_entries,
            flags: layout.flags,
            notes,
        };
        let inode = process::ring_inode(pid, fd);
        self.rings.insert(
            number,
            Ring {
                number,
                fd,
                maker: pid,
                inode,
                place,
                queues: Queues::new(layout),
            },
        );
        out.push(self.event(pid, tid, Some(number), what));
        number
    }

    fn after(&mut self, tid: i32, out: &mut Vec<Event>) {
        let Some(call) = self.calls.remove(&tid) else {
            return;
        };
        let result = match sys::stop_info(tid) {
            Ok(Stop::After(result)) => result,
            _ => return,
        };
        let took = call.at.elapsed();
        let pid = self.process(tid);
        match call.nr as i64 {
            abi::NR_IO_URING_SETUP => self.setup(pid, tid, &call, result, out),
            abi::NR_IO_URING_ENTER => {
                if let Some(number) = call.ring {
                    let began = call.at.duration_since(self.began);
                    self.look(number, pid, tid, Some(began), out);
                }
                let what = Happening::Enter {
                    to_submit: call.args[1] as u32,
                    min_complete: call.args[2] as u32,
                    flags: call.args[3] as u32,
                    result,
                    took,
                };
                out.push(self.event(pid, tid, call.ring, what));
            }
            _ => {
                let opcode = call.args[1] as u32 & !abi::IORING_REGISTER_USE_REGISTERED_RING;
                if opcode == abi::IORING_REGISTER_RING_FDS && result > 0 {
                    self.ring_fds(pid, tid, &call, result as u64, out);
                }
                if opcode == abi::IORING_REGISTER_RESIZE_RINGS && result == 0 {
                    self.resized(pid, tid, &call, out);
                }
                if let Some(number) = call.ring {
                    self.look(number, pid, tid, None, out);
                }
                out.push(self.event(
                    pid,
                    tid,
                    call.ring,
                    Happening::Register(opcode, call.args[3] as u32, result),
                ));
            }
        }
    }

    fn params(&self, pid: i32, address: u64) -> Option<abi::io_uring_params> {
        let mut bytes = [0; 120];
        read_memory(pid, address, &mut bytes).ok()?;
        let word =
            |i: usize| u32::from_ne_bytes(bytes[i * 4..i * 4 + 4].try_into().unwrap_or_default());
        let long = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        let mut p = sys::params();
        (p.sq_entries, p.cq_entries, p.flags, p.features) = (word(0), word(1), word(2), word(5));
        (p.sq_off.head, p.sq_off.tail, p.sq_off.flags) = (word(10), word(11), word(14));
        (p.sq_off.dropped, p.sq_off.array, p.sq_off.user_addr) = (word(15), word(16), long(72));
        (p.cq_off.head, p.cq_off.tail, p.cq_off.overflow) = (word(20), word(21), word(24));
        (p.cq_off.cqes, p.cq_off.user_addr) = (word(25), long(112));
        Some(p)
    }

    fn setup(&mut self, pid: i32, tid: i32, call: &Call, result: i64, out: &mut Vec<Event>) {
        let Some(p) = self.params(pid, call.args[1]).filter(|_| result >= 0) else {
            let what = Happening::SetupFailed(call.args[0] as u32, result as i32);
            out.push(self.event(pid, tid, None, what));
            return;
        };
        let place = (p.flags & abi::IORING_SETUP_NO_MMAP != 0)
            .then_some((p.cq_off.user_addr, p.sq_off.user_addr));
        // A ring without a descriptor has the index among the thread's registered ones.
        let only = p.flags & abi::IORING_SETUP_REGISTERED_FD_ONLY != 0;
        match Layout::of_params(&p) {
            Ok(layout) => {
                let fd = if only { -1 } else { result as i32 };
                let number = self.made(pid, tid, fd, layout, place, Vec::new(), out);
                if only {
                    self.registered.insert((tid, result as u64), number);
                }
            }
            Err(why) => {
                out.push(self.event(
                    pid,
                    tid,
                    None,
                    Happening::Note(format!("ring {result} not followed: {why}")),
                ));
            }
        }
    }

    fn ring_fds(&mut self, pid: i32, tid: i32, call: &Call, count: u64, out: &mut Vec<Event>) {
        for i in 0..count.min(16) {
            // struct io_uring_rsrc_update: offset, reserved, data.
            let mut bytes = [0; 16];
            if read_memory(pid, call.args[2].wrapping_add(i * 16), &mut bytes).is_err() {
                return;
            }
            let index = u32::from_ne_bytes(bytes[..4].try_into().unwrap_or_default());
            let fd = u64::from_ne_bytes(bytes[8..].try_into().unwrap_or_default());
            if let Some(ring) = self.known(pid, tid, fd as i32, out) {
                self.registered.insert((tid, index.into()), ring);
            }
        }
    }

    fn resized(&mut self, pid: i32, tid: i32, call: &Call, out: &mut Vec<Event>) {
        let layout = self
            .params(pid, call.args[2])
            .map(|p| (Layout::of_params(&p), p));
        let Some(ring) = call.ring.and_then(|number| self.rings.get_mut(&number)) else {
            return;
        };
        let number = ring.number;
        if let Some((Ok(mut layout), p)) = layout {
            layout.flags |= ring.queues.layout.flags;
            ring.queues.layout = layout;
            // Looked up again: the program maps the new memory after the call.
            ring.place = (p.flags & abi::IORING_SETUP_NO_MMAP != 0)
                .then_some((p.cq_off.user_addr, p.sq_off.user_addr));
        }
        out.push(self.event(
            pid,
            tid,
            Some(number),
            Happening::Note("the ring was resized".into()),
        ));
    }

    /// Looks at all rings, or at those of one process.
    fn look_all(&mut self, only: Option<i32>, out: &mut Vec<Event>) {
        let mut all: Vec<(u32, i32)> = self
            .fds
            .iter()
            .map(|((pid, _), ring)| (*ring, *pid))
            .filter(|(_, pid)| only.is_none_or(|only| only == *pid))
            .collect();
        all.sort_unstable();
        all.dedup_by_key(|(ring, _)| *ring);
        for (ring, pid) in all {
            self.look(ring, pid, pid, None, out);
        }
    }

    /// Looks at a ring. What was submitted meanwhile was submitted at `began`, if that
    /// is given.
    fn look(
        &mut self,
        number: u32,
        pid: i32,
        tid: i32,
        began: Option<Duration>,
        out: &mut Vec<Event>,
    ) {
        let Some(ring) = self.rings.get_mut(&number) else {
            return;
        };
        if ring.place.is_none() {
            ring.place = ring.inode.and_then(|inode| process::mapped(pid, inode));
        }
        let Some((queues, entries)) = ring.place else {
            return;
        };
        let memory = Within {
            pid,
            queues,
            entries,
        };
        let mut found = Vec::new();
        if let Some(words) = ring.queues.words(&memory, &mut found) {
            ring.queues.published(&words, &memory, &mut found);
            if ring.queues.layout.flags & abi::IORING_SETUP_SQPOLL != 0 {
                ring.queues.remember(&words, &memory);
            }
            ring.queues.taken(&words, &mut found);
            ring.queues.completed(&words, &memory, &mut found);
        }
        let at = self.began.elapsed();
        let fd = ring.fd;
        out.extend(found.into_iter().map(|what| {
            let submitted = matches!(what, Happening::Submitted(_));
            let at = began.filter(|_| submitted).unwrap_or(at);
            Event {
                at,
                pid,
                tid,
                ring: number,
                fd,
                what,
            }
        }));
    }
}
