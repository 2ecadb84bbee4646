//! Commands that talk TCP on the loopback device, which must be up.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};

use crate::calls::sleep_ms;
use crate::{Work, c, number};

/// Fills the accept queue of a listener, so that the kernel drops each further SYN and its sender
/// retransmits it, first after one second.
pub fn retransmit(args: &[String]) -> Result<Work, String> {
    let (n, ms) = (number(args, 0)?, number(args, 1)?);
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    // SAFETY: the descriptor is the listener's. A queue of no length takes one connection.
    unsafe { c::listen(listener.as_raw_fd(), 0) };
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    Ok(Box::new(move || {
        let before = retransmitted_segments()?;
        let first = connect_only(port)?;
        let dropped = (0..n).map(|_| connect_only(port)).collect::<Result<Vec<_>, _>>()?;
        sleep_ms(ms);
        let n_segments = retransmitted_segments()? - before;
        drop((first, dropped, &listener));
        Ok(vec![("retransmits", n_segments.to_string()), ("port", port.to_string())])
    }))
}

/// Starts to c::connect to a port of this host without waiting for the answer.
fn connect_only(port: u16) -> Result<TcpStream, String> {
    let to = c::SockAddrIn {
        family: c::AF_INET as u16,
        port: port.to_be_bytes(),
        address: [127, 0, 0, 1],
        zero: [0; 8],
    };
    // SAFETY: a fresh c::socket; the address outlives the call and has the size that is given.
    unsafe {
        let fd = c::socket(c::AF_INET, c::SOCK_STREAM_NONBLOCK, 0);
        if fd < 0 {
            return Err("no socket".to_owned());
        }
        c::connect(fd, &to, size_of::<c::SockAddrIn>() as u32);
        Ok(TcpStream::from_raw_fd(fd))
    }
}

/// The kernel's own count, `RetransSegs` of this network namespace.
fn retransmitted_segments() -> Result<u64, String> {
    let text = fs::read_to_string("/proc/net/snmp").map_err(|e| e.to_string())?;
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (rows.next().unwrap_or(""), rows.next().unwrap_or(""));
    let at = names.split(' ').position(|name| name == "RetransSegs");
    let value = at.and_then(|at| values.split(' ').nth(at)).and_then(|value| value.parse().ok());
    value.ok_or_else(|| "/proc/net/snmp has no RetransSegs".to_owned())
}

/// Sends to itself through one connection.
pub fn tcp(args: &[String]) -> Result<Work, String> {
    let (n, size) = (number(args, 0)?, number(args, 1)? as usize);
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let to = listener.local_addr().map_err(|e| e.to_string())?;
    let mut sender = TcpStream::connect(to).map_err(|e| e.to_string())?;
    let (mut receiver, _) = listener.accept().map_err(|e| e.to_string())?;
    sender.set_nodelay(true).map_err(|e| e.to_string())?;
    let (out, mut into) = (vec![b'x'; size], vec![0; size]);
    Ok(Box::new(move || {
        for _ in 0..n {
            sender.write_all(&out).map_err(|e| e.to_string())?;
            receiver.read_exact(&mut into).map_err(|e| e.to_string())?;
        }
        Ok(vec![("port", to.port().to_string())])
    }))
}
