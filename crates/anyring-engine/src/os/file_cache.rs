//! Open files of the program that requests hold on to.
//!
//! The kernel's io_uring holds the file itself; the engine can only hold a second
//! descriptor of it. Two things follow. CloseBatch any descriptor of a file ends all
//! POSIX locks (`F_SETLK`) that the process has on it, those of a database on its
//! files, say: so while there are locks, the second descriptor stays open, and is
//! used again. And descriptors are few: requests that work at given offsets of one
//! file at the same time share one.
//!
//! # Safety
//! Structs that the calls fill are of the kernel's layout.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ffi::c_int;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::os::lock::Mutex;
use crate::os::sys::{self, Fd, Sys};
use crate::os::user_memory;

/// What makes a descriptor as good as another for work at given offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    /// The program's descriptor, since who opened it may matter.
    from: c_int,
    device: u64,
    inode: u64,
    flags: c_int,
}

impl Key {
    /// Of a regular file or a block device; others have no offsets.
    fn of(fd: c_int, from: c_int) -> Option<Key> {
        let stat = stat(fd)?;
        is_file(&stat).then_some(Key {
            from,
            device: stat.st_dev,
            inode: stat.st_ino,
            flags: sys::status_flags(fd).ok()?,
        })
    }
}

#[derive(Debug)]
struct Files {
    /// In use by requests.
    held: Vec<(Key, Weak<Fd>)>,
    /// Not in use, but not to be closed while there are locks.
    kept: Vec<(Key, c_int)>,
}

static FILES: Mutex<Files> = Mutex::new(Files {
    held: Vec::new(),
    kept: Vec::new(),
});
/// Length of `kept`.
static KEPT: AtomicUsize = AtomicUsize::new(0);

fn stat(fd: c_int) -> Option<libc::stat> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the struct is written when the call succeeds, and looked at only
    // then.
    unsafe {
        sys::raw(libc::SYS_fstat, &[fd as usize, stat.as_mut_ptr() as usize])
            .is_ok()
            .then(|| stat.assume_init())
    }
}

fn is_file(stat: &libc::stat) -> bool {
    matches!(stat.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFBLK)
}

/// Whether two descriptors are of the same file on disk, opened alike.
pub(crate) fn is_alike(one: c_int, other: c_int) -> bool {
    Key::of(one, -1).is_some_and(|key| Key::of(other, -1) == Some(key))
}

/// Whether a descriptor is a file with offsets, not a stream.
pub(crate) fn has_offsets(fd: c_int) -> bool {
    stat(fd).is_some_and(|stat| is_file(&stat))
}

pub(crate) fn is_socket(fd: c_int) -> bool {
    stat(fd).is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFSOCK)
}

/// Holds the file of a descriptor for work at given offsets.
pub(crate) fn hold(fd: c_int) -> Sys<Arc<Fd>> {
    let Some(key) = Key::of(fd, fd) else {
        return user_memory::shared(sys::dup(fd)?);
    };
    let kept = {
        let mut files = FILES.lock_without_signals();
        let held = files
            .held
            .iter()
            .find(|(other, _)| *other == key)
            .and_then(|(_, file)| file.upgrade());
        if let Some(held) = held {
            return Ok(held);
        }
        let place = files.kept.iter().position(|(other, _)| *other == key);
        let kept = place.map(|at| files.kept.swap_remove(at).1);
        KEPT.store(files.kept.len(), Ordering::Relaxed);
        kept
    };
    // Without the lock: what fails here is closed, which takes it.
    let file = user_memory::shared(match kept {
        Some(kept) => Fd::of_program(kept, fd),
        None => sys::dup(fd)?,
    })?;
    let mut files = FILES.lock_without_signals();
    files.held.retain(|(_, other)| other.strong_count() != 0);
    if files.held.try_reserve(1).is_ok() {
        files.held.push((key, Arc::downgrade(&file)));
    }
    Ok(file)
}

/// Whether there may be POSIX locks of this process on a file. A lock is asked
/// for in the name of the open file, which those of the process stand against.
pub(crate) fn is_locked(fd: c_int) -> bool {
    let mut lock = MaybeUninit::<libc::flock>::zeroed();
    // SAFETY: all zeroes are a value; the struct is read and written.
    unsafe {
        (*lock.as_mut_ptr()).l_type = libc::F_WRLCK as libc::c_short;
        sys::raw(
            libc::SYS_fcntl,
            &[
                fd as usize,
                libc::F_OFD_GETLK as usize,
                lock.as_mut_ptr() as usize,
            ],
        )
        .is_ok()
            && lock.assume_init().l_type != libc::F_UNLCK as libc::c_short
    }
}

/// Closes a second descriptor of a program's file, or keeps it.
pub(crate) fn close(fd: c_int, from: c_int) {
    if is_locked(fd) {
        if let Some(key) = Key::of(fd, from) {
            let mut files = FILES.lock_without_signals();
            if files.kept.try_reserve(1).is_ok() {
                files.kept.push((key, fd));
                KEPT.store(files.kept.len(), Ordering::Relaxed);
                return;
            }
        }
    }
    let _ = sys::plain(libc::SYS_close, &[fd as usize]);
}

/// Closes what was kept and has no locks any more; whether something is left.
pub(crate) fn sweep() -> bool {
    if KEPT.load(Ordering::Relaxed) == 0 {
        return false;
    }
    let mut files = FILES.lock_without_signals();
    files.kept.retain(|(_, fd)| {
        let stays = is_locked(*fd);
        if !stays {
            let _ = sys::plain(libc::SYS_close, &[*fd as usize]);
        }
        stays
    });
    KEPT.store(files.kept.len(), Ordering::Relaxed);
    !files.kept.is_empty()
}

/// Forgets everything: locks are not inherited, and the parent's requests are
/// not the child's.
///
/// # Safety
/// This is a forked child, and no other thread of it uses the engine.
pub(crate) unsafe fn begin_child() {
    KEPT.store(0, Ordering::Relaxed);
    // SAFETY: the caller is alone.
    unsafe {
        FILES.reset(Files {
            held: Vec::new(),
            kept: Vec::new(),
        });
    }
}
