//! A thread of the kernel takes the entries: `sqpoll` runs a thousand NOPs without a system
//! call to submit them, and prints how many completed.

use std::error::Error;

use anyring::{Builder, prep};

fn main() -> Result<(), Box<dyn Error>> {
    let mut ring = Builder::new(32).sqpoll(1000).build()?;
    let (mut queued, mut done) = (0, 0);
    while done < 1000 {
        while queued < 1000 {
            let Some(sqe) = ring.next_sqe() else { break };
            prep::nop(sqe);
            queued += 1;
        }
        // Enters only to wake the thread where it sleeps.
        // SAFETY: a NOP has no memory of ours.
        unsafe { ring.submit()? };
        if ring.sq_space_left() == 0 {
            ring.wait_for_room()?;
        }
        for completion in ring.completions() {
            completion.result()?;
            done += 1;
        }
    }
    println!("{done}");
    Ok(())
}
