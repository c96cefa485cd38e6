//! Values on the heap whose address the kernel has.
//!
//! A `Box` says that nothing else has its address, at each move of it. These say so when
//! they are dropped or taken apart only, which the table lets happen when the kernel has
//! let go, or never.

use alloc::boxed::Box;
use alloc::ffi::CString;
use core::ffi::c_char;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

/// A value that stays where it is.
#[derive(Debug)]
pub(super) struct Pinned<T>(NonNull<T>);

impl<T> Pinned<T> {
    pub(super) fn new(value: T) -> Self {
        Pinned(NonNull::from(Box::leak(Box::new(value))))
    }

    /// Where it is.
    pub(super) fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }

    /// The value, which the kernel does not use now.
    pub(super) fn get_mut(&mut self) -> &mut T {
        // SAFETY: it is there until it is dropped, and borrowed with this.
        unsafe { self.0.as_mut() }
    }

    /// The value, which the kernel uses no more.
    pub(super) fn into_inner(self) -> T {
        let place = ManuallyDrop::new(self);
        // SAFETY: from a box, which is not dropped elsewhere.
        *unsafe { Box::from_raw(place.as_ptr()) }
    }
}

impl<T> Drop for Pinned<T> {
    fn drop(&mut self) {
        // SAFETY: from a box, which is dropped here only.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// A path that stays where it is.
#[derive(Debug)]
pub(super) struct Path(NonNull<c_char>);

impl Path {
    pub(super) fn new(path: CString) -> Self {
        // SAFETY: a string has an address.
        Path(unsafe { NonNull::new_unchecked(path.into_raw()) })
    }

    pub(super) fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr()
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        // SAFETY: from a string, which is dropped here only; the kernel does not write it.
        drop(unsafe { CString::from_raw(self.0.as_ptr()) });
    }
}
