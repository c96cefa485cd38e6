//! The distribution's liburing: C source compiled against it at run time and
//! loaded into this process.
#![allow(unsafe_code, reason = "calls into a shared object made from peer.c")]

use std::ffi::{CString, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use super::{Done, Queue, Setup};

type Open = unsafe extern "C" fn(
    c_uint,
    c_uint,
    c_int,
    *mut c_char,
    c_uint,
    c_int,
    *mut c_int,
) -> *mut c_void;
type Push = unsafe extern "C" fn(*mut c_void, c_uint, c_ulonglong);
type Exchange = unsafe extern "C" fn(*mut c_void, *mut c_uint, *mut c_int, c_uint) -> c_int;
type Nops = unsafe extern "C" fn(*mut c_void, c_uint) -> c_int;
type Close = unsafe extern "C" fn(*mut c_void);

/// The functions of the compiled peer.c. Never unloaded.
#[derive(Clone, Copy)]
pub(crate) struct Library {
    open: Open,
    push: Push,
    exchange: Exchange,
    nops: Nops,
    close: Close,
}

impl Library {
    /// Compiles and loads it, or says why it cannot be.
    pub(crate) fn load(folder: &Path) -> Result<Self, String> {
        let source = folder.join("peer.c");
        let object = folder.join("peer.so");
        std::fs::write(&source, include_str!("peer.c")).map_err(|e| e.to_string())?;
        let output = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .arg(&object)
            .arg(&source)
            .arg("-luring")
            .output()
            .map_err(|error| format!("no C compiler (cc): {error}"))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let line = text
                .lines()
                .find(|l| l.contains("error"))
                .unwrap_or("cc failed");
            return Err(format!(
                "not compiled against liburing (is liburing-dev installed?): {line}"
            ));
        }
        let path = CString::new(object.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
        // SAFETY: a terminated path; the object has no constructors of its own.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() {
            return Err("the compiled liburing peer cannot be loaded".into());
        }
        let find = |name: &std::ffi::CStr| {
            // SAFETY: a valid handle and a terminated name.
            let found = unsafe { libc::dlsym(handle, name.as_ptr()) };
            if found.is_null() {
                Err(format!("{name:?} is missing"))
            } else {
                Ok(found)
            }
        };
        // SAFETY: the types are those of the definitions in peer.c.
        unsafe {
            Ok(Library {
                open: std::mem::transmute::<*mut c_void, Open>(find(c"peer_open")?),
                push: std::mem::transmute::<*mut c_void, Push>(find(c"peer_push")?),
                exchange: std::mem::transmute::<*mut c_void, Exchange>(find(c"peer_exchange")?),
                nops: std::mem::transmute::<*mut c_void, Nops>(find(c"peer_nops")?),
                close: std::mem::transmute::<*mut c_void, Close>(find(c"peer_close")?),
            })
        }
    }
}

/// A ring of the distribution's library.
pub(crate) struct Liburing {
    library: Library,
    peer: *mut c_void,
    slots: Vec<c_uint>,
    results: Vec<c_int>,
}

impl Liburing {
    pub(crate) fn new(library: Library, setup: &Setup, fixed: bool) -> Result<Self, String> {
        let mut error = 0;
        // SAFETY: the memory outlives the ring: `Engine` drops the queue first.
        let peer = unsafe {
            (library.open)(
                setup.depth as c_uint,
                0,
                setup.fd,
                setup.memory.cast(),
                setup.block as c_uint,
                c_int::from(fixed),
                &raw mut error,
            )
        };
        if peer.is_null() {
            return Err(std::io::Error::from_raw_os_error(-error).to_string());
        }
        Ok(Liburing {
            library,
            peer,
            slots: vec![0; setup.depth],
            results: vec![0; setup.depth],
        })
    }

    /// A batch of NOPs.
    pub(crate) fn nops(&mut self, batch: u32) -> Result<(), String> {
        // SAFETY: an open peer with room for the batch.
        match unsafe { (self.library.nops)(self.peer, batch) } {
            0 => Ok(()),
            error => Err(std::io::Error::from_raw_os_error(-error).to_string()),
        }
    }
}

impl Queue for Liburing {
    const COUNTED: bool = false;

    fn push(&mut self, slot: usize, offset: u64) {
        // SAFETY: the caller pushes no more than the depth.
        unsafe { (self.library.push)(self.peer, slot as c_uint, offset) };
    }

    fn exchange(&mut self, done: &mut Vec<Done>) -> Result<(), String> {
        let room = self.slots.len() as c_uint;
        // SAFETY: both arrays have that room.
        let found = unsafe {
            (self.library.exchange)(
                self.peer,
                self.slots.as_mut_ptr(),
                self.results.as_mut_ptr(),
                room,
            )
        };
        let found = usize::try_from(found)
            .map_err(|_| std::io::Error::from_raw_os_error(-found).to_string())?;
        done.extend((0..found).map(|i| Done {
            slot: self.slots[i] as usize,
            result: self.results[i],
        }));
        Ok(())
    }
}

impl Drop for Liburing {
    fn drop(&mut self) {
        // SAFETY: opened and not used afterwards.
        unsafe { (self.library.close)(self.peer) };
    }
}
