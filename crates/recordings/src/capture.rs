//! Reading captures: pcap and pcapng, as they come from `tcpdump`, Wireshark and network taps.

use std::io::Read;

use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use sakimori_model::Timestamp;

/// What a frame begins with: a link type of <https://www.tcpdump.org/linktypes.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link(pub i32);

/// One captured frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was captured.
    pub at: Timestamp,
    /// What it begins with.
    pub link: Link,
    /// Its bytes, as many as were captured.
    pub bytes: &'a [u8],
}

/// The capture cannot be read (on).
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file is neither pcap nor pcapng.
    #[error("this is no capture: it begins neither as pcap nor as pcapng")]
    Form,
    /// A block of it is broken.
    #[error("the capture is broken after {0} packets: what comes before was read")]
    Broken(u64),
    /// Reading failed.
    #[error("the capture ended after {0} packets in the middle of one: it was cut off, or cannot be read")]
    Cut(u64),
}

/// Bytes that are read at once; a block is at most [`MOST`].
const BUFFER: usize = 1 << 20;
/// The longest block: snap lengths go up to 256 KiB, pcapng options may add to that.
const MOST: usize = 16 << 20;
/// Interfaces of one pcapng section: a bound for hostile files.
const MOST_INTERFACES: usize = 4096;

/// An interface of a pcapng section: its link, and units of time a second with an offset in seconds.
#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    units: u64,
    offset: i64,
}

/// Gives each frame of a capture, in the order in which they stand, and how many there were.
///
/// # Bounds
/// 1 MiB of memory, up to 16 MiB where a single block is as long.
///
/// # Errors
/// [`CaptureError`]; frames before it were given.
pub fn frames(reader: impl Read + Send, mut each: impl FnMut(Frame<'_>)) -> Result<u64, CaptureError> {
    let mut capacity = BUFFER;
    let mut reader = create_reader(capacity, reader).map_err(|_not_a_capture| CaptureError::Form)?;
    let mut interfaces = Interfaces::default();
    let mut count = 0;
    loop {
        let next = match reader.next() {
            Ok((used, block)) => {
                count += u64::from(interfaces.take(block, &mut each));
                Next::Consume(used)
            }
            Err(PcapError::Eof) => return Ok(count),
            Err(PcapError::Incomplete(_)) => Next::Refill,
            Err(PcapError::BufferTooSmall) => Next::Grow,
            Err(PcapError::UnexpectedEof | PcapError::ReadError) => return Err(CaptureError::Cut(count)),
            Err(PcapError::HeaderNotRecognized) if count == 0 => return Err(CaptureError::Form),
            Err(_broken) => return Err(CaptureError::Broken(count)),
        };
        match next {
            Next::Consume(used) => reader.consume(used),
            Next::Refill if reader.reader_exhausted() => return Err(CaptureError::Cut(count)),
            Next::Refill => reader.refill().map_err(|_cannot_be_read| CaptureError::Cut(count))?,
            Next::Grow if capacity < MOST => {
                capacity *= 4;
                if !reader.grow(capacity) {
                    return Err(CaptureError::Broken(count));
                }
                reader.refill().map_err(|_cannot_be_read| CaptureError::Cut(count))?;
            }
            Next::Grow => return Err(CaptureError::Broken(count)),
        }
    }
}

/// What the parser needs.
enum Next {
    Consume(usize),
    Refill,
    Grow,
}

/// What interfaces there are: one of a pcap, those of a section of a pcapng.
#[derive(Default)]
struct Interfaces(Vec<Interface>);

impl Interfaces {
    /// Takes a block; whether it was a packet.
    fn take(&mut self, block: PcapBlockOwned<'_>, each: &mut impl FnMut(Frame<'_>)) -> bool {
        let (interface, seconds, ticks, data, length) = match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let units = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
                self.0 = vec![Interface { link: header.network, units, offset: 0 }];
                return false;
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                self.0.clear();
                return false;
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(described)) => {
                if self.0.len() < MOST_INTERFACES {
                    let units = described.ts_resolution().unwrap_or(1_000_000).max(1);
                    let offset = described.ts_offset();
                    self.0.push(Interface { link: described.linktype, units, offset });
                }
                return false;
            }
            PcapBlockOwned::Legacy(packet) => {
                (0, i64::from(packet.ts_sec), u64::from(packet.ts_usec), packet.data, packet.caplen)
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                (packet.if_id, 0, ticks, packet.data, packet.caplen)
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => (0, 0, 0, packet.data, packet.origlen),
            PcapBlockOwned::NG(_) => return false,
        };
        let at = usize::try_from(interface).unwrap_or(usize::MAX);
        if let Some(Interface { link: Linktype(link), units, offset }) = self.0.get(at) {
            let whole = i64::try_from(ticks / units).unwrap_or(i64::MAX);
            let seconds = seconds.saturating_add(whole).saturating_add(*offset);
            let micros = u128::from(ticks % units) * 1_000_000 / u128::from(*units);
            let micros = i64::try_from(micros).unwrap_or(0);
            let at = Timestamp(seconds.saturating_mul(1_000_000).saturating_add(micros));
            // What is padded to whole words is cut to what was captured.
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            each(Frame { at, link: Link(*link), bytes: data.get(..length).unwrap_or(data) });
        }
        true
    }
}

// === impl Link ===

impl Link {
    /// An IP packet.
    pub const RAW: Self = Self(101);
}
