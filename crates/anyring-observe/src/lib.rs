//! What a program does with io_uring, seen from outside.
//!
//! Two sources, [`attach`] (a process that runs: its rings are mapped read only
//! and sampled) and [`start`] (a program that the observer starts: exact, by
//! ptrace(2)), make one stream of [`Event`]s. A [`Model`] pairs completions with
//! submissions. [`decode`] turns entries into text by the operation table of
//! `anyring-spec`.
//!
//! The observed program is not trusted: whatever comes from it (heads, tails,
//! masks, names) is checked before it is used.

#![deny(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!("io_uring is Linux only");

pub mod attach;
pub mod decode;
pub mod event;
pub mod fdinfo;
pub mod layout;
pub mod model;
pub mod names;
pub mod process;
pub mod queues;
pub mod start;
#[allow(unsafe_code, reason = "system calls that std does not have")]
pub mod sys;

pub use anyring_abi as abi;
pub use event::{Cqe, Event, Happening};
pub use model::{Model, Pair};
