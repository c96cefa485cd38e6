//! A multishot request as a `Stream` of the futures crates: receives what a socket is sent
//! and prints it: `stream WORD...`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use anyring::operation::{Buffer, Multishot, Owner, PoolBuffer, Request};
use anyring::{Builder, Errno, Linux};
use futures_core::Stream;

/// The whole adapter.
struct Parts(Multishot<Linux, Buffer>);

impl Stream for Parts {
    type Item = Result<PoolBuffer, Errno>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(context)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let owner = Owner::new(Builder::new(8), Linux)?;
    let pool = owner.pool(4, 16)?;
    let (ours, mut theirs) = UnixStream::pair()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    theirs.write_all(words.join(" ").as_bytes())?;
    drop(theirs);
    let parts = owner.start_multishot(Request::recv_multishot(&ours, &pool, 0))?;
    let mut parts = Parts(parts);
    let mut context = Context::from_waker(Waker::noop());
    let mut text = Vec::new();
    loop {
        match Pin::new(&mut parts).poll_next(&mut context) {
            Poll::Ready(Some(Ok(bytes))) if !bytes.is_empty() => text.extend_from_slice(&bytes),
            Poll::Ready(Some(Err(Errno::ENOBUFS))) => {
                parts = Parts(owner.start_multishot(Request::recv_multishot(&ours, &pool, 0))?);
            }
            Poll::Ready(Some(Err(error))) => return Err(error.into()),
            Poll::Ready(_) => break,
            Poll::Pending => match owner.turn(1, None) {
                Ok(()) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            },
        }
    }
    println!("{}", String::from_utf8_lossy(&text));
    Ok(())
}
