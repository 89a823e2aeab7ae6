//! `parityEven7bit`, `parityOdd7bit`, `parityZero7bit`: the eighth bit as parity of the other seven.

pub(super) fn even(input: &[u8]) -> Option<Vec<u8>> {
    each(input, |low| if low.count_ones() % 2 == 1 { low | 0x80 } else { low })
}

pub(super) fn odd(input: &[u8]) -> Option<Vec<u8>> {
    each(input, |low| if low.count_ones() % 2 == 0 { low | 0x80 } else { low })
}

pub(super) fn zero(input: &[u8]) -> Option<Vec<u8>> {
    each(input, |low| low)
}

fn each(input: &[u8], with: fn(u8) -> u8) -> Option<Vec<u8>> {
    super::changed(input, input.iter().map(|byte| with(byte & 0x7f)).collect())
}
