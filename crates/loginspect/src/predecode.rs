//! What stands before a message: time, host and program.
//!
//! Syslog in its shapes (RFC 3164, RFC 5424, ISO time stamps, with and without host or priority), and the time stamps
//! of Apache's error log, xferlog, Snort, Suricata and Squid, which carry neither host nor program.

use std::ops::Range;

/// Where the parts of a line lie; parts that are not there are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The time as it was written.
    pub timestamp: Range<usize>,
    /// The host that wrote it.
    pub host: Option<Range<usize>>,
    /// The program that wrote it, without its process id.
    pub program: Option<Range<usize>>,
    /// Where the message begins.
    pub message: usize,
}

/// Finds the parts of a line.
pub fn predecode(line: &[u8]) -> Header {
    let begin = priority(line);
    if begin > 0
        && let Some(header) = rfc5424(line, begin)
    {
        return header;
    }
    if let Some(end) = syslog_time(line, begin) {
        return host_and_program(line, begin..end);
    }
    let message = other_time(line).unwrap_or(begin);
    Header { message, ..Header::default() }
}

/// The length of `<134>`; 0 where there is none.
fn priority(line: &[u8]) -> usize {
    if at(line, 0) != b'<' {
        return 0;
    }
    let digits = digits(line, 1);
    if (1..=3).contains(&digits) && at(line, 1 + digits) == b'>' { digits + 2 } else { 0 }
}

/// `1 2003-10-11T22:14:15.003Z host app procid msgid [structured] message`
fn rfc5424(line: &[u8], begin: usize) -> Option<Header> {
    if !(at(line, begin) == b'1' && at(line, begin + 1) == b' ') {
        return None;
    }
    let mut position = begin + 2;
    let mut word = || {
        let start = position;
        while position < line.len() && at(line, position) != b' ' {
            position += 1;
        }
        let end = position;
        position += 1;
        start..end
    };
    let (timestamp, host, program) = (word(), word(), word());
    let (_procid, _msgid) = (word(), word());
    if !timestamp.is_empty() && at(line, timestamp.start) != b'-' && iso_time(line, timestamp.start).is_none()
    {
        return None;
    }
    let message = structured_data(line, position);
    let named = |range: Range<usize>| {
        (!range.is_empty() && line.get(range.clone()) != Some(b"-".as_slice())).then_some(range)
    };
    Some(Header { timestamp, host: named(host), program: named(program), message: message.min(line.len()) })
}

/// Past `-` or `[id a="b"][id2]` and the space after it.
fn structured_data(line: &[u8], begin: usize) -> usize {
    let mut position = begin;
    if at(line, position) == b'-' {
        position += 1;
    } else {
        let (mut quoted, mut inside) = (false, false);
        while position < line.len() {
            match at(line, position) {
                b'\\' if quoted => position += 1,
                b'"' if inside => quoted = !quoted,
                b'[' if !quoted => inside = true,
                b']' if !quoted => inside = false,
                b' ' if !inside => break,
                _ if !inside => return begin,
                _ => {}
            }
            position += 1;
        }
    }
    if at(line, position) == b' ' {
        position += 1;
    }
    // A byte order mark says that the message is UTF-8.
    if line.get(position..).is_some_and(|rest| rest.starts_with(b"\xEF\xBB\xBF")) {
        position += 3;
    }
    position
}

/// The end of a syslog time stamp, with the space after it.
fn syslog_time(line: &[u8], begin: usize) -> Option<usize> {
    let old = |at_: usize| {
        let month = line.get(at_..at_ + 3)?.iter().all(u8::is_ascii_alphabetic);
        (month && at(line, at_ + 3) == b' ' && at(line, at_ + 6) == b' ' && clock(line, at_ + 7))
            .then_some(at_ + 15)
    };
    // MMM dd HH:MM:SS
    if let Some(end) = old(begin)
        && at(line, end) == b' '
    {
        return Some(end + 1);
    }
    // YYYY MMM dd HH:MM:SS
    if digits(line, begin) == 4
        && at(line, begin + 4) == b' '
        && let Some(end) = old(begin + 5)
        && at(line, end) == b' '
    {
        return Some(end + 1);
    }
    let end = iso_time(line, begin)?;
    (at(line, end) == b' ').then_some(end + 1)
}

/// The end of `2009-05-22T09:36:46.214994-07:00`; a zone or `Z` must be there.
fn iso_time(line: &[u8], begin: usize) -> Option<usize> {
    let date = digits(line, begin) == 4
        && at(line, begin + 4) == b'-'
        && digits(line, begin + 5) == 2
        && at(line, begin + 7) == b'-'
        && digits(line, begin + 8) == 2
        && matches!(at(line, begin + 10), b'T' | b' ');
    if !(date && clock(line, begin + 11)) {
        return None;
    }
    let mut end = begin + 19;
    // macOS writes a space between date and time, but always a fraction and a zone.
    if at(line, begin + 10) == b' ' && at(line, end) != b'.' {
        return None;
    }
    if matches!(at(line, end), b'.' | b',') {
        end += 1 + digits(line, end + 1);
    }
    match at(line, end) {
        b'Z' => Some(end + 1),
        b'+' | b'-'
            if digits(line, end + 1) == 2 && at(line, end + 3) == b':' && digits(line, end + 4) == 2 =>
        {
            Some(end + 6)
        }
        b'+' | b'-' if digits(line, end + 1) == 4 => Some(end + 5),
        _ => None,
    }
}

/// The beginning of the message after the time stamps of programs that do not write syslog.
fn other_time(line: &[u8]) -> Option<usize> {
    let letters =
        |from: usize| line.get(from..from + 3).is_some_and(|w| w.iter().all(u8::is_ascii_alphabetic));
    // Apache's errors: [Fri Feb 11 18:06:35 2004] message
    if at(line, 0) == b'['
        && letters(1)
        && at(line, 4) == b' '
        && letters(5)
        && at(line, 8) == b' '
        && clock(line, 12)
        && digits(line, 21) == 4
        && at(line, 25) == b']'
        && at(line, 26) == b' '
    {
        return Some(27);
    }
    // xferlog: Mon Apr 17 18:27:14 2006 message
    if letters(0)
        && at(line, 3) == b' '
        && letters(4)
        && clock(line, 11)
        && digits(line, 20) == 4
        && at(line, 24) == b' '
        && at(line, 26) == b' '
    {
        return Some(25);
    }
    // Snort: 01/28-09:13:16.240702  message; Suricata has the year as well
    for (date, rest) in [(5, 6), (10, 11)] {
        if at(line, 2) == b'/'
            && at(line, date) == b'-'
            && digits(line, 0) == 2
            && clock(line, rest)
            && at(line, rest + 8) == b'.'
        {
            let mut begin = rest + 9 + digits(line, rest + 9);
            while at(line, begin) == b' ' {
                begin += 1;
            }
            return Some(begin);
        }
    }
    // proftpd: 2015-04-16 21:51:02,805 message
    if digits(line, 0) == 4
        && at(line, 4) == b'-'
        && at(line, 7) == b'-'
        && at(line, 10) == b' '
        && clock(line, 11)
        && at(line, 19) == b','
        && digits(line, 20) == 3
        && at(line, 23) == b' '
    {
        return Some(24);
    }
    // Squid: 1140701044.525   1231 message
    if digits(line, 0) == 10 && at(line, 10) == b'.' && digits(line, 11) == 3 && at(line, 14) == b' ' {
        let mut begin = 14;
        while at(line, begin) == b' ' {
            begin += 1;
        }
        let took = digits(line, begin);
        if took > 0 && at(line, begin + took) == b' ' {
            return Some(begin + took + 1);
        }
    }
    None
}

fn host_and_program(line: &[u8], time: Range<usize>) -> Header {
    let mut header = Header { timestamp: time.start..time.end - 1, message: time.end, ..Header::default() };
    let mut begin = time.end;
    while at(line, begin) == b' ' {
        begin += 1;
    }
    header.message = begin;
    let first = word(line, begin);
    if first.is_empty() {
        return header;
    }
    // No host: the first word is the program.
    if let Some(message) = after_program(line, first.end) {
        header.program = Some(first);
        header.message = message;
        return header;
    }
    if at(line, first.end) != b' ' {
        return header;
    }
    begin = first.end + 1;
    header.host = Some(first);
    header.message = begin;
    // AIX and Solaris: facility.severity before the program
    let mut program = word(line, begin);
    if at(line, program.end) == b' '
        && line.get(program.clone()).is_some_and(|w| w.contains(&b'.'))
        && after_program(line, word(line, program.end + 1).end).is_some()
    {
        program = word(line, program.end + 1);
    }
    if let Some(message) = after_program(line, program.end)
        && !program.is_empty()
    {
        header.program = Some(program);
        header.message = solaris_id(line, message);
    }
    header
}

/// `[ID 702911 auth.notice] ` of Solaris.
fn solaris_id(line: &[u8], begin: usize) -> usize {
    let rest = line.get(begin..).unwrap_or_default();
    if !rest.starts_with(b"[ID ") {
        return begin;
    }
    match rest.windows(2).take(64).position(|pair| pair == b"] ") {
        Some(end) => begin + end + 2,
        None => begin,
    }
}

/// A host or program: letters, digits and what stands in their names.
fn word(line: &[u8], begin: usize) -> Range<usize> {
    let valid =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'(' | b')' | b'@');
    let mut end = begin;
    while valid(at(line, end)) {
        end += 1;
    }
    // An IPv6 address as host has colons inside; a program's colon is followed by a space.
    if at(line, end) == b':' && at(line, end + 1) != b' ' {
        let mut further = end + 1;
        while at(line, further).is_ascii_hexdigit() || matches!(at(line, further), b':' | b'.') {
            further += 1;
        }
        if at(line, further) == b' ' && at(line, further - 1) != b':' {
            end = further;
        }
    }
    begin..end
}

/// Where the message begins if what ends at `end` is a program: `p: `, `p[12]: `, `p[12] `.
fn after_program(line: &[u8], end: usize) -> Option<usize> {
    match at(line, end) {
        b':' if at(line, end + 1) == b' ' => Some(end + 2),
        b':' if end + 1 == line.len() => Some(end + 1),
        b'[' => {
            let count = digits(line, end + 1);
            let close = end + 1 + count;
            if count == 0 || at(line, close) != b']' {
                return None;
            }
            match (at(line, close + 1), at(line, close + 2)) {
                (b':', b' ') => Some(close + 3),
                (b':' | b' ', _) => Some(close + 2),
                _ => None,
            }
        }
        _ => None,
    }
}

fn clock(line: &[u8], begin: usize) -> bool {
    let two = |from: usize| at(line, from).is_ascii_digit() && at(line, from + 1).is_ascii_digit();
    two(begin)
        && at(line, begin + 2) == b':'
        && two(begin + 3)
        && at(line, begin + 5) == b':'
        && two(begin + 6)
}

fn digits(line: &[u8], begin: usize) -> usize {
    line.get(begin..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count()
}

/// The byte at a place; 0 past the end.
fn at(line: &[u8], place: usize) -> u8 {
    line.get(place).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> (&str, &str, &str) {
        let header = predecode(line.as_bytes());
        let part = |range: Option<Range<usize>>| range.and_then(|r| line.get(r)).unwrap_or_default();
        (part(header.host), part(header.program), line.get(header.message..).unwrap())
    }

    #[test]
    fn syslog_in_its_shapes() {
        for line in [
            "Nov 25 17:00:01 web1 sshd[123]: hello",
            "<38>Nov  5 17:00:01 web1 sshd[123]: hello",
            "2026-11-25T17:00:01.123456+09:00 web1 sshd[123]: hello",
            "2026-11-25T17:00:01Z web1 sshd: hello",
            "2026 Nov 25 17:00:01 web1 sshd[123] hello",
            "<38>1 2026-11-25T17:00:01.003Z web1 sshd 123 ID47 [a@1 b=\"x ] y\"] hello",
            "<38>1 2026-11-25T17:00:01.003Z web1 sshd - - - hello",
            "Nov 25 17:00:01 web1 sshd[123]: [ID 702911 auth.notice] hello",
        ] {
            assert_eq!(parts(line), ("web1", "sshd", "hello"), "{line}");
        }
        assert_eq!(parts("Nov 25 17:00:01 sshd[9]: hello"), ("", "sshd", "hello"));
        assert_eq!(parts("Nov 25 17:00:01 fe80::1 sshd: hello"), ("fe80::1", "sshd", "hello"));
        assert_eq!(parts("Nov 25 17:00:01 web1 hello there"), ("web1", "", "hello there"));
    }

    #[test]
    fn other_lines() {
        assert_eq!(parts("[Fri Feb 11 18:06:35 2004] [warn] x"), ("", "", "[warn] x"));
        assert_eq!(parts("plain text"), ("", "", "plain text"));
        assert_eq!(parts(""), ("", "", ""));
        assert_eq!(parts("<38>"), ("", "", ""));
    }
}
