//! `@verifySSN`: a social security number of the United States that could have been given out.

/// Area, group and serial are not 0; areas from 740 and 666 were never given out; digits are neither all the same nor in a row.
pub(super) fn is_possible(text: &[u8]) -> bool {
    let digits: Vec<u32> =
        text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0')).collect();
    let number = |range: std::ops::Range<usize>| {
        digits.get(range).unwrap_or_default().iter().fold(0, |value, digit| value * 10 + digit)
    };
    let steps = |step: u32| {
        digits.windows(2).all(|pair| pair.first().map(|first| first + step) == pair.last().copied())
    };
    let (area, group, serial) = (number(0..3), number(3..5), number(5..9));
    digits.len() == 9
        && area > 0
        && area < 740
        && area != 666
        && group > 0
        && serial > 0
        && !steps(0)
        && !steps(1)
}
