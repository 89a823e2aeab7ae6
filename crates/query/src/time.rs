//! Times as people write them.

const DAY: i64 = 86_400_000_000;

/// The span that a written time stands for: first microsecond, and the first after it.
///
/// A day (`2026-11-22`, UTC) is a span of 24 hours, an instant (RFC 3339) one of a microsecond, `-24h` (also `m`,
/// `d`, `w`) the instant so long before `now`, and `now` itself.
pub(crate) fn span(text: &str, now: i64) -> Option<(i64, i64)> {
    if text.eq_ignore_ascii_case("now") {
        return Some((now, now.checked_add(1)?));
    }
    if let Some(ago) = text.strip_prefix('-') {
        let unit = ago.chars().next_back()?;
        let number: i64 = ago.strip_suffix(unit)?.parse().ok().filter(|n| (0..=1_000_000).contains(n))?;
        let unit = match unit {
            'm' => DAY / 1440,
            'h' => DAY / 24,
            'd' => DAY,
            'w' => 7 * DAY,
            _ => return None,
        };
        let at = now.checked_sub(number.checked_mul(unit)?)?;
        return Some((at, at.checked_add(1)?));
    }
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let day = day(date)?.checked_mul(DAY)?;
    let Some(time) = time else { return Some((day, day.checked_add(DAY)?)) };
    let at = day.checked_add(time_of_day(time)?)?;
    Some((at, at.checked_add(1)?))
}

/// Days since 1970 of `2026-11-22`, by the proleptic Gregorian calendar.
fn day(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if parts.next().is_some() || !(1..=last).contains(&day) {
        return None;
    }
    // Years begin with March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Microseconds into the day in UTC of `10:00:00.5+09:00`; seconds may be left out.
fn time_of_day(text: &str) -> Option<i64> {
    let zone = text.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = text.split_at_checked(zone)?;
    let offset = match zone.strip_prefix(['+', '-']) {
        None if zone.len() == 1 => 0,
        None => return None,
        Some(minutes) => {
            let minutes = clock_minutes(minutes)?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    let (minutes, seconds) = match clock.match_indices(':').nth(1) {
        None => (clock, "00"),
        Some((at, _)) => (clock.get(..at)?, clock.get(at + 1..)?),
    };
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let seconds_value = digits(seconds, 2).filter(|s| *s < 60)?;
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let at = (clock_minutes(minutes)? * 60 + seconds_value) * 1_000_000 + digits(&micros, 6)?;
    Some(at - offset * 60_000_000)
}

/// Minutes of `10:30`.
fn clock_minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let hours = digits(hours, 2).filter(|h| *h < 24)?;
    let minutes = digits(minutes, 2).filter(|m| *m < 60)?;
    Some(hours * 60 + minutes)
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let day = 1_795_305_600_000_000; // 2026-11-22T00:00:00Z
        for (text, expected) in [
            ("2026-11-22", Some((day, day + DAY))),
            ("2026-11-22T00:00:00Z", Some((day, day + 1))),
            ("2026-11-22T09:00+09:00", Some((day, day + 1))),
            ("2026-11-21T22:30:00.5-01:30", Some((day + 500_000, day + 500_001))),
            ("1970-01-01", Some((0, DAY))),
            ("2024-02-29", Some((1_709_164_800_000_000, 1_709_164_800_000_000 + DAY))),
            ("-1h", Some((day - DAY / 24, day - DAY / 24 + 1))),
            ("-2w", Some((day - 14 * DAY, day - 14 * DAY + 1))),
            ("now", Some((day, day + 1))),
            ("2026-02-29", None),
            ("2026-13-01", None),
            ("2026-11-22T25:00:00Z", None),
            ("2026-11-22T10:00:00", None),
            ("-1", None),
            ("-é", None),
            ("-99999999999h", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(span(text, day), expected, "{text}");
        }
    }
}
