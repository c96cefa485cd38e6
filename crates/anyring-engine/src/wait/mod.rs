//! Waiting: threads inside an enter, files in the ring's epoll, the threads that drive
//! rings which no thread waits in.

pub(crate) mod driver;
pub(crate) mod enter;
pub(crate) mod events;
pub(crate) mod poll_watch;
pub(crate) mod sqpoll;
pub(crate) mod sqpoll_idle;

// What modules that the models check name by `super::`.
use crate::os::sync;
use crate::ring::{shared, sq};
