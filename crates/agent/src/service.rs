//! What the service manager is told: ready, alive, and what we are doing (`sd_notify(3)`).
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketType, sendto, socket};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

/// The way to the service manager, or nowhere if there is none.
#[derive(Clone, Debug)]
pub struct ServiceManager {
    socket: Option<OsString>,
    watchdog: Option<Duration>,
}

// === impl ServiceManager ===

impl ServiceManager {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC`.
    pub fn from_environment() -> Self {
        let watchdog = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        Self { socket: std::env::var_os("NOTIFY_SOCKET"), watchdog: watchdog.map(Duration::from_micros) }
    }

    /// One that listens at this path; for tests.
    pub fn at(socket: &OsStr) -> Self {
        Self { socket: Some(socket.to_owned()), watchdog: None }
    }

    /// How often to say [`Self::alive`]: half of what the service manager waits.
    pub fn alive_interval(&self) -> Option<Duration> {
        self.watchdog.map(|span| span / 2)
    }

    /// Start-up is done: the policy on disk is enforced.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// The main loop turns.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// One line for `systemctl status`.
    pub fn status(&self, line: &str) {
        self.say(&format!("STATUS={}", line.replace('\n', " ")));
    }

    /// A new program is about to take over in the same process.
    pub fn reloading(&self, monotonic: Duration) {
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic.as_micros()));
    }

    /// Shutting down.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    fn say(&self, message: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = send(socket, message)
        {
            tracing::debug!("the service manager does not listen: {error}");
        }
    }
}

fn send(path: &OsStr, message: &str) -> io::Result<()> {
    // '@' in front means an abstract name, which has a zero byte there.
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddrUnix::new_abstract_name(name)?,
        None => SocketAddrUnix::new(path)?,
    };
    let socket = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    sendto(&socket, message.as_bytes(), SendFlags::NOSIGNAL, &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn the_service_manager_hears_us() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager::at(path.as_os_str());
        manager.ready();
        manager.status("two\nlines");
        let mut buffer = [0; 64];
        let n = listener.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..n], b"READY=1");
        let n = listener.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..n], b"STATUS=two lines");
    }
}
