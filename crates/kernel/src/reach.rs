//! Whether somebody takes a TCP connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, sockopt};
use sakimori_kernel_sys::socket;

use crate::nftables::MARK_INJECTED;

/// Whether this end takes a TCP connection within `patience`; nothing is sent over it.
///
/// The connection is marked as the product's own, so that our table lets it by: what a rule does must not decide
/// whether the rule counts. The mark needs `CAP_NET_ADMIN`.
pub fn takes_connections(end: SocketAddr, patience: Duration) -> io::Result<bool> {
    let family = if end.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    socket::set_mark(&fd, MARK_INJECTED)?;
    match connect(&fd, &end) {
        Ok(()) => return Ok(true),
        Err(rustix::io::Errno::INPROGRESS) => {}
        Err(_refused_or_no_route) => return Ok(false),
    }
    let timeout = rustix::time::Timespec::try_from(patience).map_err(|_long| io::ErrorKind::InvalidInput)?;
    let ready = poll(&mut [PollFd::new(&fd, PollFlags::OUT)], Some(&timeout))?;
    Ok(ready > 0 && sockopt::socket_error(&fd)?.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_port_takes_connections_and_a_closed_one_does_not() {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED: the mark needs root");
            return;
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let end = listener.local_addr().unwrap();
        assert!(takes_connections(end, Duration::from_secs(2)).unwrap());
        drop(listener);
        assert!(!takes_connections(end, Duration::from_secs(2)).unwrap());
    }
}
