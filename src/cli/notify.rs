//! What a service manager is told: systemd's sd_notify, where `NOTIFY_SOCKET` asks for it.
//!
//! Always holds: a manager that does not listen changes nothing.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// All probes are attached.
pub fn ready() {
    tell("READY=1");
}

/// The run is coming to its end.
pub fn stopping() {
    tell("STOPPING=1");
}

fn tell(state: &str) {
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET") {
        // Who does not listen need not hear.
        let _ = send(&socket, state);
    }
}

/// A name that starts with @ is of the abstract namespace.
fn send(socket: &OsString, state: &str) -> io::Result<()> {
    let to = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &to).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_sockets() {
        let name = format!("awl-notify-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let by_path = UnixDatagram::bind(&path).unwrap();
        let by_name =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes()).unwrap()).unwrap();
        for (socket, at) in [(path.clone().into_os_string(), &by_path), (format!("@{name}").into(), &by_name)]
        {
            send(&socket, "READY=1").unwrap();
            let mut got = [0; 16];
            let n = at.recv(&mut got).unwrap();
            assert_eq!(&got[..n], b"READY=1");
        }
        std::fs::remove_file(path).unwrap();
        assert!(send(&"/no/such/socket".into(), "READY=1").is_err());
    }
}
