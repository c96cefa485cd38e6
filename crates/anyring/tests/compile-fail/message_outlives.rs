#![forbid(unsafe_code)]
// A message lies in the buffer that it was received into.
use anyring::RecvMsgOut;

fn payload<'a>(header: &libc::msghdr) -> &'a [u8] {
    let buffer = vec![0_u8; 64];
    RecvMsgOut::parse(&buffer, header).unwrap().payload()
}

fn main() {
    let _ = payload;
}
