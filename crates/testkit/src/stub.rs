//! A server of one answer on a machine of the lab: what an open port, or a stranger's website, is in the story.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

use crate::Host;
use crate::host::enter;

/// How often the end is looked for.
const PERIOD: Duration = Duration::from_millis(20);
/// How long a client's request is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// The running server; dropping it ends it.
#[derive(Debug)]
pub struct Stub {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stub {
    /// Listens on a port of `host` and answers whoever connects with `answer`, as it is.
    pub fn start(host: &Host, port: u16, answer: &'static str) -> anyhow::Result<Self> {
        let namespace = host.namespace_file()?;
        let address = SocketAddr::new(IpAddr::V4(host.v4()), port);
        let made = std::thread::scope(|scope| {
            let making = scope.spawn(|| {
                enter(&namespace)?;
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok::<_, std::io::Error>(listener)
            });
            making.join().unwrap_or_else(|_| Err(std::io::Error::other("the listening thread panicked")))
        });
        let listener = made.with_context(|| format!("listening on {address}"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok((mut client, _)) = listener.accept() else {
                    std::thread::sleep(PERIOD);
                    continue;
                };
                // What the client does with it is its own affair.
                drop(client.set_nonblocking(false));
                drop(client.set_read_timeout(Some(PATIENCE)));
                let mut request = [0; 4096];
                drop(client.read(&mut request));
                drop(client.write_all(answer.as_bytes()));
            }
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
