//! Where the userspace engine comes from when somebody asks for it: from a
//! shared library beside this one or, in the static archives, from within.
//! So `liburing.so.2` stays what it is for everybody else.
//!
//! # Safety
//! dladdr(3) and dlopen(3) on names of our own making; the library's one
//! function is called only if its table has our version.

use anyring_engine::{Api, Source};

/// The place to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place;

#[cfg(anyring_engine_inside)]
impl Source for Place {
    fn load() -> Option<&'static Api> {
        anyring_engine::BuiltIn::load()
    }
}

#[cfg(not(anyring_engine_inside))]
impl Source for Place {
    fn load() -> Option<&'static Api> {
        let mut path = [0_u8; 4096];
        let library = match beside(&mut path) {
            Some(()) => open(&path),
            None => core::ptr::null_mut(),
        };
        let library = if library.is_null() {
            open(NAME)
        } else {
            library
        };
        if library.is_null() {
            return None;
        }
        // SAFETY: an open library, which stays so; the function has this type
        // in every version.
        unsafe {
            let symbol = libc::dlsym(library, c"anyring_engine".as_ptr());
            if symbol.is_null() {
                return None;
            }
            let get: extern "C" fn() -> &'static Api = core::mem::transmute(symbol);
            let api = get();
            (api.version == anyring_engine::VERSION).then_some(api)
        }
    }
}

#[cfg(not(anyring_engine_inside))]
static NAME: &[u8] = b"libanyring-engine.so.0\0";

#[cfg(not(anyring_engine_inside))]
fn open(name: &[u8]) -> *mut core::ffi::c_void {
    // SAFETY: the name ends in NUL.
    unsafe { libc::dlopen(name.as_ptr().cast(), libc::RTLD_NOW | libc::RTLD_LOCAL) }
}

/// The engine's library in the folder of the one that this code is in.
#[cfg(not(anyring_engine_inside))]
fn beside(path: &mut [u8; 4096]) -> Option<()> {
    let mut info = core::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: any address may be asked for; the struct is written on success,
    // and the name in it lives as long as the library.
    let ours = unsafe {
        if libc::dladdr((&raw const NAME).cast(), info.as_mut_ptr()) == 0 {
            return None;
        }
        let name = info.assume_init().dli_fname;
        if name.is_null() {
            return None;
        }
        core::ffi::CStr::from_ptr(name).to_bytes()
    };
    let folder = ours.iter().rposition(|byte| *byte == b'/')? + 1;
    let (start, rest) = path.split_at_mut_checked(folder)?;
    start.copy_from_slice(ours.get(..folder)?);
    rest.get_mut(..NAME.len())?.copy_from_slice(NAME);
    Some(())
}
