//! `@verifyCPF`: Brazil's tax number with its two check digits.

pub(super) fn is_right(text: &[u8]) -> bool {
    let digits: Vec<u32> =
        text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0')).collect();
    let same = digits.windows(2).all(|pair| pair.first() == pair.last());
    let check = |count: u32| {
        let sum: u32 = digits.iter().zip((2..=count + 1).rev()).map(|(digit, weight)| digit * weight).sum();
        let rest = sum % 11;
        if rest < 2 { 0 } else { 11 - rest }
    };
    digits.len() == 11 && !same && digits.get(9) == Some(&check(9)) && digits.get(10) == Some(&check(10))
}
