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
// SAFETY: the engine's own table.
unsafe impl Source for Place {
    fn load() -> Option<&'static Api> {
        anyring_engine::BuiltIn::load()
    }
}

#[cfg(not(anyring_engine_inside))]
// SAFETY: the table comes from the engine's library, of our own version.
unsafe impl Source for Place {
    fn load() -> Option<&'static Api> {
        outside::load()
    }
}

/// The engine as a library of its own.
#[cfg(not(anyring_engine_inside))]
mod outside {
    use core::ffi::{CStr, c_char, c_int};
    use core::mem::MaybeUninit;
    use core::ptr;

    use anyring::kernel::syscall;
    use anyring_engine::{Api, log};

    static NAME: &[u8] = b"libanyring-engine.so.0\0";

    /// A path, NUL at its end: as long as the kernel takes them.
    type Path = [u8; 4096];

    /// Looks, in this order: in the folder that the loader took this library
    /// from, as it was named then; in the folder of the file itself, which is
    /// another where a symbolic link or a relative name led to it; and where
    /// the loader looks for a library by its name.
    pub(super) fn load() -> Option<&'static Api> {
        let mut named = [0; 4096];
        let mut mapped = [0; 4096];
        let named = beside(named_file, &mut named);
        let mapped = beside(mapped_file, &mut mapped).filter(|mapped| {
            // Through iterators, since a comparison of slices calls bcmp(3).
            named.is_none_or(|named| !named.iter().eq(mapped.iter()))
        });
        for path in [named, mapped, Some(NAME)] {
            if let Some(api) = path.and_then(open) {
                return Some(api);
            }
        }
        None
    }

    /// The engine at a path or of a name, with the reason logged if there is none.
    #[cold]
    #[inline(never)]
    fn open(name: &[u8]) -> Option<&'static Api> {
        // SAFETY: the name ends in NUL; the function has this type in every
        // version, and the library stays open. The text of dlerror(3) is read
        // before the next call of its kind.
        unsafe {
            let library = libc::dlopen(name.as_ptr().cast(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            let symbol = if library.is_null() {
                ptr::null_mut()
            } else {
                libc::dlsym(library, c"anyring_engine".as_ptr())
            };
            let mut why = c"another version of it".as_ptr();
            if symbol.is_null() {
                why = libc::dlerror();
            } else {
                let get: extern "C" fn() -> &'static Api = core::mem::transmute(symbol);
                let api = get();
                if api.version == anyring_engine::VERSION {
                    return Some(api);
                }
            }
            let why = if why.is_null() {
                c""
            } else {
                CStr::from_ptr(why)
            };
            let name = name.strip_suffix(b"\0").unwrap_or(name);
            log(&[b"no userspace engine in ", name, b": ", why.to_bytes()]);
            None
        }
    }

    /// The engine's name in the folder of this library, as `find` has it.
    #[cold]
    #[inline(never)]
    fn beside(find: fn(&mut Path) -> Option<usize>, path: &mut Path) -> Option<&[u8]> {
        let length = find(path)?;
        let file = path.get(..length)?;
        // A relative name stood for another folder before a chdir(2).
        if file.first() != Some(&b'/') {
            return None;
        }
        let folder = file.iter().rposition(|byte| *byte == b'/')? + 1;
        let end = folder + NAME.len();
        path.get_mut(folder..end)?.copy_from_slice(NAME);
        path.get(..end)
    }

    /// What the loader called this library.
    fn named_file(path: &mut Path) -> Option<usize> {
        let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
        // SAFETY: any address may be asked for; the struct is written on
        // success, and the name in it lives as long as the library.
        let name = unsafe {
            if libc::dladdr((&raw const NAME).cast(), info.as_mut_ptr()) == 0 {
                return None;
            }
            let name: *const c_char = info.assume_init().dli_fname;
            if name.is_null() {
                return None;
            }
            CStr::from_ptr(name).to_bytes()
        };
        path.get_mut(..name.len())?.copy_from_slice(name);
        Some(name.len())
    }

    /// A system call that names no memory but what it writes.
    ///
    /// # Safety
    /// The arguments are valid for the call.
    unsafe fn call(number: libc::c_long, a: usize, b: usize, c: usize) -> isize {
        // SAFETY: handed on from the caller.
        unsafe { syscall(number, [a, b, c, 0, 0, 0]) }
    }

    /// The file that this code is mapped from, as the kernel has it: without
    /// symbolic links, from the root. Lines of proc_pid_maps(5).
    #[cold]
    fn mapped_file(path: &mut Path) -> Option<usize> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        // SAFETY: the name ends in NUL.
        let fd = unsafe {
            call(
                libc::SYS_openat,
                libc::AT_FDCWD as usize,
                c"/proc/self/maps".as_ptr() as usize,
                flags as usize,
            )
        };
        if fd < 0 {
            return None;
        }
        let found = line_of((&raw const NAME) as usize, path, |buffer| {
            // SAFETY: the buffer is written up to its length.
            let read = unsafe {
                let (at, length) = (buffer.as_mut_ptr() as usize, buffer.len());
                call(libc::SYS_read, fd as usize, at, length)
            };
            usize::try_from(read).unwrap_or(0)
        });
        // SAFETY: opened above.
        unsafe { call(libc::SYS_close, fd as c_int as usize, 0, 0) };
        found
    }

    /// The file of the mapping that has `address`: its length in `path`.
    pub(super) fn line_of(
        address: usize,
        path: &mut Path,
        mut read: impl FnMut(&mut [u8]) -> usize,
    ) -> Option<usize> {
        let mut buffer = [0; 1024];
        let (mut number, mut start, mut length) = (0_usize, 0_usize, 0_usize);
        // What of a line is being read: its start, its end, the words between,
        // the path; or a line that is none of ours.
        let mut part = 0_u8;
        loop {
            let bytes = read(&mut buffer);
            if bytes == 0 {
                return None;
            }
            for &byte in buffer.get(..bytes)? {
                match (part, byte) {
                    (3, b'\n') => return Some(length),
                    (_, b'\n') => (part, number) = (0, 0),
                    (0, b'-') => (part, start, number) = (1, number, 0),
                    (1, b' ') => {
                        part = if (start..number).contains(&address) {
                            2
                        } else {
                            4
                        }
                    }
                    (0 | 1, digit) => {
                        let digit = (digit as char).to_digit(16)?;
                        number = number << 4 | digit as usize;
                    }
                    (2 | 3, b'/') | (3, _) => {
                        part = 3;
                        *path.get_mut(length)? = byte;
                        length += 1;
                    }
                    _ => {}
                }
            }
        }
    }
}

#[cfg(all(test, not(anyring_engine_inside)))]
mod tests {
    use super::outside::line_of;

    const MAPS: &[u8] = b"\
55d0c0a00000-55d0c0a02000 r--p 00000000 fe:00 262180                     /usr/bin/a program
7f1000000000-7f1000021000 rw-p 00000000 00:00 0
7f2000000000-7f2000002000 r--p 00000000 fe:00 262181                     /opt/x y/liburing.so.2.15
7f2000002000-7f2000009000 r-xp 00002000 fe:00 262181                     /opt/x y/liburing.so.2.15 (deleted)
7ffd0c0a0000-7ffd0c0c1000 rw-p 00000000 00:00 0                          [stack]
";

    /// Read in pieces of every size.
    fn found(address: usize, piece: usize) -> Option<Vec<u8>> {
        let mut path = [0; 4096];
        let mut rest = MAPS;
        let length = line_of(address, &mut path, |buffer| {
            let bytes = piece.min(rest.len()).min(buffer.len());
            let (now, later) = rest.split_at(bytes);
            buffer[..bytes].copy_from_slice(now);
            rest = later;
            bytes
        })?;
        Some(path[..length].to_vec())
    }

    #[test]
    fn the_file_of_an_address() {
        let ours = b"/opt/x y/liburing.so.2.15".to_vec();
        for piece in [1, 2, 3, 7, 64, 4096] {
            assert_eq!(found(0x7f20_0000_0000, piece), Some(ours.clone()));
            assert_eq!(found(0x7f20_0000_1fff, piece), Some(ours.clone()));
            assert_eq!(
                found(0x7f20_0000_2000, piece),
                Some([ours.as_slice(), b" (deleted)"].concat())
            );
            // No file, no mapping, beyond all of them.
            for address in [
                0x7f10_0000_0000,
                0x7f20_0000_9000,
                0x7ffd_0c0a_0000,
                0,
                usize::MAX,
            ] {
                assert_eq!(found(address, piece), None);
            }
        }
    }
}
