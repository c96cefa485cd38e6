//! Waiting for files in the ring's epoll, with as few system calls as holding
//! the file allows.
//!
//! A request that waits needs the open file itself, since the program may close
//! its descriptor and use the number again: it gets a duplicate, which is closed
//! when the request ends, so that nothing keeps the file open between requests.
//! A receive's entry in the epoll may stay: it holds no file, reports nothing once
//! it has fired (EPOLLONESHOT) and goes away with the file. An entry is known by
//! the open file and the descriptor number it was made with. So the next receive
//! on the same file duplicates to the same number, and EPOLL_CTL_MOD both looks
//! whether the entry is that file's (ENOENT otherwise) and arms it again.

use core::ffi::c_int;

use anyring_abi as abi;

use crate::ops;
use crate::os::sys::{self, Anonymous, MIN_PRIVATE_FD, Sys};
use crate::os::user_memory;
use crate::request::{File, Id, Request, Stage, Watch};
use crate::ring::poll_notes::LIMIT;
use crate::ring::ring_wakes;
use crate::ring::state::State;

/// Whether a request's entry may stay in the epoll: a receive that waits once, after
/// a try. Then an entry that is there says that receives on its file may have to
/// wait, and are no error.
fn may_stay(request: &Request) -> bool {
    let otherwise = abi::IORING_RECV_MULTISHOT | abi::IORING_RECVSEND_POLL_FIRST;
    request.def.receives && u32::from(request.sqe.ioprio) & otherwise == 0
}

impl State {
    /// Waits for a file to become ready. A file that cannot be waited for is
    /// always ready: what would block there goes to the pool.
    pub(crate) fn arm(&mut self, id: Id, events: u32) {
        let epoll = self.epoll;
        let Some(request) = self.get_mut(id) else {
            return;
        };
        let once = may_stay(request);
        let mut wanted = events | (libc::EPOLLERR | libc::EPOLLHUP) as u32;
        if once {
            wanted |= libc::EPOLLONESHOT as u32;
        }
        if let Some(watch) = &mut request.watch {
            if watch.events != wanted || !watch.armed {
                watch.events = wanted;
                watch.armed = true;
                if !watch.asked {
                    let op = libc::EPOLL_CTL_MOD;
                    let _ = sys::epoll_ctl(epoll, op, watch.number, wanted, id.token());
                }
            }
            return;
        }
        let second = request.waits_for_second;
        let file = if second {
            &request.second
        } else {
            &request.file
        };
        let (fd, held) = match file {
            File::None => return self.fail(id, -libc::EBADF),
            File::Borrowed(fd) => (*fd, false),
            File::Held(fd) => (fd.get(), true),
        };
        let looks_what = request.def.kind_matters;
        let made = if held && once && !self.notes.get(fd).busy {
            self.watch_itself(fd, wanted, id)
        } else {
            self.watch_duplicate(fd, once && !held, wanted, id)
        };
        let made = made.map(|mut watch| {
            if looks_what {
                let kind = sys::anonymous(watch.number);
                watch.signals = kind == Some(Anonymous::Signalfd);
                watch.by_rings = matches!(kind, Some(Anonymous::Eventfd | Anonymous::Epoll))
                    && self.waits_for_rings();
            }
            watch
        });
        match (made, self.get_mut(id)) {
            (Ok(watch), Some(request)) => {
                let (signals, asked) = (watch.signals, watch.asked);
                // The watch's descriptor serves for the file as well.
                let file = if second {
                    &mut request.second
                } else {
                    &mut request.file
                };
                if let File::Borrowed(_) = file {
                    *file = File::Borrowed(watch.number);
                }
                request.watch = Some(watch);
                let untried = request.guessed;
                self.waiting_events += 1;
                self.signal_watches += u32::from(signals);
                self.asked_watches += u32::from(asked);
                if untried {
                    self.is_untried(id, fd);
                }
            }
            // Another file than guessed: what is wrong with it shows in a try.
            (Err(_), Some(request)) if request.guessed => {
                request.guessed = false;
                self.notes.change(fd, |note| note.guesses = 0);
                self.run_stored(id);
            }
            (Err(e), _) if e == -libc::EPERM => self.never_waits(id),
            (Err(error), _) => self.fail(id, error),
            (Ok(_), None) => {}
        }
    }

    /// Watches a descriptor of ours that no other request waits with.
    fn watch_itself(&mut self, fd: c_int, wanted: u32, id: Id) -> Sys<Watch> {
        self.enter_epoll(fd, wanted, id)?;
        let note = self.notes.at(fd);
        let kept = note.is_some();
        if let Some(note) = note {
            note.known = true;
            note.busy = true;
        }
        Ok(Watch {
            own: None,
            number: fd,
            events: wanted,
            armed: true,
            kept,
            signals: false,
            by_rings: false,
            asked: false,
        })
    }

    /// Watches a duplicate, if possible of the number that the last one had.
    fn watch_duplicate(&mut self, fd: c_int, keep: bool, wanted: u32, id: Id) -> Sys<Watch> {
        let mut usual = self.notes.get(fd).duplicate;
        if usual < 0 {
            usual = MIN_PRIVATE_FD as c_int + fd.min(LIMIT as c_int);
        }
        let own = sys::dup_from(fd, usual as usize)?;
        let number = own.get();
        let mut kept = keep && number == usual;
        if keep && !kept {
            // A second request on the descriptor; else another file has the
            // number, and this one may serve as well.
            let other = self.notes.get(usual);
            kept = !(other.busy && other.original == fd);
        }
        let asked = match self.enter_epoll(number, wanted, id) {
            // The ring's own descriptor, or an epoll that holds it.
            Err(e) if e == -libc::ELOOP && !keep => true,
            entered => {
                entered?;
                false
            }
        };
        // What can be polled is no regular file.
        own.has_no_locks();
        if kept {
            self.notes.change(fd, |note| note.duplicate = number);
            let note = self.notes.at(number);
            kept = note.is_some();
            if let Some(note) = note {
                note.known = true;
                note.busy = true;
                note.original = fd;
            }
        }
        Ok(Watch {
            own: Some(own),
            number,
            events: wanted,
            armed: true,
            kept,
            signals: false,
            by_rings: false,
            asked,
        })
    }

    /// Arms the epoll's entry for a descriptor of ours, or makes one. Who waits
    /// without a try needs one that is there: only that says what the file is.
    fn enter_epoll(&self, fd: c_int, wanted: u32, id: Id) -> Sys {
        let guessed = self.get(id).is_some_and(|request| request.guessed);
        let known = self.notes.get(fd).known;
        if guessed && !known {
            return Err(-libc::ENOENT);
        }
        let (add, change) = (libc::EPOLL_CTL_ADD, libc::EPOLL_CTL_MOD);
        let (first, then) = if known { (change, add) } else { (add, change) };
        let token = id.token();
        sys::epoll_ctl(self.epoll, first, fd, wanted, token).or_else(|error| match error {
            // The number was another file's, or is this one's already.
            e if !guessed && (e == -libc::ENOENT || e == -libc::EEXIST) => {
                sys::epoll_ctl(self.epoll, then, fd, wanted, token)
            }
            e => Err(e),
        })
    }

    /// The file is always ready in poll(2)'s sense: a regular file.
    fn never_waits(&mut self, id: Id) {
        if let Some(mut request) = self.take(id) {
            let outcome = ops::never_waits(self, &mut request);
            self.settle(Some(id), request, outcome);
        }
    }

    /// The request goes to the pool: no event concerns it any more. The
    /// watch's descriptor may be the one it works on.
    pub(crate) fn disarm(&mut self, id: Id) -> Result<(), c_int> {
        let Some(mut watch) = self.get_mut(id).and_then(|request| request.watch.take()) else {
            return Ok(());
        };
        self.unwatch(&watch);
        let Some(own) = watch.own.take() else {
            return Ok(());
        };
        let held = File::Held(user_memory::shared(own)?);
        if let Some(request) = self.get_mut(id) {
            for file in [&mut request.file, &mut request.second] {
                if matches!(file, File::Borrowed(borrowed) if *borrowed == watch.number) {
                    *file = held;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Ends a watch. CloseBatch its descriptor is not enough while it may tell
    /// something, since the program has others of the same file.
    pub(crate) fn unwatch(&mut self, watch: &Watch) {
        let stays = watch.kept && !watch.armed;
        if !stays && !watch.asked {
            let _ = sys::epoll_ctl(self.epoll, libc::EPOLL_CTL_DEL, watch.number, 0, 0);
        }
        self.notes.change(watch.number, |note| {
            note.known = stays;
            note.busy &= !watch.kept;
        });
        self.waiting_events -= 1;
        self.signal_watches -= u32::from(watch.signals);
        self.asked_watches -= u32::from(watch.asked);
        if watch.by_rings {
            self.ring_watches -= 1;
            if self.ring_watches == 0 {
                if let Some(ring) = self.me.upgrade() {
                    ring_wakes::remove(&ring);
                }
            }
        }
    }

    /// One more request waits for what rings' completions may make ready; false without
    /// memory: the request goes on in a later look then.
    #[cold]
    fn waits_for_rings(&mut self) -> bool {
        if self.ring_watches == 0 {
            let added = self.me.upgrade().map(ring_wakes::add);
            if !matches!(added, Some(Ok(()))) {
                return false;
            }
        }
        self.ring_watches += 1;
        true
    }

    // ---- receives that wait without a first try

    /// Whether a receive should wait at once: the last ones on its descriptor
    /// found nothing. The epoll reports what comes later.
    pub(crate) fn guess_wait(&mut self, request: &mut Request) -> bool {
        let fd = request.file.fd();
        let note = self.notes.get(fd);
        if note.untried {
            // What comes first must get the first bytes.
            self.try_untried();
        }
        if note.guesses == 0 || self.flags & abi::IORING_SETUP_SQPOLL != 0 {
            return false;
        }
        self.notes.change(fd, |note| note.guesses -= 1);
        request.guessed = true;
        true
    }

    /// A receive of this submission waits without having tried.
    fn is_untried(&mut self, id: Id, fd: c_int) {
        if self.notes.untried.try_reserve(1).is_ok() {
            self.notes.untried.push((id, fd));
            self.notes.change(fd, |note| note.untried = true);
        } else {
            self.try_now(id);
        }
    }

    /// Lets them try, before something that might touch their files runs.
    pub(crate) fn try_untried(&mut self) {
        let mut all = core::mem::take(&mut self.notes.untried);
        for (_, fd) in &all {
            self.notes.change(*fd, |note| note.untried = false);
        }
        for (id, _) in all.drain(..) {
            self.try_now(id);
        }
        if self.notes.untried.is_empty() {
            // To keep its memory.
            self.notes.untried = all;
        }
    }

    /// The submission is over: the epoll reports the rest.
    pub(crate) fn forget_untried(&mut self) {
        self.first_look |= self.has_untried();
        while let Some((_, fd)) = self.notes.untried.pop() {
            self.notes.change(fd, |note| note.untried = false);
        }
    }

    /// Whether there are any.
    #[inline]
    pub(crate) fn has_untried(&self) -> bool {
        !self.notes.untried.is_empty()
    }

    fn try_now(&mut self, id: Id) {
        if self
            .get(id)
            .is_none_or(|r| r.stage != Stage::Polling || !r.guessed)
        {
            return;
        }
        if let Some(mut request) = self.take(id) {
            request.guessed = false;
            request.stage = Stage::Running;
            // Whether the peer has ended is not known.
            let events = (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;
            let outcome = ops::ready(self, &mut request, events);
            self.settle(Some(id), request, outcome);
        }
    }
}
