//! `asn1`: whether BER data is made to break a decoder.
//!
//! # Source
//! Suricata user guide, "asn1"; X.690.

/// What `asn1` looks for; any one is enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asn1 {
    /// A bit string that leaves more than 7 bits of its last byte unused.
    pub(crate) bitstring_overflow: bool,
    /// A real number in text, longer than decoders' buffers.
    pub(crate) double_overflow: bool,
    /// An element longer than this.
    pub(crate) oversize: Option<u64>,
    /// Where it begins.
    pub(crate) offset: i32,
    /// The offset is counted from the match before it.
    pub(crate) relative: bool,
}

/// Elements that are looked at, so that time is bounded.
const ELEMENTS: usize = 64;
/// Text of a real number that decoders have room for.
const REAL_BYTES: u64 = 256;
const BIT_STRING: u8 = 3;
const REAL: u8 = 9;

impl Asn1 {
    /// Whether something of what is looked for is in the bytes.
    pub(crate) fn finds(&self, mut bytes: &[u8]) -> bool {
        for _ in 0..ELEMENTS {
            let Some((tag, length, body)) = element(bytes) else { return false };
            let first = body.first().copied();
            let universal = tag & 0xc0 == 0;
            let number = tag & 0x1f;
            if self.bitstring_overflow
                && universal
                && number == BIT_STRING
                && first.is_some_and(|unused| unused > 7)
                || self.double_overflow
                    && universal
                    && number == REAL
                    && length > REAL_BYTES
                    && first.is_some_and(|form| form & 0xc0 == 0)
                || self.oversize.is_some_and(|most| length > most)
            {
                return true;
            }
            // into what is built of others, past what is not
            bytes = if tag & 0x20 != 0 {
                body
            } else {
                usize::try_from(length).ok().and_then(|length| body.get(length..)).unwrap_or_default()
            };
        }
        false
    }
}

/// Tag, length and what follows them.
fn element(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (&tag, mut rest) = bytes.split_first()?;
    if tag & 0x1f == 0x1f {
        let last = rest.iter().take(5).position(|b| b & 0x80 == 0)?;
        rest = rest.get(last + 1..)?;
    }
    let (&length, rest) = rest.split_first()?;
    if length & 0x80 == 0 {
        return Some((tag, length.into(), rest));
    }
    let count = usize::from(length & 0x7f);
    let (number, rest) = rest.split_at_checked(count)?;
    // a longer one is as large as can be said
    let length =
        if count > 8 { u64::MAX } else { number.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)) };
    Some((tag, length, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_oddity() {
        let bits = Asn1 { bitstring_overflow: true, ..Asn1::default() };
        assert!(bits.finds(&[0x30, 4, 3, 2, 8, 0xff]));
        assert!(!bits.finds(&[0x30, 4, 3, 2, 7, 0xff]));
        let long = Asn1 { oversize: Some(2048), ..Asn1::default() };
        assert!(long.finds(&[0x04, 0x82, 0x08, 0x01]));
        assert!(!long.finds(&[0x04, 0x82, 0x08, 0x00]));
        let mut real = vec![0x09, 0x82, 0x01, 0x01, 0x03];
        real.resize(300, b'1');
        assert!(Asn1 { double_overflow: true, ..Asn1::default() }.finds(&real));
        assert!(!bits.finds(&[]));
        assert!(!long.finds(&[0x1f]));
    }
}
