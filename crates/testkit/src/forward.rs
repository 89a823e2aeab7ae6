//! A port of the loopback address that leads into a lab: the way from the operator's browser to the manager.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

use crate::Host;
use crate::host::enter;

/// Connections served at once.
const CONNECTIONS: usize = 64;

/// Listens on 127.0.0.1 of the machine itself and leads each connection to `to`, connected from
/// inside `host`'s namespace. Returns the port; the threads live as long as the program.
///
/// # Errors
/// When neither `port` nor any other port can be had.
pub fn into_lab(host: &Host, to: SocketAddr, port: u16) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("listening on the loopback address")?;
    let port = listener.local_addr()?.port();
    let namespace = host.namespace_file()?;
    let open = std::sync::Arc::new(());
    std::thread::spawn(move || {
        // Sockets stay in the namespace they were made in: the listener is the machine's own, what
        // this thread connects from here on is the lab's.
        if enter(&namespace).is_err() {
            return;
        }
        for client in listener.incoming().flatten() {
            if std::sync::Arc::strong_count(&open) > CONNECTIONS {
                continue;
            }
            let Ok(server) = TcpStream::connect_timeout(&to, Duration::from_secs(3)) else { continue };
            let guard = std::sync::Arc::clone(&open);
            std::thread::spawn(move || {
                drop(join(&client, &server));
                drop(guard);
            });
        }
    });
    Ok(port)
}

fn join(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let up = std::thread::spawn(move || {
        let result = io::copy(&mut from_client, &mut to_server);
        drop(to_server.shutdown(Shutdown::Write));
        result
    });
    let (mut from_server, mut to_client) = (server, client);
    let down = io::copy(&mut from_server, &mut to_client);
    drop(client.shutdown(Shutdown::Both));
    drop(server.shutdown(Shutdown::Both));
    drop(up.join());
    down.map(|_| ())
}
