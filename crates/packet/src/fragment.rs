//! Puts IP fragments together again, for captures and for kernels that do not do so before us.
//!
//! Bounded in the number of packets, in bytes, in fragments per packet and in time. Fragments that overlap throw
//! the whole packet away (RFC 5722 demands it for IPv6; for IPv4 Linux does the same since 4.20, CVE-2018-5391):
//! whichever copy a stack would have taken, we cannot be talked into the other. An exact copy of a fragment that is
//! already there is ignored, as stacks do.
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use crate::anomaly::{Anomalies, Anomaly};
use crate::decode::{Packet, Transport};

/// How much a [`Defragmenter`] holds at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Packets in the making. The oldest goes when one more comes.
    pub packets: usize,
    /// Bytes of all fragments held. The oldest packets go when there are more.
    pub bytes: usize,
    /// Fragments of one packet: 64 KiB in the smallest fragments that real paths make (IPv6: 1,280) are 52.
    pub fragments: usize,
    /// How long a packet may take to become whole. Linux waits 30 s.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { packets: 256, bytes: 4 << 20, fragments: 128, timeout: Duration::from_secs(30) }
    }
}

/// What became of a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fragmented {
    /// The packet is not a fragment.
    Not,
    /// It is held; the packet is not whole yet.
    Held,
    /// The packet is whole: a new IP packet without fragmentation, at most 64 KiB long.
    Whole(Vec<u8>),
    /// The fragment and all others of its packet are thrown away.
    Refused(Anomalies),
}

/// Counters that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets made whole.
    pub whole: u64,
    /// Packets thrown away for an anomaly.
    pub refused: u64,
    /// Packets given up because of a limit.
    pub evicted: u64,
    /// Packets given up because of time.
    pub timed_out: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    id: u32,
    protocol: u8,
}

#[derive(Debug)]
struct Making {
    key: Key,
    started: Duration,
    /// Sorted by offset, without overlap.
    parts: Vec<(u32, Vec<u8>)>,
    bytes: usize,
    /// Known once the last fragment is here.
    total: Option<u32>,
    /// The header of the fragment at offset 0.
    header: Option<Vec<u8>>,
    /// Overlapped: further fragments are refused until the time is over.
    refused: bool,
}

/// The packets in the making, oldest first.
///
/// A lookup walks the list: with a few hundred packets at most that is cheaper than any map, and there is nothing
/// to flood.
#[derive(Debug, Default)]
pub struct Defragmenter {
    limits: Limits,
    making: VecDeque<Making>,
    bytes: usize,
    counters: Counters,
}

/// What one held fragment costs besides its bytes.
const OVERHEAD: usize = 64;

impl Defragmenter {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes held, with the cost of holding them.
    pub fn memory_bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a decoded packet at monotonic time `now`.
    pub fn process(&mut self, now: Duration, packet: &Packet<'_>) -> Fragmented {
        self.expire(now);
        let (Some(fragment), Transport::Fragment(payload)) = (packet.fragment, packet.transport) else {
            return Fragmented::Not;
        };
        let key = Key {
            source: packet.source,
            destination: packet.destination,
            id: fragment.id,
            // IPv6 fragments are told apart by addresses and id alone (RFC 8200 §4.5).
            protocol: if packet.source.is_ipv4() { fragment.protocol } else { 0 },
        };
        let index = self.making.iter().position(|m| m.key == key).unwrap_or_else(|| {
            while self.making.len() >= self.limits.packets.max(1) {
                self.drop_oldest();
                self.counters.evicted += 1;
            }
            self.making.push_back(Making {
                key,
                started: now,
                parts: Vec::new(),
                bytes: OVERHEAD,
                total: None,
                header: None,
                refused: false,
            });
            self.bytes += OVERHEAD;
            self.making.len() - 1
        });
        let Some(making) = self.making.get_mut(index) else { return Fragmented::Not };
        if making.refused {
            return Fragmented::Refused(Anomaly::FragmentOverlap.into());
        }

        let before = making.bytes;
        let result = making.add(packet, payload, fragment.offset, fragment.more, self.limits.fragments);
        self.bytes = self.bytes - before + making.bytes;
        match result {
            Err(why) => {
                self.counters.refused += 1;
                Fragmented::Refused(why)
            }
            Ok(true) => {
                let made = making.whole();
                self.bytes -= making.bytes;
                self.making.remove(index);
                self.counters.whole += 1;
                Fragmented::Whole(made)
            }
            Ok(false) => {
                while self.bytes > self.limits.bytes && !self.making.is_empty() {
                    self.drop_oldest();
                    self.counters.evicted += 1;
                }
                Fragmented::Held
            }
        }
    }

    /// Gives up what takes too long.
    pub fn expire(&mut self, now: Duration) {
        while self.making.front().is_some_and(|m| now.saturating_sub(m.started) > self.limits.timeout) {
            self.drop_oldest();
            self.counters.timed_out += 1;
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(old) = self.making.pop_front() {
            self.bytes -= old.bytes;
        }
    }
}

// === impl Making ===

impl Making {
    /// Adds a fragment; true when the packet is whole.
    fn add(
        &mut self,
        packet: &Packet<'_>,
        payload: &[u8],
        offset: u32,
        more: bool,
        limit: usize,
    ) -> Result<bool, Anomalies> {
        let why = packet.anomalies;
        let unfit = [Anomaly::FragmentTooLong, Anomaly::FragmentUneven, Anomaly::Truncated];
        if unfit.iter().any(|a| why.contains(*a)) || (payload.is_empty() && more) {
            return Err(self.refuse(why));
        }
        let end = offset.saturating_add(u32::try_from(payload.len()).unwrap_or(u32::MAX));
        let overlap = Anomalies::from(Anomaly::FragmentOverlap);
        if !more {
            if self.total.is_some_and(|total| total != end) {
                return Err(self.refuse(overlap));
            }
            self.total = Some(end);
        }
        let at = self.parts.partition_point(|(begin, _)| *begin < offset);
        if let Some((begin, bytes)) = self.parts.get(at)
            && *begin == offset
            && bytes == payload
        {
            return Ok(false);
        }
        let previous_end = at.checked_sub(1).and_then(|i| self.parts.get(i)).map_or(0, part_end);
        let next_begin = self.parts.get(at).map_or(u32::MAX, |(begin, _)| *begin);
        let last_end = self.parts.last().map_or(end, part_end).max(end);
        if previous_end > offset || end > next_begin || self.total.is_some_and(|total| last_end > total) {
            return Err(self.refuse(overlap));
        }
        if self.parts.len() >= limit {
            return Err(self.refuse(why));
        }
        if offset == 0 {
            let length = packet.bytes.len() - payload.len();
            let header = packet.bytes.get(..length).unwrap_or_default();
            self.header = Some(unfragmented(header, packet.protocol));
            self.bytes += length;
        }
        self.bytes += payload.len() + OVERHEAD;
        self.parts.insert(at, (offset, payload.to_vec()));

        let mut next = 0;
        for part in &self.parts {
            if part.0 != next {
                return Ok(false);
            }
            next = part_end(part);
        }
        Ok(self.total == Some(next) && self.header.is_some())
    }

    fn refuse(&mut self, why: Anomalies) -> Anomalies {
        self.refused = true;
        self.parts = Vec::new();
        self.header = None;
        self.bytes = OVERHEAD;
        why
    }

    fn whole(&mut self) -> Vec<u8> {
        let mut packet = self.header.take().unwrap_or_default();
        let header_length = packet.len();
        for (_, bytes) in &self.parts {
            packet.extend(bytes);
        }
        let total = packet.len();
        if packet.first().is_some_and(|b| b >> 4 == 4) {
            set(&mut packet, 2, u16::try_from(total).unwrap_or(u16::MAX));
            set(&mut packet, 10, 0);
            let sum = crate::checksum::ipv4_header(packet.get(..header_length).unwrap_or_default());
            set(&mut packet, 10, sum);
        } else {
            set(&mut packet, 4, u16::try_from(total.saturating_sub(40)).unwrap_or(u16::MAX));
        }
        packet
    }
}

fn part_end((begin, bytes): &(u32, Vec<u8>)) -> u32 {
    begin.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
}

fn set(packet: &mut [u8], at: usize, value: u16) {
    if let Some(field) = packet.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// The header of the first fragment as that of a packet that was never fragmented.
fn unfragmented(header: &[u8], protocol: u8) -> Vec<u8> {
    let mut header = header.to_vec();
    if header.first().is_some_and(|b| b >> 4 == 4) {
        if let Some(field) = header.get_mut(6..8) {
            field.copy_from_slice(&[0, 0]);
        }
        return header;
    }
    // The fragment header is the last 8 bytes; whatever pointed to it now points to what it pointed to.
    header.truncate(header.len().saturating_sub(8));
    let mut at = 40;
    let mut pointer = 6;
    while at < header.len() {
        let kind = header.get(pointer).copied().unwrap_or(0);
        let length = usize::from(header.get(at + 1).copied().unwrap_or(0));
        pointer = at;
        at += if kind == 51 { (length + 2) * 4 } else { (length + 1) * 8 };
    }
    if let Some(next) = header.get_mut(pointer) {
        *next = protocol;
    }
    header
}
