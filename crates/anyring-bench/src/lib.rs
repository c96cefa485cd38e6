//! What `uring bench` runs: the same work on io_uring, through this project's
//! library and its peers, and on what was there before io_uring.
//!
//! A [`Contender`] does one kind of work in one way, checks its results, and
//! gives a [`Sample`] of what it took. How often contenders run, in which order,
//! and what is made of the samples is the business of the caller.
//!
//! # Safety
//! `unsafe` is denied but in modules that hand memory to the kernel or call C;
//! each says at its head what it relies on.
#![deny(unsafe_code)]

pub mod calls;
pub mod contender;
pub mod counted;
pub mod data;
pub mod echo;
pub mod links;
pub mod machine;
pub mod peer;
pub mod reads;

mod aio;
mod memory;
mod seam;

pub use contender::{Budget, Clock, Contender, Sample, Stop};
pub use seam::ENGINE;

/// A group of contenders that do the same work.
pub struct Topic {
    /// Unique in a run.
    pub id: String,
    /// The part of a run it belongs to.
    pub family: &'static str,
    /// For people.
    pub title: String,
    /// What makes it differ from the others of its family.
    pub parameters: Vec<(&'static str, String)>,
    /// Contenders that are set against each other, ours first; of several with
    /// the same second only the first pair whose both are there.
    pub pairs: &'static [(&'static str, &'static str)],
}

/// Contenders of one group, the baseline first.
pub type Contenders = Vec<Box<dyn Contender>>;

/// What can be compared besides what is always there.
#[derive(Clone, Copy, Default)]
pub struct Peers {
    /// The distribution's liburing.
    pub liburing: Option<peer::Library>,
    /// This project's C library.
    pub own: Option<peer::Library>,
}

impl Peers {
    /// Those a run before this one has compiled in that folder.
    pub fn compiled(folder: &std::path::Path) -> Self {
        Peers {
            liburing: peer::Library::compiled(folder, peer::LIBURING).ok(),
            own: peer::Library::compiled(folder, peer::OWN).ok(),
        }
    }

    /// Those that are there.
    pub fn libraries(&self) -> impl Iterator<Item = peer::Library> {
        [self.own, self.liburing].into_iter().flatten()
    }
}

/// The text of an error number of the core.
pub(crate) fn text(errno: anyring::Errno) -> String {
    std::io::Error::from_raw_os_error(errno.0).to_string()
}
