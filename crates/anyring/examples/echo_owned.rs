//! An echo server whose requests own their buffers, a future for each connection:
//! `echo_owned CONNECTIONS`. Prints its port, and ends after so many connections.
#![forbid(unsafe_code)]

use std::error::Error;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use anyring::operation::Owner;
use anyring::{Builder, Errno, Linux};

/// A connection, echoed to its end.
type Task = Pin<Box<dyn Future<Output = Result<(), Errno>>>>;

async fn echo(owner: Owner, socket: OwnedFd) -> Result<(), Errno> {
    let mut buffer = vec![0; 4096];
    loop {
        let (count, mut bytes) = owner.recv(&socket, buffer, 0)?.await;
        bytes.truncate(count? as usize);
        if bytes.is_empty() {
            return Ok(());
        }
        while !bytes.is_empty() {
            let (sent, back) = owner.send(&socket, bytes, 0)?.await;
            bytes = back[sent? as usize..].to_vec();
        }
        buffer = vec![0; 4096];
    }
}

async fn serve(owner: Owner, connections: usize) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let mut tasks: Vec<Task> = Vec::new();
    for _ in 0..connections {
        let mut accept = std::pin::pin!(owner.accept(&listener)?);
        // The connections go on while the next is waited for.
        let socket = std::future::poll_fn(|context| {
            tasks.retain_mut(|task| task.as_mut().poll(context).is_pending());
            accept.as_mut().poll(context)
        })
        .await?;
        tasks.push(Box::pin(echo(owner.clone(), socket)));
    }
    for task in tasks {
        task.await?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let connections = std::env::args().nth(1).ok_or("echo_owned CONNECTIONS")?;
    let owner = Owner::new(Builder::new(64), Linux)?;
    let mut future = Box::pin(serve(owner.clone(), connections.parse()?));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
        match owner.turn(1, None) {
            Ok(()) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
