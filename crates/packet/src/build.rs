//! The packets that we send ourselves: whole IP packets with right lengths and checksums.
use std::net::{IpAddr, Ipv6Addr};

use crate::checksum;
use crate::decode::protocol;
use crate::tcp::Flags;

/// The smallest segment size that [`answer`] splits to, whatever the peer asked for: below it, a hostile MSS of 1
/// would turn one page into thousands of packets.
pub const MIN_MSS: u16 = 216;

/// A TCP segment to be made.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address; of the same family as the source.
    pub destination: IpAddr,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number; goes out with the ACK flag only.
    pub acknowledgement: u32,
    /// Flags.
    pub flags: Flags,
    /// Window, unscaled.
    pub window: u16,
    /// Timestamp value and echo, where the connection uses them (RFC 7323).
    pub timestamps: Option<(u32, u32)>,
    /// Payload. What does not fit into one IP packet is left out.
    pub payload: &'a [u8],
}

impl Segment<'_> {
    /// The whole IP packet.
    ///
    /// Mixed address families give an IPv6 packet with mapped addresses, which no stack will take: there is no
    /// such connection.
    pub fn packet(&self) -> Vec<u8> {
        let options = if self.timestamps.is_some() { 12 } else { 0 };
        let ip_header = match (self.source, self.destination) {
            (IpAddr::V4(_), IpAddr::V4(_)) => 20,
            _ => 40,
        };
        let room = usize::from(u16::MAX) - 60 - 20 - options;
        let payload = self.payload.get(..room).unwrap_or(self.payload);
        let segment_length = 20 + options + payload.len();

        let mut segment = Vec::with_capacity(segment_length);
        segment.extend(self.source_port.to_be_bytes());
        segment.extend(self.destination_port.to_be_bytes());
        segment.extend(self.sequence.to_be_bytes());
        let acknowledgement = if self.flags.ack() { self.acknowledgement } else { 0 };
        segment.extend(acknowledgement.to_be_bytes());
        segment.push(if options == 0 { 5 << 4 } else { 8 << 4 });
        segment.push(self.flags.0);
        segment.extend(self.window.to_be_bytes());
        segment.extend([0; 4]); // checksum and urgent pointer
        if let Some((value, echo)) = self.timestamps {
            segment.extend([1, 1, 8, 10]);
            segment.extend(value.to_be_bytes());
            segment.extend(echo.to_be_bytes());
        }
        segment.extend(payload);

        let (source, destination) = match ip_header {
            20 => (self.source, self.destination),
            _ => (IpAddr::V6(to_v6(self.source)), IpAddr::V6(to_v6(self.destination))),
        };
        let sum = checksum::transport(source, destination, protocol::TCP, &segment);
        if let Some(field) = segment.get_mut(16..18) {
            field.copy_from_slice(&sum.to_be_bytes());
        }

        let mut packet = Vec::with_capacity(ip_header + segment_length);
        if let (IpAddr::V4(source), IpAddr::V4(destination)) = (source, destination) {
            let total = u16::try_from(20 + segment_length).unwrap_or(u16::MAX);
            let mut header = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol::TCP, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            [header[2], header[3]] = total.to_be_bytes();
            [header[12], header[13], header[14], header[15]] = source.octets();
            [header[16], header[17], header[18], header[19]] = destination.octets();
            [header[10], header[11]] = checksum::ipv4_header(&header).to_be_bytes();
            packet.extend(header);
        } else {
            packet.extend([0x60, 0, 0, 0]);
            packet.extend(u16::try_from(segment_length).unwrap_or(u16::MAX).to_be_bytes());
            packet.extend([protocol::TCP, 64]);
            packet.extend(to_v6(source).octets());
            packet.extend(to_v6(destination).octets());
        }
        packet.extend(segment);
        packet
    }
}

fn to_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// A payload as data segments of at most `mss` bytes each (options counted in), the last one with FIN.
///
/// `first` gives addresses, ports, the first sequence number, acknowledgement, window and timestamps; its flags and
/// payload are not looked at. An empty payload gives a lone FIN.
///
/// # Bounds
/// `mss` is raised to [`MIN_MSS`].
pub fn answer(first: &Segment<'_>, payload: &[u8], mss: u16) -> Vec<Vec<u8>> {
    let options = if first.timestamps.is_some() { 12 } else { 0 };
    let room = usize::from(mss.max(MIN_MSS)) - options;
    let mut packets = Vec::with_capacity(payload.len() / room + 1);
    let mut rest = payload;
    let mut sequence = first.sequence;
    loop {
        let (part, after) = rest.split_at_checked(room).unwrap_or((rest, &[]));
        let last = after.is_empty();
        let mut flags = Flags::ACK;
        if last {
            flags = flags.with(Flags::PSH).with(Flags::FIN);
        }
        packets.push(Segment { sequence, flags, payload: part, ..*first }.packet());
        if last {
            return packets;
        }
        sequence = sequence.wrapping_add(u32::try_from(part.len()).unwrap_or(0));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Checksums, decode_with};

    fn segment(v6: bool) -> Segment<'static> {
        let (source, destination) = if v6 {
            ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap())
        } else {
            ("192.0.2.1".parse().unwrap(), "198.51.100.2".parse().unwrap())
        };
        Segment {
            source,
            destination,
            source_port: 80,
            destination_port: 50_000,
            sequence: u32::MAX - 3,
            acknowledgement: 77,
            flags: Flags::RST.with(Flags::ACK),
            window: 512,
            timestamps: None,
            payload: b"",
        }
    }

    #[test]
    fn a_reset_decodes_as_it_was_meant() {
        for v6 in [false, true] {
            let want = segment(v6);
            let bytes = want.packet();
            let packet = decode_with(&bytes, Checksums::Verify);
            assert!(packet.anomalies.is_empty(), "{packet:?}");
            assert_eq!((packet.source, packet.destination), (want.source, want.destination));
            let tcp = packet.tcp().unwrap();
            assert_eq!((tcp.source_port, tcp.destination_port), (80, 50_000));
            assert_eq!((tcp.sequence, tcp.acknowledgement), (u32::MAX - 3, 77));
            assert_eq!(tcp.flags, Flags::RST.with(Flags::ACK));
            assert!(tcp.payload.is_empty());
        }
    }

    #[test]
    fn an_answer_is_split_to_the_mss_and_ends_with_fin() {
        let page: Vec<u8> = (0..1000u16).map(|n| n.to_le_bytes()[0]).collect();
        for (v6, timestamps) in [(false, None), (true, None), (false, Some((5, 6))), (true, Some((5, 6)))] {
            let first = Segment { timestamps, ..segment(v6) };
            let packets = answer(&first, &page, 300);
            let mut next = first.sequence;
            let mut got: Vec<u8> = Vec::new();
            for (n, bytes) in packets.iter().enumerate() {
                let packet = decode_with(bytes, Checksums::Verify);
                assert!(packet.anomalies.is_empty(), "{packet:?}");
                let tcp = packet.tcp().unwrap();
                assert_eq!(tcp.sequence, next);
                assert_eq!(tcp.options.timestamps, timestamps);
                assert!(bytes.len() <= 300 + 20 + if v6 { 40 } else { 20 });
                assert_eq!(tcp.flags.fin(), n + 1 == packets.len());
                next = next.wrapping_add(u32::try_from(tcp.payload.len()).unwrap());
                got.extend(tcp.payload);
            }
            assert_eq!(got, page);
        }
    }

    #[test]
    fn a_hostile_mss_does_not_multiply_packets() {
        assert_eq!(answer(&segment(false), &[0; 2000], 1).len(), 10);
        assert_eq!(answer(&segment(false), b"", 1460).len(), 1);
    }

    #[test]
    fn too_much_payload_is_cut_to_one_packet() {
        let payload = vec![1; 70_000];
        let bytes = Segment { payload: &payload, ..segment(true) }.packet();
        assert!(decode_with(&bytes, Checksums::Verify).anomalies.is_empty());
    }
}
