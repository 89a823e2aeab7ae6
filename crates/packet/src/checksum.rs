//! The internet checksum (RFC 1071) over headers, pseudo-headers and payload.
use std::net::IpAddr;

/// A running one's-complement sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes that start at an even offset of what is summed; an odd last byte is padded with zero.
    #[must_use]
    pub fn over(self, bytes: &[u8]) -> Self {
        let mut sum = 0u64;
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            sum += u64::from(u32::from_be_bytes(*word));
        }
        let mut last = [0u8; 4];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        // 64 KiB are 16,384 words below 2^32 each: no overflow below 2^46, and the fold below is exact.
        Self(fold(self.0).wrapping_add(sum).wrapping_add(u64::from(u32::from_be_bytes(last))))
    }

    /// The sum folded to 16 bits, not complemented: what a stack leaves in the field when the card should finish it.
    pub fn partial(self) -> u16 {
        u16::try_from(fold(self.0)).unwrap_or(u16::MAX)
    }

    /// The checksum as it stands in a header.
    pub fn finish(self) -> u16 {
        !self.partial()
    }
}

fn fold(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// The sum over the pseudo-header of TCP or UDP (RFC 9293 §3.1, RFC 8200 §8.1).
///
/// Mixed address families are summed as they are: such a packet cannot exist.
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> Sum {
    let mut sum = Sum::default();
    for address in [source, destination] {
        sum = match address {
            IpAddr::V4(a) => sum.over(&a.octets()),
            IpAddr::V6(a) => sum.over(&a.octets()),
        };
    }
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    sum.over(&length.to_be_bytes()).over(&[0, protocol])
}

/// The checksum over an IPv4 header whose checksum field is zero; over a header as received it is 0 when right.
pub fn ipv4_header(header: &[u8]) -> u16 {
    Sum::default().over(header).finish()
}

/// The checksum of a transport segment (header and payload) under its pseudo-header; 0 over a received right one.
pub fn transport(source: IpAddr, destination: IpAddr, protocol: u8, segment: &[u8]) -> u16 {
    pseudo_header(source, destination, protocol, segment.len()).over(segment).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_1071_example() {
        let sum = Sum::default().over(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.partial(), 0xddf2);
        assert_eq!(sum.finish(), 0x220d);
    }

    #[test]
    fn known_ipv4_header() {
        let mut header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0x00, 0x01, 0xc0,
            0xa8, 0x00, 0xc7,
        ];
        assert_eq!(ipv4_header(&header), 0xb861);
        header[10] = 0xb8;
        header[11] = 0x61;
        assert_eq!(ipv4_header(&header), 0);
    }

    #[test]
    fn odd_lengths_are_padded_at_the_end() {
        assert_eq!(Sum::default().over(&[1, 2, 3]).partial(), 0x0102 + 0x0300);
        assert_eq!(Sum::default().over(&vec![0xff; 65535]).partial(), {
            let mut sum = 0u64;
            for _ in 0..32767 {
                sum += 0xffff;
            }
            u16::try_from(fold(sum + 0xff00)).unwrap()
        });
    }
}
