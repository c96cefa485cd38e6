//! Registration: every call of io_uring_register(2).
//!
//! Results are the kernel's, zero or more or `-errno`, unless a function says
//! otherwise. `tests/abi/facts/register-calls.json` has the observed calls.

use core::ffi::{c_int, c_uint, c_void};
use core::ptr;

use anyring_abi as abi;
use anyring_abi::{
    IORING_FEAT_NO_IOWAIT, IORING_FEAT_REG_REG_RING, IORING_REGISTER_SRC_REGISTERED,
    IORING_REGISTER_USE_REGISTERED_RING, IORING_RSRC_REGISTER_SPARSE, io_uring_buf_reg,
    io_uring_buf_status, io_uring_clone_buffers, io_uring_file_index_range, io_uring_rsrc_register,
    io_uring_rsrc_update, io_uring_rsrc_update2,
};

use crate::kernel::Kernel;
use crate::ring::setup::registered_flags;
use crate::ring::{RingRef, get, int_flags, put};

/// A register call that belongs to no ring.
///
/// # Safety
/// `arg` is valid for what `opcode` says it is.
pub unsafe fn register_without_ring<K: Kernel>(
    kernel: K,
    opcode: c_uint,
    arg: *const c_void,
    nr_args: c_uint,
) -> c_int {
    // SAFETY: handed on from the caller.
    unsafe { kernel.register(-1, opcode, arg, nr_args) }
}

/// A table of registered things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum Table {
    /// Buffers: `IORING_REGISTER_BUFFERS2`.
    Buffers = abi::IORING_REGISTER_BUFFERS2,
    /// Files: `IORING_REGISTER_FILES2`.
    Files = abi::IORING_REGISTER_FILES2,
}

/// Which completions signal an eventfd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum Signals {
    /// All: `IORING_REGISTER_EVENTFD`.
    All = abi::IORING_REGISTER_EVENTFD,
    /// Those of requests that did not complete while they were submitted:
    /// `IORING_REGISTER_EVENTFD_ASYNC`.
    Async = abi::IORING_REGISTER_EVENTFD_ASYNC,
}

/// Which buffers are cloned to where; by default all.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct CloneRange {
    /// First slot in the source.
    pub src_off: c_uint,
    /// First slot in the destination.
    pub dst_off: c_uint,
    /// Number of slots; 0 is all.
    pub nr: c_uint,
}

impl CloneRange {
    /// `nr` slots (0: all) from `src_off` on, to those from `dst_off` on.
    #[must_use]
    pub const fn new(src_off: c_uint, dst_off: c_uint, nr: c_uint) -> Self {
        CloneRange {
            src_off,
            dst_off,
            nr,
        }
    }
}

impl<K: Kernel> RingRef<K> {
    /// A register call on this ring.
    ///
    /// # Safety
    /// `arg` is valid for what `opcode` and `nr_args` say it is.
    pub unsafe fn register(self, opcode: c_uint, arg: *const c_void, nr_args: c_uint) -> c_int {
        let (fd, opcode) = if get!(self, int_flags) & int_flags::REG_REG_RING != 0 {
            (
                get!(self, enter_ring_fd),
                opcode | IORING_REGISTER_USE_REGISTERED_RING,
            )
        } else {
            (get!(self, ring_fd), opcode)
        };
        // SAFETY: handed on from the caller.
        unsafe { self.kernel().register(fd, opcode, arg, nr_args) }
    }

    /// A register call whose argument is one struct of our own.
    fn register_struct<T: Copy>(self, opcode: c_uint, arg: &T, nr_args: usize) -> c_int {
        // SAFETY: the struct lives until the call returns; every caller pairs
        // the opcode with its struct and valid pointers in it.
        unsafe {
            self.register(
                opcode,
                (&raw const *arg).cast::<c_void>(),
                nr_args as c_uint,
            )
        }
    }

    /// Registers buffers or files with tags, or sparse.
    ///
    /// # Safety
    /// `data` and `tags` are valid for `nr` entries, or NULL where the kernel
    /// allows it.
    pub unsafe fn register_resources(
        self,
        opcode: c_uint,
        data: *const c_void,
        tags: *const u64,
        nr: c_uint,
        flags: c_uint,
    ) -> c_int {
        let arg = io_uring_rsrc_register {
            nr,
            flags,
            resv2: 0,
            data: data as u64,
            tags: tags as u64,
        };
        self.register_struct(opcode, &arg, size_of_val(&arg))
    }

    /// Registers `nr` empty slots for buffers or files. The kernel reads one
    /// struct of ours, of the size that each of the two calls has.
    pub fn register_sparse(self, table: Table, nr: c_uint) -> c_int {
        // SAFETY: sparse tables have no data.
        unsafe {
            self.register_resources(
                table as c_uint,
                ptr::null(),
                ptr::null(),
                nr,
                IORING_RSRC_REGISTER_SPARSE,
            )
        }
    }

    /// Changes registered buffers or files and their tags; number changed or
    /// `-errno`.
    ///
    /// # Safety
    /// `data` and `tags` are valid for `nr` entries, or NULL where the kernel
    /// allows it.
    pub unsafe fn update_resources(
        self,
        opcode: c_uint,
        offset: c_uint,
        data: *const c_void,
        tags: *const u64,
        nr: c_uint,
    ) -> c_int {
        let arg = io_uring_rsrc_update2 {
            offset,
            resv: 0,
            data: data as u64,
            tags: tags as u64,
            nr,
            resv2: 0,
        };
        self.register_struct(opcode, &arg, size_of_val(&arg))
    }

    /// Runs a registration of `nr` files; when the limit on open files is in
    /// the way, raises the soft limit and tries once more.
    fn with_raised_limit(self, nr: c_uint, register: impl Fn() -> c_int) -> c_int {
        let result = register();
        if result != -libc::EMFILE {
            return result;
        }
        if let Ok((soft, hard)) = self.kernel().open_files_limit() {
            if soft < u64::from(nr) {
                self.kernel()
                    .set_open_files_limit(soft.wrapping_add(u64::from(nr)), hard);
            }
        }
        register()
    }

    /// io_uring_register_files(3).
    ///
    /// # Safety
    /// `files` is valid for `nr` descriptors.
    pub unsafe fn register_files(self, files: *const c_int, nr: c_uint) -> c_int {
        self.with_raised_limit(nr, || {
            // SAFETY: handed on from the caller.
            unsafe { self.register(abi::IORING_REGISTER_FILES, files.cast(), nr) }
        })
    }

    /// io_uring_register_files_tags(3).
    ///
    /// # Safety
    /// `files` and `tags` are valid for `nr` entries.
    pub unsafe fn register_files_tags(
        self,
        files: *const c_int,
        tags: *const u64,
        nr: c_uint,
    ) -> c_int {
        self.with_raised_limit(nr, || {
            // SAFETY: handed on from the caller.
            unsafe {
                self.register_resources(abi::IORING_REGISTER_FILES2, files.cast(), tags, nr, 0)
            }
        })
    }

    /// io_uring_register_files_sparse(3).
    pub fn register_files_sparse(self, nr: c_uint) -> c_int {
        self.with_raised_limit(nr, || self.register_sparse(Table::Files, nr))
    }

    /// io_uring_register_files_update(3); number changed or `-errno`.
    ///
    /// # Safety
    /// `files` is valid for `nr` descriptors.
    pub unsafe fn register_files_update(
        self,
        offset: c_uint,
        files: *const c_int,
        nr: c_uint,
    ) -> c_int {
        let arg = io_uring_rsrc_update {
            offset,
            resv: 0,
            data: files as u64,
        };
        self.register_struct(abi::IORING_REGISTER_FILES_UPDATE, &arg, nr as usize)
    }

    /// io_uring_register_file_alloc_range(3).
    pub fn register_file_alloc_range(self, off: c_uint, len: c_uint) -> c_int {
        let arg = io_uring_file_index_range { off, len, resv: 0 };
        self.register_struct(abi::IORING_REGISTER_FILE_ALLOC_RANGE, &arg, 0)
    }

    /// Registers an eventfd, for all or only for asynchronous completions. The
    /// kernel reads the four bytes of the descriptor.
    pub fn register_eventfd(self, signals: Signals, fd: c_int) -> c_int {
        self.register_struct(signals as c_uint, &fd, 1)
    }

    /// A register call without argument, e.g. an unregistration. Of a call that
    /// wants one the kernel sees NULL, and answers -EFAULT or -EINVAL.
    pub fn register_plain(self, opcode: c_uint) -> c_int {
        self.register_number(opcode, 0)
    }

    /// A register call whose argument is its count, without a pointer, as
    /// [`register_plain`](Self::register_plain).
    pub fn register_number(self, opcode: c_uint, number: c_uint) -> c_int {
        // SAFETY: no pointer.
        unsafe { self.register(opcode, ptr::null(), number) }
    }

    /// io_uring_register_iowq_aff(3); -EINVAL for sizes of 2^31 and more.
    ///
    /// # Safety
    /// `mask` is valid for `size` bytes.
    pub unsafe fn register_iowq_aff(self, size: usize, mask: *const c_void) -> c_int {
        if size >= 1 << 31 {
            return -libc::EINVAL;
        }
        // SAFETY: handed on from the caller.
        unsafe { self.register(abi::IORING_REGISTER_IOWQ_AFF, mask, size as c_uint) }
    }

    /// io_uring_register_ring_fd(3): 1 when registered; -EEXIST when it was
    /// already.
    pub fn register_ring_fd(self) -> c_int {
        if get!(self, int_flags) & int_flags::REGISTERED_RING != 0 {
            return -libc::EEXIST;
        }
        let mut arg = io_uring_rsrc_update {
            offset: u32::MAX,
            resv: 0,
            data: get!(self, ring_fd) as u64,
        };
        // SAFETY: the kernel reads and writes the struct during the call.
        let result = unsafe {
            self.register(
                abi::IORING_REGISTER_RING_FDS,
                (&raw mut arg).cast_const().cast(),
                1,
            )
        };
        if result == 1 {
            put!(self, arg.offset as c_int => enter_ring_fd);
            let flags = get!(self, int_flags) | registered_flags(get!(self, features));
            put!(self, flags => int_flags);
        }
        result
    }

    /// io_uring_unregister_ring_fd(3): 1 when unregistered; -EINVAL when it
    /// was not registered.
    pub fn unregister_ring_fd(self) -> c_int {
        if get!(self, int_flags) & int_flags::REGISTERED_RING == 0 {
            return -libc::EINVAL;
        }
        let arg = io_uring_rsrc_update {
            offset: get!(self, enter_ring_fd) as u32,
            resv: 0,
            data: 0,
        };
        let result = self.register_struct(abi::IORING_UNREGISTER_RING_FDS, &arg, 1);
        if result == 1 {
            put!(self, get!(self, ring_fd) => enter_ring_fd);
            let flags =
                get!(self, int_flags) & !(int_flags::REGISTERED_RING | int_flags::REG_REG_RING);
            put!(self, flags => int_flags);
        }
        result
    }

    /// io_uring_close_ring_fd(3): 1, or -EOPNOTSUPP, -EINVAL, -EBADF.
    pub fn close_ring_fd(self) -> c_int {
        if get!(self, features) & IORING_FEAT_REG_REG_RING == 0 {
            return -libc::EOPNOTSUPP;
        }
        if get!(self, int_flags) & int_flags::REGISTERED_RING == 0 {
            return -libc::EINVAL;
        }
        let fd = get!(self, ring_fd);
        if fd == -1 {
            return -libc::EBADF;
        }
        // SAFETY: the ring owns its fd.
        unsafe { self.kernel().close(fd) };
        put!(self, -1 => ring_fd);
        1
    }

    /// io_uring_register_buf_ring(3).
    ///
    /// # Safety
    /// `reg` is valid for reads and writes and describes valid ring memory.
    pub unsafe fn register_buf_ring(self, reg: *mut io_uring_buf_reg, flags: c_uint) -> c_int {
        // SAFETY: handed on from the caller.
        unsafe {
            (*reg).flags |= flags as u16;
            self.register(abi::IORING_REGISTER_PBUF_RING, reg.cast_const().cast(), 1)
        }
    }

    /// io_uring_unregister_buf_ring(3).
    pub fn unregister_buf_ring(self, bgid: c_int) -> c_int {
        let arg = buf_reg(0, 0, bgid, 0);
        self.register_struct(abi::IORING_UNREGISTER_PBUF_RING, &arg, 1)
    }

    /// io_uring_buf_ring_head(3): how far the kernel has used a buffer ring.
    ///
    /// # Errors
    /// Whatever else than 0 the kernel returns.
    pub fn buf_ring_head(self, group: c_int) -> Result<u16, c_int> {
        let mut arg = io_uring_buf_status {
            buf_group: group as u32,
            head: 0,
            resv: [0; 8],
        };
        // SAFETY: the kernel reads and writes the struct during the call.
        let result = unsafe {
            self.register(
                abi::IORING_REGISTER_PBUF_STATUS,
                (&raw mut arg).cast_const().cast(),
                1,
            )
        };
        if result == 0 {
            Ok(arg.head as u16)
        } else {
            Err(result)
        }
    }

    /// Clones registered buffers of `source` into this ring.
    pub fn clone_buffers(self, source: Self, range: CloneRange, flags: c_uint) -> c_int {
        let by_index = flags & IORING_REGISTER_SRC_REGISTERED != 0
            && get!(source, int_flags) & int_flags::REG_REG_RING != 0;
        let (src_fd, flags) = if by_index {
            (get!(source, enter_ring_fd), flags)
        } else {
            (
                get!(source, ring_fd),
                flags & !IORING_REGISTER_SRC_REGISTERED,
            )
        };
        let arg = io_uring_clone_buffers {
            src_fd: src_fd as u32,
            flags,
            src_off: range.src_off,
            dst_off: range.dst_off,
            nr: range.nr,
            pad: [0; 3],
        };
        self.register_struct(abi::IORING_REGISTER_CLONE_BUFFERS, &arg, 1)
    }

    /// io_uring_set_iowait(3): 0, or -EOPNOTSUPP without FEAT_NO_IOWAIT.
    pub fn set_iowait(self, enable: bool) -> c_int {
        if get!(self, features) & IORING_FEAT_NO_IOWAIT == 0 {
            return -libc::EOPNOTSUPP;
        }
        let flags = get!(self, int_flags);
        let flags = if enable {
            flags & !int_flags::NO_IOWAIT
        } else {
            flags | int_flags::NO_IOWAIT
        };
        put!(self, flags => int_flags);
        0
    }
}

/// Describes a provided-buffer ring.
pub(crate) fn buf_reg(
    ring_addr: u64,
    ring_entries: u32,
    bgid: c_int,
    flags: c_uint,
) -> io_uring_buf_reg {
    io_uring_buf_reg {
        ring_addr,
        ring_entries,
        bgid: bgid as u16,
        flags: flags as u16,
        min_left: 0,
        resv: [0; 5],
    }
}
