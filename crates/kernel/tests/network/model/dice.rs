//! Random choices that are the same for the same seed.

pub(super) struct Dice(u64);

impl Dice {
    /// For one of many rounds: each can be repeated alone.
    pub(super) fn new(seed: u64, round: u64) -> Self {
        let mut dice = Self(seed ^ round.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D);
        (0..8).for_each(|_| {
            dice.next();
        });
        dice
    }

    /// xorshift64*, Vigna.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub(super) fn host(&mut self) -> u8 {
        self.below(usize::from(super::HOSTS)) as u8 + 1
    }

    /// Up to `most`.
    pub(super) fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(most + 1);
        (0..count).map(|_| make(self)).collect()
    }
}
