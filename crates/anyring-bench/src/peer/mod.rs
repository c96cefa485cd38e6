//! C source compiled at run time against a liburing, the distribution's or this
//! project's, and loaded into this process.
//!
//! # Safety
//! The types of the functions are those of their definitions in the C files,
//! which are compiled from the text in this module. A loaded object is never
//! unloaded. A ring's memory and file outlive it: that is a condition of
//! [`Ring::new`]. All calls go through `&mut`, one at a time.
#![allow(
    unsafe_code,
    reason = "calls into a shared object made from C; see above"
)]

use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;

mod echo;
mod ring;

pub(crate) use echo::Echo;
pub(crate) use ring::{Ring, Use};

const SOURCES: [(&str, &str); 6] = [
    ("peer.h", include_str!("peer.h")),
    ("ring.c", include_str!("ring.c")),
    ("reads.c", include_str!("reads.c")),
    ("nops.c", include_str!("nops.c")),
    ("links.c", include_str!("links.c")),
    ("echo.c", include_str!("echo.c")),
];

type Open = unsafe extern "C" fn(
    c_uint,
    c_uint,
    c_int,
    *mut c_char,
    c_uint,
    c_int,
    *mut c_int,
) -> *mut c_void;
type Close = unsafe extern "C" fn(*mut c_void);
type Push = unsafe extern "C" fn(*mut c_void, c_uint, c_ulonglong);
type Exchange = unsafe extern "C" fn(*mut c_void, *mut c_uint, *mut c_int, c_uint) -> c_int;
type Batch = unsafe extern "C" fn(*mut c_void, c_uint) -> c_int;
type Chain = unsafe extern "C" fn(*mut c_void, c_ulonglong, c_int) -> c_int;
type Ask = unsafe extern "C" fn() -> c_int;

#[derive(Clone, Copy)]
struct Functions {
    open: Open,
    close: Close,
    push: Push,
    exchange: Exchange,
    fill: Batch,
    submit: Batch,
    reap: Batch,
    nops: Batch,
    chain: Chain,
    echo: echo::Functions,
}

/// A liburing, with the C contenders compiled against it.
#[derive(Clone, Copy)]
pub struct Library {
    /// What its contenders are called in tables.
    pub name: &'static str,
    version: u32,
    functions: Functions,
}

/// Where this project's C library is.
#[derive(Clone, Debug)]
pub struct Own {
    /// The folder of its headers.
    pub include: PathBuf,
    /// The folder of `liburing.a`.
    pub libdir: PathBuf,
}

/// The name of the distribution's library.
pub const LIBURING: &str = "liburing";
/// The name of this project's library when C calls it.
pub const OWN: &str = "anyring in C";

fn message(error: c_int) -> String {
    std::io::Error::from_raw_os_error(-error).to_string()
}

impl Library {
    /// The distribution's: compiled and loaded in `folder`.
    ///
    /// # Errors
    /// Why it cannot be: no compiler, no headers, or it is this project's own.
    pub fn distribution(folder: &Path) -> Result<Self, String> {
        let why = "not compiled against liburing (is liburing-dev installed?)";
        let library = Self::load(folder, LIBURING, &[], &["-luring"], why)?;
        if library.is_ours {
            return Err("what is installed is this project's own library: no peer".into());
        }
        Ok(library.library)
    }

    /// This project's, linked statically: one process can have both.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn own(folder: &Path, own: &Own) -> Result<Self, String> {
        let archive = own.libdir.join("liburing.a");
        let include = format!("-I{}", own.include.display());
        let archive_text = archive.display().to_string();
        let why = format!("not compiled against {archive_text}");
        let link = [archive_text.as_str(), "-Wl,--exclude-libs,ALL"];
        let library = Self::load(folder, OWN, &[&include], &link, &why)?;
        if !library.is_ours {
            return Err(format!("{archive_text} is not this project's library"));
        }
        Ok(library.library)
    }

    fn load(
        folder: &Path,
        name: &'static str,
        options: &[&str],
        link: &[&str],
        why: &str,
    ) -> Result<Loaded, String> {
        let object = Self::object(folder, name);
        let folder = folder.join(Self::folder(name));
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let mut command = Command::new("cc");
        command
            .args(["-O2", "-w", "-Werror=implicit-function-declaration"])
            // What an old library lacks is an error now and not at a call.
            .args(["-Wl,-z,defs", "-shared", "-fPIC", "-o"])
            .arg(&object);
        command.args(options);
        for (file, text) in SOURCES {
            let path = folder.join(file);
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
            if file.ends_with(".c") {
                command.arg(path);
            }
        }
        let output = command
            .args(link)
            .output()
            .map_err(|error| format!("no C compiler (cc): {error}"))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let mut lines = text
                .lines()
                .filter(|l| l.contains("error") || l.contains("cannot find"));
            return Err(format!("{why}: {}", lines.next().unwrap_or("cc failed")));
        }
        Self::open(&object, name)
    }

    fn folder(name: &str) -> String {
        name.replace(' ', "-")
    }

    fn object(folder: &Path, name: &str) -> PathBuf {
        folder.join(Self::folder(name)).join("peer.so")
    }

    /// Whether the library of that name was compiled in that folder.
    pub fn is_in(folder: &Path, name: &str) -> bool {
        Self::object(folder, name).exists()
    }

    /// One that was compiled in that folder before.
    ///
    /// # Errors
    /// Why it cannot be loaded.
    pub fn compiled(folder: &Path, name: &'static str) -> Result<Self, String> {
        Ok(Self::open(&Self::object(folder, name), name)?.library)
    }

    fn open(object: &Path, name: &'static str) -> Result<Loaded, String> {
        // SAFETY: the object has no constructors but those of its libraries.
        let object = unsafe { libloading::Library::new(object) }.map_err(|e| e.to_string())?;
        let find = Finder(&object);
        let functions = find.all().map_err(|e| e.to_string())?;
        let (is_ours, version) = find.identity().map_err(|e| e.to_string())?;
        // Never unloaded: functions are copied out of it.
        std::mem::forget(object);
        Ok(Loaded {
            is_ours,
            library: Library {
                name,
                version,
                functions,
            },
        })
    }

    /// Name and version, for reports. Before 2.4 headers have no version: the
    /// file that is loaded has one in its name.
    pub fn title(&self) -> String {
        let loaded = || {
            let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
            let paths = maps.lines().filter_map(|line| line.split_once('/'));
            let mut names = paths.filter_map(|(_, path)| path.rsplit('/').next());
            let found = names.find_map(|name| name.strip_prefix("liburing.so."))?;
            Some(found.to_string())
        };
        let version = match self.version {
            0 => loaded().unwrap_or_else(|| "older than 2.4".into()),
            v => format!("{}.{}", v >> 16, v & 0xffff),
        };
        format!("{} {version}", self.name)
    }
}

struct Loaded {
    library: Library,
    is_ours: bool,
}

struct Finder<'a>(&'a libloading::Library);

impl Finder<'_> {
    /// # Safety
    /// `T` is the type of that function.
    unsafe fn get<T: Copy>(&self, name: &str) -> Result<T, libloading::Error> {
        // SAFETY: the caller knows the type.
        unsafe { self.0.get::<T>(name.as_bytes()) }.map(|symbol| *symbol)
    }

    fn all(&self) -> Result<Functions, libloading::Error> {
        // SAFETY: the types above are those of the C definitions.
        unsafe {
            Ok(Functions {
                open: self.get("peer_open")?,
                close: self.get("peer_close")?,
                push: self.get("peer_push")?,
                exchange: self.get("peer_exchange")?,
                fill: self.get("peer_fill")?,
                submit: self.get("peer_submit")?,
                reap: self.get("peer_reap")?,
                nops: self.get("peer_nops")?,
                chain: self.get("peer_chain")?,
                echo: echo::Functions::find(self)?,
            })
        }
    }

    /// Whether it is this project's library, and the version of its headers.
    fn identity(&self) -> Result<(bool, u32), libloading::Error> {
        // SAFETY: functions without arguments.
        unsafe {
            let is_ours: Ask = self.get("peer_is_ours")?;
            let version: Ask = self.get("peer_version")?;
            Ok((is_ours() == 1, version() as u32))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Peers;

    /// The peers of tests: what is missing is printed.
    pub(crate) fn libraries(folder: &Path) -> Peers {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let own = Own {
            include: root.join("include"),
            libdir: root.join("target/lib"),
        };
        let told = |why: String| println!("skipped: {why}");
        Peers {
            liburing: Library::distribution(folder).map_err(told).ok(),
            own: Library::own(folder, &own).map_err(told).ok(),
        }
    }

    #[test]
    fn missing_libraries_are_explained() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Own {
            include: folder.path().join("include"),
            libdir: folder.path().join("lib"),
        };
        let why = Library::own(folder.path(), &nowhere).err().unwrap();
        assert!(
            why.contains("liburing.a") || why.contains("no C compiler"),
            "{why}"
        );
    }
}
