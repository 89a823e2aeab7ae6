//! What is odd about a packet's headers, in the words of the rule language (`decode-event`).
//!
//! A second, unhurried walk over the headers, apart from [`decode`](crate::decode): only rules about such oddities and
//! records of them ask for it.
//!
//! # Source
//! Suricata user guide, "Decoder Events"; RFC 791, RFC 8200, RFC 4302, RFC 9293.

/// Oddities of one packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oddities(Vec<&'static str>);

/// Extension headers that are walked.
const MOST_HEADERS: usize = 32;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const ESP: u8 = 50;
const AUTHENTICATION: u8 = 51;
const NONE: u8 = 59;
const DESTINATION: u8 = 60;

// === impl Oddities ===

impl Oddities {
    /// Looks at an IP packet.
    ///
    /// # Bounds
    /// Time and memory are linear in the headers.
    pub fn of(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        match bytes.first().map(|first| first >> 4) {
            Some(4) => found.ipv4(bytes),
            Some(6) => found.ipv6(bytes),
            _ => {}
        }
        found
    }

    /// Adds one that was seen elsewhere.
    pub fn insert(&mut self, name: &'static str) {
        if !self.0.contains(&name) {
            self.0.push(name);
        }
    }

    /// Their names: `ipv6.trunc_exthdr`.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }

    fn ipv4(&mut self, bytes: &[u8]) {
        let Some((header, _)) = bytes.split_first_chunk::<20>() else {
            return self.insert("ipv4.pkt_too_small");
        };
        let header_length = usize::from(header[0] & 15) * 4;
        if header_length < 20 {
            return self.insert("ipv4.hlen_too_small");
        }
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if total < header_length {
            return self.insert("ipv4.iplen_smaller_than_hlen");
        }
        if bytes.len() < total {
            return self.insert("ipv4.trunc_pkt");
        }
        if let Some(options) = bytes.get(20..header_length) {
            self.ipv4_options(options);
        }
        let fragments = u16::from_be_bytes([header[6], header[7]]);
        let offset = usize::from(fragments & 0x1fff) * 8;
        let upper = bytes.get(header_length..total).unwrap_or_default();
        if offset + upper.len() > 65_535 {
            self.insert("ipv4.frag_pkt_too_large");
        }
        if offset == 0 && fragments & 0x2000 == 0 {
            if header[9] == 58 {
                self.insert("ipv4.icmpv6");
            }
            self.upper(header[9], upper);
        }
    }

    fn ipv4_options(&mut self, mut options: &[u8]) {
        let mut seen = [false; 256];
        while let [kind, rest @ ..] = options {
            match kind {
                0 => return,
                1 => options = rest,
                kind => {
                    let Some(length) = rest.first().map(|length| usize::from(*length)) else {
                        return self.insert("ipv4.opt_malformed");
                    };
                    if length < 2 || length > options.len() {
                        return self.insert("ipv4.opt_invalid_len");
                    }
                    let known = matches!(kind, 7 | 68 | 130 | 131 | 133 | 134 | 136 | 137 | 148);
                    if !known {
                        self.insert("ipv4.opt_unknown");
                    }
                    if let Some(seen) = seen.get_mut(usize::from(*kind))
                        && std::mem::replace(seen, true)
                    {
                        self.insert("ipv4.opt_duplicate");
                    }
                    options = options.get(length..).unwrap_or_default();
                }
            }
        }
    }

    fn ipv6(&mut self, bytes: &[u8]) {
        let Some((header, after)) = bytes.split_first_chunk::<40>() else {
            return self.insert("ipv6.pkt_too_small");
        };
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let Some(mut rest) = after.get(..length) else { return self.insert("ipv6.trunc_pkt") };
        let mut kind = header[6];
        let mut seen = [0_u8; 256];
        for _ in 0..MOST_HEADERS {
            if let Some(count) = seen.get_mut(usize::from(kind)) {
                *count = count.saturating_add(1);
                let again = match kind {
                    HOP_BY_HOP if *count > 1 => Some("ipv6.exthdr_dupl_hh"),
                    ROUTING if *count > 1 => Some("ipv6.exthdr_dupl_rh"),
                    FRAGMENT if *count > 1 => Some("ipv6.exthdr_dupl_fh"),
                    AUTHENTICATION if *count > 1 => Some("ipv6.exthdr_dupl_ah"),
                    ESP if *count > 1 => Some("ipv6.exthdr_dupl_eh"),
                    // one may stand in front of a routing header
                    DESTINATION if *count > 2 => Some("ipv6.exthdr_dupl_dh"),
                    _ => None,
                };
                if let Some(again) = again {
                    self.insert(again);
                    if kind == FRAGMENT {
                        return;
                    }
                }
            }
            let (next, skip) = match (kind, rest) {
                (HOP_BY_HOP | ROUTING | DESTINATION | 135 | 139 | 140, [next, length, ..]) => {
                    (*next, (usize::from(*length) + 1) * 8)
                }
                (AUTHENTICATION, [next, length, high, low, ..]) => {
                    if (*high, *low) != (0, 0) {
                        self.insert("ipv6.exthdr_ah_res_not_null");
                    }
                    (*next, (usize::from(*length) + 2) * 4)
                }
                (FRAGMENT, [next, reserved, high, low, _, _, _, _, ..]) => {
                    if *reserved != 0 {
                        self.insert("ipv6.fh_non_zero_reserved_field");
                    }
                    let word = u16::from_be_bytes([*high, *low]);
                    let more = word & 1 == 1;
                    let payload = rest.get(8..).unwrap_or_default();
                    if more && payload.len() % 8 != 0 {
                        self.insert("ipv6.frag_invalid_length");
                    }
                    if word & 0xfff9 != 0 {
                        if usize::from(word & 0xfff8) + payload.len() > 65_535 {
                            self.insert("ipv6.frag_pkt_too_large");
                        }
                        return;
                    }
                    self.insert("ipv6.exthdr_useless_fh");
                    (*next, 8)
                }
                (HOP_BY_HOP | ROUTING | DESTINATION | 135 | 139 | 140 | AUTHENTICATION | FRAGMENT, _) => {
                    return self.insert("ipv6.trunc_exthdr");
                }
                (NONE, rest) => {
                    if !rest.is_empty() {
                        self.insert("ipv6.data_after_none_header");
                    }
                    return;
                }
                (ESP, _) => return,
                (kind, rest) => {
                    if kind == 1 {
                        self.insert("ipv6.icmpv4");
                    }
                    return self.upper(kind, rest);
                }
            };
            let Some(after) = rest.get(skip..) else { return self.insert("ipv6.trunc_exthdr") };
            match kind {
                HOP_BY_HOP => {
                    self.padding(
                        rest.get(2..skip),
                        ["ipv6.hopopts_only_padding", "ipv6.hopopts_unknown_opt"],
                    );
                }
                DESTINATION => {
                    self.padding(
                        rest.get(2..skip),
                        ["ipv6.dstopts_only_padding", "ipv6.dstopts_unknown_opt"],
                    );
                }
                ROUTING if rest.get(2) == Some(&0) => self.insert("ipv6.rh_type_0"),
                _ => {}
            }
            (kind, rest) = (next, after);
        }
    }

    /// The options of a header, which may be nothing but padding.
    fn padding(&mut self, options: Option<&[u8]>, [only_padding, unknown]: [&'static str; 2]) {
        let mut options = options.unwrap_or_default();
        let mut others = 0;
        while let [kind, rest @ ..] = options {
            if *kind == 0 {
                options = rest;
                continue;
            }
            let Some(length) = rest.first().map(|length| usize::from(*length)) else { break };
            let Some(after) = rest.get(1 + length..) else {
                return self.insert("ipv6.exthdr_invalid_optlen");
            };
            match kind {
                1 if length == 0 => self.insert("ipv6.zero_len_padn"),
                1 => {}
                4 | 5 | 194 | 201 => others += 1,
                _ => {
                    others += 1;
                    self.insert(unknown);
                }
            }
            options = after;
        }
        if others == 0 {
            self.insert(only_padding);
        }
    }

    fn upper(&mut self, protocol: u8, bytes: &[u8]) {
        match protocol {
            1 if bytes.len() < 8 => self.insert("icmpv4.pkt_too_small"),
            1 => self.icmpv4(bytes),
            58 if bytes.len() < 8 => self.insert("icmpv6.pkt_too_small"),
            6 => self.tcp(bytes),
            17 => self.udp(bytes),
            132 if bytes.len() < 12 => self.insert("sctp.pkt_too_small"),
            47 if bytes.len() < 4 => self.insert("gre.pkt_too_small"),
            _ => {}
        }
    }

    fn icmpv4(&mut self, bytes: &[u8]) {
        let [kind, ..] = *bytes else { return };
        if !matches!(kind, 0 | 3..=5 | 8..=18) {
            self.insert("icmpv4.unknown_type");
        }
        if matches!(kind, 3 | 4 | 5 | 11 | 12) && bytes.len() < 28 {
            self.insert("icmpv4.ipv4_trunc_pkt");
        }
    }

    fn tcp(&mut self, bytes: &[u8]) {
        let Some((header, after)) = bytes.split_first_chunk::<20>() else {
            return self.insert("tcp.pkt_too_small");
        };
        let length = usize::from(header[12] >> 4) * 4;
        if length < 20 {
            return self.insert("tcp.hlen_too_small");
        }
        let Some(mut options) = after.get(..length - 20) else { return self.insert("tcp.hlen_too_small") };
        let mut seen = [false; 256];
        while let [kind, rest @ ..] = options {
            match kind {
                0 => return,
                1 => options = rest,
                kind => {
                    let length = rest.first().map_or(0, |length| usize::from(*length));
                    if length < 2 || length > options.len() {
                        return self.insert("tcp.opt_invalid_len");
                    }
                    let right = match kind {
                        2 | 28 => length == 4,
                        3 => length == 3,
                        4 => length == 2,
                        8 => length == 10,
                        _ => true,
                    };
                    if !right {
                        self.insert("tcp.opt_invalid_len");
                    }
                    if let Some(seen) = seen.get_mut(usize::from(*kind))
                        && std::mem::replace(seen, true)
                        && matches!(kind, 2 | 3 | 4 | 8)
                    {
                        self.insert("tcp.opt_duplicate");
                    }
                    options = options.get(length..).unwrap_or_default();
                }
            }
        }
    }

    fn udp(&mut self, bytes: &[u8]) {
        let [_, _, _, _, high, low, _, _, ..] = *bytes else {
            self.insert("udp.hlen_too_small");
            return self.insert("udp.pkt_too_small");
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 8 {
            self.insert("udp.len_invalid");
            self.insert("udp.hlen_too_small");
        } else if length > bytes.len() {
            self.insert("udp.pkt_too_small");
            self.insert("udp.hlen_invalid");
        } else if length != bytes.len() {
            self.insert("udp.hlen_invalid");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv6 packet with what follows its fixed header.
    fn ipv6(kind: u8, after: &[u8]) -> Vec<u8> {
        let length = u16::try_from(after.len()).unwrap().to_be_bytes();
        [&[0x60, 0, 0, 0, length[0], length[1], kind, 64], &[0; 32][..], after].concat()
    }

    #[test]
    fn headers_that_are_odd_are_named() {
        let useless = [58, 0, 0, 0, 0, 0, 0, 1, 128, 0, 0, 0, 0, 0, 0, 0];
        let twice = [44, 0, 0, 0, 0, 0, 0, 1, 58, 0, 0, 0, 0, 0, 0, 1];
        for (packet, names) in [
            (ipv6(44, &useless), &["ipv6.exthdr_useless_fh"][..]),
            (ipv6(44, &twice), &["ipv6.exthdr_useless_fh", "ipv6.exthdr_dupl_fh"]),
            (ipv6(60, &[58, 4, 0, 0]), &["ipv6.trunc_exthdr"]),
            (ipv6(44, &[58, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3]), &["ipv6.frag_invalid_length"]),
            (ipv6(58, &[128, 0, 0, 0, 0, 0, 0, 0]), &[]),
            (vec![0x45, 0, 0, 20], &["ipv4.pkt_too_small"]),
        ] {
            assert_eq!(Oddities::of(&packet).names(), names, "{packet:02x?}");
        }
    }
}
