//! What the engine has of the operating system: system calls, the memory of the program,
//! locks, threads, forks, credentials, open files.
//!
//! The lowest layer: nothing here imports anything of the others.

pub(crate) mod arena;
pub(crate) mod cells;
pub(crate) mod close_batch;
pub(crate) mod credentials;
pub(crate) mod environment;
pub(crate) mod file_cache;
pub(crate) mod fork;
pub(crate) mod lock;
pub(crate) mod log;
pub(crate) mod sync;
pub(crate) mod sys;
pub(crate) mod threads;
pub(crate) mod user_memory;
pub(crate) mod writable;
