//! The TCP header: flags, options, and where the payload begins.
use crate::anomaly::{Anomalies, Anomaly};

/// The flag byte of a TCP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// The sender has no more data.
    pub const FIN: Self = Self(0x01);
    /// Opens a connection.
    pub const SYN: Self = Self(0x02);
    /// Breaks a connection off.
    pub const RST: Self = Self(0x04);
    /// Hand over to the application now.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);

    /// Whether all flags of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// SYN is set.
    pub const fn syn(self) -> bool {
        self.has(Self::SYN)
    }

    /// ACK is set.
    pub const fn ack(self) -> bool {
        self.has(Self::ACK)
    }

    /// FIN is set.
    pub const fn fin(self) -> bool {
        self.has(Self::FIN)
    }

    /// RST is set.
    pub const fn rst(self) -> bool {
        self.has(Self::RST)
    }

    /// URG is set.
    pub const fn urg(self) -> bool {
        self.has(Self::URG)
    }
}

/// The options that a stream tracker needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Maximum segment size (kind 2).
    pub mss: Option<u16>,
    /// Window scale (kind 3); values above 14 are kept as they came (RFC 7323 §2.3 reads them as 14).
    pub window_scale: Option<u8>,
    /// Selective acknowledgements are permitted (kind 4).
    pub sack_permitted: bool,
    /// Timestamp value and echo (kind 8).
    pub timestamps: Option<(u32, u32)>,
    /// An MD5 or authentication option is there (kinds 19 and 29): a stack without the key drops the segment.
    pub signed: bool,
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number of the first byte (of the SYN, when it is set).
    pub sequence: u32,
    /// Acknowledgement number; counts only with the ACK flag.
    pub acknowledgement: u32,
    /// Flags.
    pub flags: Flags,
    /// The window as it stands in the header, unscaled.
    pub window: u16,
    /// Urgent pointer; counts only with the URG flag.
    pub urgent: u16,
    /// Options.
    pub options: Options,
    /// The bytes after the header, within the IP total length.
    pub payload: &'a [u8],
}

/// Decodes a TCP header; `None` when it does not fit.
pub(crate) fn decode<'a>(bytes: &'a [u8], anomalies: &mut Anomalies) -> Option<Tcp<'a>> {
    let Some((header, after)) = bytes.split_first_chunk::<20>() else {
        anomalies.insert(Anomaly::Truncated);
        return None;
    };
    let header_length = usize::from(header[12] >> 4) * 4;
    let Some((options, payload)) = header_length.checked_sub(20).and_then(|n| after.split_at_checked(n))
    else {
        anomalies.insert(Anomaly::BadHeaderLength);
        return None;
    };
    let tcp = Tcp {
        source_port: u16::from_be_bytes([header[0], header[1]]),
        destination_port: u16::from_be_bytes([header[2], header[3]]),
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgement: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: Flags(header[13]),
        window: u16::from_be_bytes([header[14], header[15]]),
        urgent: u16::from_be_bytes([header[18], header[19]]),
        options: decode_options(options, anomalies),
        payload,
    };
    if tcp.source_port == 0 || tcp.destination_port == 0 {
        anomalies.insert(Anomaly::PortZero);
    }
    let flags = tcp.flags;
    let nothing = flags.0.trailing_zeros() >= 6;
    if nothing
        || (flags.syn() && (flags.fin() || flags.rst()))
        || (flags.fin() && !flags.ack() && !flags.rst())
    {
        anomalies.insert(Anomaly::BadFlags);
    }
    Some(tcp)
}

fn decode_options(mut bytes: &[u8], anomalies: &mut Anomalies) -> Options {
    let mut options = Options::default();
    // At most 40 bytes, and each turn takes at least one.
    loop {
        match bytes {
            [] | [0, ..] => return options,
            [1, rest @ ..] => bytes = rest,
            [kind, length, ..] => {
                let Some((option, rest)) =
                    bytes.split_at_checked(usize::from(*length)).filter(|_| *length >= 2)
                else {
                    anomalies.insert(Anomaly::OptionsMalformed);
                    return options;
                };
                match (*kind, option) {
                    (2, [_, _, a, b]) => options.mss = Some(u16::from_be_bytes([*a, *b])),
                    (3, [_, _, scale]) => options.window_scale = Some(*scale),
                    (4, [_, _]) => options.sack_permitted = true,
                    (8, [_, _, value, v1, v2, v3, echo @ ..]) if let Ok(echo) = <[u8; 4]>::try_from(echo) => {
                        let value = u32::from_be_bytes([*value, *v1, *v2, *v3]);
                        options.timestamps = Some((value, u32::from_be_bytes(echo)));
                    }
                    (2 | 3 | 4 | 8, _) => anomalies.insert(Anomaly::OptionsMalformed),
                    (19 | 29, _) => options.signed = true,
                    _ => {}
                }
                bytes = rest;
            }
            [_] => {
                anomalies.insert(Anomaly::OptionsMalformed);
                return options;
            }
        }
    }
}
