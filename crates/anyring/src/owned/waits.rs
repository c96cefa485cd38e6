//! Registered waits: arguments of waits in memory that the kernel keeps.

use core::ffi::c_int;
use core::ptr::NonNull;

use anyring_abi::{
    __kernel_timespec, IORING_MEM_REGION_REG_WAIT_ARG, IORING_MEM_REGION_TYPE_USER,
    IORING_REG_WAIT_TS, IORING_REGISTER_MEM_REGION, io_uring_mem_region_reg, io_uring_reg_wait,
    io_uring_region_desc,
};

use crate::errno::{Errno, check};
use crate::kernel::Kernel;
use crate::ring::RingRef;

/// How a registered wait ends, besides by completions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitArgs {
    /// After this time, if given.
    pub timeout: Option<__kernel_timespec>,
    /// After so many microseconds with one completion; 0: not.
    pub min_wait_usec: u32,
}

impl WaitArgs {
    /// One that only completions end.
    #[must_use]
    pub const fn new() -> Self {
        WaitArgs {
            timeout: None,
            min_wait_usec: 0,
        }
    }

    /// Ends after this time.
    #[must_use]
    pub const fn timeout(mut self, timeout: __kernel_timespec) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Ends after so many microseconds if there is a completion then.
    #[must_use]
    pub const fn min_wait_usec(mut self, microseconds: u32) -> Self {
        self.min_wait_usec = microseconds;
        self
    }
}

impl From<WaitArgs> for io_uring_reg_wait {
    fn from(args: WaitArgs) -> io_uring_reg_wait {
        io_uring_reg_wait {
            ts: args.timeout.unwrap_or_default(),
            min_wait_usec: args.min_wait_usec,
            flags: if args.timeout.is_some() {
                IORING_REG_WAIT_TS
            } else {
                0
            },
            sigmask: 0,
            sigmask_sz: 0,
            pad: [0; 3],
            pad2: [0; 2],
        }
    }
}

/// The region: mapped memory that lives as long as the ring.
#[derive(Debug)]
pub(super) struct Waits {
    region: NonNull<io_uring_reg_wait>,
    count: u32,
    length: usize,
}

impl Waits {
    /// Maps and registers it.
    pub(super) fn new<K: Kernel>(ring: RingRef<K>, count: u32) -> Result<Self, Errno> {
        // The index of a wait is passed on as an int.
        if count == 0 || count > u16::MAX.into() {
            return Err(Errno(libc::EINVAL));
        }
        let kernel = ring.kernel();
        let page = kernel.page_size();
        let bytes = count as usize * size_of::<io_uring_reg_wait>();
        let length = bytes.div_ceil(page) * page;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping.
        let mapped = unsafe { kernel.mmap(length, flags, -1, 0) };
        let address = mapped.map_err(|error| Errno(error.saturating_neg()))?;
        let Some(region) = NonNull::new(address.cast::<io_uring_reg_wait>()) else {
            return Err(Errno(libc::ENOMEM));
        };
        let waits = Waits {
            region,
            count,
            length,
        };
        let mut description = io_uring_region_desc {
            user_addr: address as u64,
            size: length as u64,
            flags: IORING_MEM_REGION_TYPE_USER,
            id: 0,
            mmap_offset: 0,
            __resv: [0; 4],
        };
        let argument = io_uring_mem_region_reg {
            region_uptr: (&raw mut description) as u64,
            flags: IORING_MEM_REGION_REG_WAIT_ARG.into(),
            __resv: [0; 2],
        };
        // SAFETY: the structs live through the call, and the region until the ring is
        // closed.
        let registered =
            unsafe { ring.register(IORING_REGISTER_MEM_REGION, (&raw const argument).cast(), 1) };
        if let Err(error) = check(registered) {
            // SAFETY: mapped above, and the kernel does not have it.
            unsafe { waits.unmap(kernel) };
            return Err(error);
        }
        Ok(waits)
    }

    /// The index for the kernel, if there is such a wait.
    pub(super) fn index(&self, index: u32) -> Result<c_int, Errno> {
        if index < self.count {
            Ok(index as c_int)
        } else {
            Err(Errno(libc::ERANGE))
        }
    }

    pub(super) fn set(&mut self, index: u32, wait: io_uring_reg_wait) -> Result<(), Errno> {
        let index = self.index(index)?;
        // SAFETY: inside the region. The kernel reads it in waits of this ring only, and
        // none is under way: the ring is borrowed alone.
        unsafe { self.region.add(index as usize).write(wait) };
        Ok(())
    }

    /// # Safety
    /// No ring has it.
    pub(super) unsafe fn unmap<K: Kernel>(self, kernel: K) {
        // SAFETY: mapped by `new` and used no more.
        unsafe { kernel.munmap(self.region.as_ptr().cast(), self.length) };
    }
}
