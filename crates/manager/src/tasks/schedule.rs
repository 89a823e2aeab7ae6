//! When a task is due: five fields as cron has them, in a time zone.
//!
//! | field | values |
//! |---|---|
//! | minute, hour | 0–59, 0–23 |
//! | day of month | 1–31, `L` for the last one |
//! | month | 1–12, `jan`–`dec` |
//! | day of week | 0–7 (0 and 7 are Sunday), `sun`–`sat` |
//!
//! Each is `*`, a value, a range, a list of them, each with `/step`. Where both days are narrowed, either suffices, as
//! in any cron. A time that the zone's clocks leave out is due when they have passed it; one that they show twice is due
//! the first time.
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use sakimori_model::Timestamp;

/// Days looked ahead: `29 2` comes after eight years at most.
const DAYS: u32 = 366 * 9;
/// Longest text.
const MAX_BYTES: usize = 256;

/// A schedule that was read.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    last_day: bool,
    months: u64,
    weekdays: u64,
    any_day: bool,
    any_weekday: bool,
    zone: TimeZone,
}

/// A schedule cannot be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoSchedule {
    /// `schedule` or `timeZone`.
    pub(crate) member: &'static str,
    /// What to write instead.
    pub(crate) message: String,
}

impl Schedule {
    /// Reads five fields and the name of a zone, as `Asia/Tokyo`.
    pub(crate) fn parse(text: &str, zone: &str) -> Result<Self, NoSchedule> {
        let wrong = |message: String| NoSchedule { member: "schedule", message };
        if text.len() > MAX_BYTES {
            return Err(wrong(format!("At most {MAX_BYTES} bytes.")));
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(wrong(
                "Five fields: minute, hour, day of month, month, day of week, as 30 2 * * sun.".to_owned(),
            ));
        };
        let none: &[&str] = &[];
        let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        let weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
        let last_day = day.eq_ignore_ascii_case("l");
        let weekday_set = field(weekday, (0, 7), &weekdays, 0).map_err(wrong)?;
        let zone = TimeZone::get(zone).map_err(|_unknown| NoSchedule {
            member: "timeZone",
            message: "The name of a time zone, as UTC or Asia/Tokyo.".to_owned(),
        })?;
        let schedule = Self {
            minutes: field(minute, (0, 59), none, 0).map_err(wrong)?,
            hours: field(hour, (0, 23), none, 0).map_err(wrong)?,
            days: if last_day { 0 } else { field(day, (1, 31), none, 0).map_err(wrong)? },
            last_day,
            months: field(month, (1, 12), &months, 1).map_err(wrong)?,
            // Seven is Sunday too.
            weekdays: (weekday_set | (weekday_set >> 7)) & 0x7f,
            any_day: day == "*",
            any_weekday: weekday == "*",
            zone,
        };
        if schedule.next(Timestamp(0)).is_none() {
            return Err(wrong("There is no such day in any year.".to_owned()));
        }
        Ok(schedule)
    }

    /// The first time after `after`.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let at = jiff::Timestamp::from_microsecond(after.0).ok()?;
        let mut date = self.zone.to_datetime(at).date();
        for _ in 0..DAYS {
            if self.is_on(date) {
                for hour in (0..24_i8).filter(|hour| has(self.hours, *hour)) {
                    for minute in (0..60_i8).filter(|minute| has(self.minutes, *minute)) {
                        let Some(due) = self.instant(date.at(hour, minute, 0, 0)) else { continue };
                        if due > after {
                            return Some(due);
                        }
                    }
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn is_on(&self, date: Date) -> bool {
        if !has(self.months, date.month()) {
            return false;
        }
        let day = has(self.days, date.day()) || (self.last_day && date.day() == date.days_in_month());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        match (self.any_day, self.any_weekday) {
            (false, false) => day || weekday,
            (true, _) => weekday,
            (false, true) => day,
        }
    }

    fn instant(&self, at: DateTime) -> Option<Timestamp> {
        let instant = self.zone.to_ambiguous_timestamp(at).compatible().ok()?;
        Some(Timestamp(instant.as_microsecond()))
    }
}

fn has(set: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| (set >> value) & 1 == 1)
}

/// A field as a set of bits.
fn field(text: &str, (low, high): (u32, u32), names: &[&str], first: u32) -> Result<u64, String> {
    let wrong =
        || format!("“{}”: values from {low} to {high}, as *, 5, 1-5, 1,15 or */10.", super::short(text));
    let value = |text: &str| -> Option<u32> {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(at) => u32::try_from(at).ok()? + first,
            None if !text.is_empty() && text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok()?
            }
            None => return None,
        };
        (low..=high).contains(&value).then_some(value)
    };
    let mut set = 0_u64;
    for part in text.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let step: u32 = step.parse().ok().filter(|step| (1..=high).contains(step)).ok_or_else(wrong)?;
        let (from, to) = if range == "*" {
            (low, high)
        } else if let Some((from, to)) = range.split_once('-') {
            (value(from).ok_or_else(wrong)?, value(to).ok_or_else(wrong)?)
        } else {
            let one = value(range).ok_or_else(wrong)?;
            (one, if part.contains('/') { high } else { one })
        };
        if from > to {
            return Err(wrong());
        }
        let mut at = from;
        while at <= to {
            set |= 1 << at;
            at += step;
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use proptest::prelude::*;

    fn next(text: &str, zone: &str, after: &str) -> String {
        let schedule = Schedule::parse(text, zone).unwrap();
        clock::text(schedule.next(clock::parse(after).unwrap()).unwrap())
    }

    #[test]
    fn times_are_those_of_cron() {
        for (text, zone, after, expected) in [
            ("30 2 * * *", "UTC", "2026-11-25T02:29:59Z", "2026-11-25T02:30:00Z"),
            ("30 2 * * *", "UTC", "2026-11-25T02:30:00Z", "2026-11-26T02:30:00Z"),
            ("30 2 * * *", "Asia/Tokyo", "2026-11-25T00:00:00Z", "2026-11-25T17:30:00Z"),
            ("*/15 9-17 * * mon-fri", "UTC", "2026-11-27T17:46:00Z", "2026-11-30T09:00:00Z"),
            ("0 0 L * *", "UTC", "2027-02-01T00:00:00Z", "2027-02-28T00:00:00Z"),
            ("0 0 29 2 *", "UTC", "2026-11-25T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 1 * sun", "UTC", "2026-11-25T00:00:00Z", "2026-11-29T00:00:00Z"),
            ("0 0 * * 7", "UTC", "2026-11-25T00:00:00Z", "2026-11-29T00:00:00Z"),
            ("5/20 0 * jan *", "UTC", "2026-11-25T00:00:00Z", "2027-01-01T00:05:00Z"),
        ] {
            assert_eq!(next(text, zone, after), expected, "{text} {zone} after {after}");
        }
    }

    #[test]
    fn clocks_that_are_set_neither_skip_nor_double_a_task() {
        // 2:30 is left out on 2027-03-28 in Berlin, and shown twice on 2027-10-31.
        assert_eq!(next("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z"), "2027-03-28T01:30:00Z");
        assert_eq!(next("30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z"), "2027-10-31T00:30:00Z");
        assert_eq!(next("30 2 * * *", "Europe/Berlin", "2027-10-31T00:30:00Z"), "2027-11-01T01:30:00Z");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "* * 0 * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "* * 31 2 *",
            "a * * * *",
        ] {
            assert_eq!(Schedule::parse(text, "UTC").unwrap_err().member, "schedule", "{text}");
        }
        assert_eq!(Schedule::parse("* * * * *", "Moon/Tycho").unwrap_err().member, "timeZone");
    }

    proptest! {
        #[test]
        fn hostile_texts_are_refused_or_give_a_later_time(text in "[0-9*,/\\-LlJanfebsuo ]{0,40}|\\PC{0,60}", at in 0_i64..4_000_000_000_000_000) {
            if let Ok(schedule) = Schedule::parse(&text, "Asia/Tokyo") {
                let due = schedule.next(Timestamp(at)).unwrap();
                prop_assert!(due.0 > at);
                prop_assert!(due.0 % 60_000_000 == 0);
            }
        }
    }
}
