//! Sequence numbers: arithmetic modulo 2^32 (RFC 9293 §3.4).

/// A TCP sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sequence(pub u32);

impl Sequence {
    /// How far `self` is ahead of `other`; negative when behind. Right as long as they are within 2^31.
    pub const fn ahead_of(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0).cast_signed() as i64
    }

    /// The number `count` further on; `count` counts modulo 2^32.
    #[must_use]
    pub fn plus(self, count: usize) -> Self {
        // The mask makes the conversion exact, whatever `count` is.
        Self(self.0.wrapping_add(u32::try_from(count & 0xffff_ffff).unwrap_or(0)))
    }

    /// The one that is further on.
    #[must_use]
    pub const fn later(self, other: Self) -> Self {
        if self.ahead_of(other) >= 0 { self } else { other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps() {
        let high = Sequence(u32::MAX - 1);
        let low = Sequence(3);
        assert_eq!(low.ahead_of(high), 5);
        assert_eq!(high.ahead_of(low), -5);
        assert_eq!(high.plus(5), low);
        assert_eq!(high.later(low), low);
        assert_eq!(low.later(high), low);
    }
}
