//! Times of the week in a time zone, at which a rule counts.
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MINUTES: u16 = 24 * 60;

/// A time of the week: days, hours and the zone of both, as `mon-fri 09:00-18:00 Asia/Tokyo`.
///
/// Hours that end before they begin last over midnight into the next day: `fri 22:00-06:00 UTC`. The clock on the wall
/// of the zone counts, so summer time moves the window with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// One bit a day, Monday the lowest.
    days: u8,
    /// Minutes from midnight: the first that counts.
    from: u16,
    /// The first that counts no more; 1440 is midnight.
    to: u16,
    /// A zone of the IANA database, of which this program carries a copy.
    zone: String,
}

/// The text is no time of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseWindowError {
    /// It does not have three parts, or days or hours are not.
    Form,
    /// The zone is not known.
    Zone(String),
}

impl fmt::Display for ParseWindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("write days, hours and time zone: mon-fri 09:00-18:00 Asia/Tokyo"),
            Self::Zone(zone) => {
                write!(
                    f,
                    "there is no time zone '{zone}': write one of the IANA database, such as Europe/Berlin or UTC"
                )
            }
        }
    }
}

impl std::error::Error for ParseWindowError {}

// === impl Window ===

impl Window {
    /// Whether a moment, in microseconds since 1970, lies in it.
    pub fn contains(&self, at_micros: i64) -> bool {
        let Ok(zone) = jiff::tz::TimeZone::get(&self.zone) else { return false };
        let Ok(at) = jiff::Timestamp::from_microsecond(at_micros) else { return false };
        let local = at.to_zoned_datetime(zone);
        let day = local.weekday().to_monday_zero_offset();
        let minute =
            u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or_default();
        self.at(u8::try_from(day).unwrap_or_default(), minute)
    }

    /// Whether a minute of a day (0 is Monday) on the wall lies in it.
    fn at(&self, day: u8, minute: u16) -> bool {
        let on = |day: u8| self.days & (1 << (day % 7)) != 0;
        if self.from < self.to {
            return on(day) && (self.from..self.to).contains(&minute);
        }
        (on(day) && minute >= self.from) || (on(day + 6) && minute < self.to)
    }
}

impl FromStr for Window {
    type Err = ParseWindowError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split_ascii_whitespace();
        let (Some(days), Some(hours), Some(zone), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseWindowError::Form);
        };
        let days = days_of(days).ok_or(ParseWindowError::Form)?;
        let (from, to) = hours.split_once('-').ok_or(ParseWindowError::Form)?;
        let (from, to) = (minute_of(from), minute_of(to));
        let (Some(from), Some(to)) = (from.filter(|from| *from < DAY_MINUTES), to.filter(|to| *to > 0))
        else {
            return Err(ParseWindowError::Form);
        };
        if from == to {
            return Err(ParseWindowError::Form);
        }
        match jiff::tz::TimeZone::get(zone) {
            // The name as the database writes it: it is case-sensitive elsewhere.
            Ok(found) => {
                let zone = found.iana_name().unwrap_or(zone).to_owned();
                Ok(Self { days, from, to, zone })
            }
            Err(_unknown) => Err(ParseWindowError::Zone(zone.chars().take(64).collect())),
        }
    }
}

fn days_of(text: &str) -> Option<u8> {
    let day = |text: &str| DAYS.iter().position(|day| *day == text.to_ascii_lowercase());
    let mut days = 0_u8;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let mut at = first;
        loop {
            days |= 1 << at;
            if at == last {
                break;
            }
            at = (at + 1) % DAYS.len();
        }
    }
    Some(days)
}

fn minute_of(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    let at = hour * 60 + minute;
    (minute < 60 && at <= DAY_MINUTES).then_some(at)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut day = 0;
        while day < DAYS.len() {
            if self.days & (1 << day) == 0 {
                day += 1;
                continue;
            }
            let begin = day;
            while day + 1 < DAYS.len() && self.days & (1 << (day + 1)) != 0 {
                day += 1;
            }
            let name = |day: usize| DAYS.get(day).copied().unwrap_or_default();
            f.write_str(if first { "" } else { "," })?;
            f.write_str(name(begin))?;
            if day > begin {
                write!(f, "-{}", name(day))?;
            }
            first = false;
            day += 1;
        }
        let Self { from, to, zone, .. } = self;
        write!(f, " {:02}:{:02}-{:02}:{:02} {zone}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Window {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some(
                "A time of the week: `mon-fri 09:00-18:00 Asia/Tokyo`; or a list of such times: `list:NAME`.",
            ))
            .into()
    }
}

impl ToSchema for Window {}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
    }

    fn window(text: &str) -> Window {
        text.parse().unwrap()
    }

    #[test]
    fn windows_are_written_as_they_are_read() {
        for text in [
            "mon-fri 09:00-18:00 Asia/Tokyo",
            "mon,wed,fri-sun 22:00-06:00 UTC",
            "mon-sun 00:00-24:00 Europe/Berlin",
        ] {
            assert_eq!(window(text).to_string(), text);
        }
        assert_eq!(window("Sat-Mon 08:00-09:00 utc").to_string(), "mon,sat-sun 08:00-09:00 UTC");
        for text in [
            "",
            "mon 09:00-18:00",
            "day 09:00-18:00 UTC",
            "mon 9-18 UTC",
            "mon 09:00-09:00 UTC",
            "mon 24:00-01:00 UTC",
            "mon 09:60-10:00 UTC",
            "mon 09:00-25:00 UTC",
            "mon 09:00-18:00 UTC x",
        ] {
            assert_eq!(text.parse::<Window>(), Err(ParseWindowError::Form), "{text}");
        }
        assert_eq!(
            "mon 09:00-18:00 Mars/Dome".parse::<Window>(),
            Err(ParseWindowError::Zone("Mars/Dome".to_owned()))
        );
    }

    #[test]
    fn the_wall_clock_of_the_zone_counts() {
        // 2026-11-25 is a Wednesday; Tokyo is nine hours ahead.
        let office = window("mon-fri 09:00-18:00 Asia/Tokyo");
        assert!(office.contains(micros("2026-11-25T00:00:00Z")), "09:00 in Tokyo");
        assert!(!office.contains(micros("2026-11-24T23:59:59Z")));
        assert!(office.contains(micros("2026-11-25T08:59:59Z")));
        assert!(!office.contains(micros("2026-11-25T09:00:00Z")), "18:00 in Tokyo");
        assert!(!office.contains(micros("2026-11-28T03:00:00Z")), "Saturday");
        assert!(!office.contains(micros("2026-11-22T23:00:00Z")), "Monday 08:00 in Tokyo");
        // Summer time in Berlin: 09:00 there is 07:00 UTC, in winter 08:00.
        let berlin = window("mon-sun 09:00-10:00 Europe/Berlin");
        assert!(
            berlin.contains(micros("2026-07-01T07:30:00Z"))
                && !berlin.contains(micros("2026-07-01T08:30:00Z"))
        );
        assert!(
            !berlin.contains(micros("2026-12-01T07:30:00Z"))
                && berlin.contains(micros("2026-12-01T08:30:00Z"))
        );
    }

    #[test]
    fn a_window_may_last_over_midnight_and_over_the_week() {
        let night = window("sun 22:00-06:00 UTC");
        for (at, inside) in [
            ("2026-11-29T21:59:00Z", false),
            ("2026-11-29T22:00:00Z", true),
            ("2026-11-30T05:59:00Z", true),
            ("2026-11-30T06:00:00Z", false),
            ("2026-11-30T23:00:00Z", false),
        ] {
            assert_eq!(night.contains(micros(at)), inside, "{at}");
        }
        let always = window("mon-sun 00:00-24:00 UTC");
        assert!(always.contains(0) && always.contains(micros("2026-11-29T23:59:59Z")));
    }
}
