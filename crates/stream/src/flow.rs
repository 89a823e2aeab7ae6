//! A flow as the rest of the engine sees it.
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use sakimori_model::Timestamp;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client (who sent the SYN) to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
}

/// An address and a port; smaller than a `SocketAddr`, of which there are two in every flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Address.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
}

impl From<Endpoint> for SocketAddr {
    fn from(end: Endpoint) -> Self {
        Self::new(end.address, end.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

/// What one side of a flow sent, as far as it was shown to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets seen.
    pub packets: u64,
    /// Payload bytes seen, retransmissions included.
    pub bytes: u64,
}

/// The facts of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowInfo {
    /// Who opened the flow: the sender of the SYN. For a flow met in its middle, the side that does not have one of
    /// the server ports, or else the one with the higher port.
    pub client: Endpoint,
    /// Who was called.
    pub server: Endpoint,
    /// IP protocol number.
    pub protocol: u8,
    /// The flow was met in its middle: earlier bytes were not seen.
    pub midstream: bool,
    /// When the first packet came.
    pub started: Timestamp,
    /// What the client sent.
    pub to_server: Traffic,
    /// What the server sent.
    pub to_client: Traffic,
    /// The sequence number after the last byte in order from the client.
    pub client_next: u32,
    /// The sequence number after the last byte known from the server: seen from itself, or acknowledged by the client.
    pub server_next: u32,
    /// The client's MSS; 0 when unknown.
    pub client_mss: u16,
    /// The server's MSS; 0 when unknown.
    pub server_mss: u16,
}

impl FlowInfo {
    /// Who sends in a direction.
    pub const fn sender(&self, direction: Direction) -> Endpoint {
        match direction {
            Direction::ToServer => self.client,
            Direction::ToClient => self.server,
        }
    }
}
