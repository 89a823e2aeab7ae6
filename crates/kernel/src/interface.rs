//! Names of network interfaces.

use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

/// The name of the interface with this number in the calling thread's network namespace; `None` when it has gone.
pub fn name(number: u32) -> Option<String> {
    let fd = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    netdevice::index_to_name(&fd, number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_the_first() {
        assert_eq!(name(1).as_deref(), Some("lo"));
        assert_eq!(name(u32::MAX), None);
    }
}
