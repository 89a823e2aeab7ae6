//! `@verifyCC`: a number that the pattern finds and whose check digit (Luhn) is right.

pub(super) fn luhn(text: &[u8]) -> bool {
    let (mut sum, mut count) = (0_u32, 0_u32);
    for digit in text.iter().rev().filter(|byte| byte.is_ascii_digit()) {
        let value = u32::from(digit - b'0') * if count % 2 == 1 { 2 } else { 1 };
        sum = sum.saturating_add(if value > 9 { value - 9 } else { value });
        count = count.saturating_add(1);
    }
    count > 0 && sum % 10 == 0
}
