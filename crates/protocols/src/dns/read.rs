//! From bytes to a message.
use super::{
    Anomalies, Anomaly, Authority, Data, MOST_NAME, MOST_NAMES, MOST_RECORDS, Message, Name, Question,
    Record, Service,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Pointers of one name that are followed.
const MOST_POINTERS: usize = 64;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bytes of names that may still be kept.
    room: usize,
    anomalies: Anomalies,
}

pub(super) fn message(bytes: &[u8]) -> Option<Message> {
    let mut reader = Reader { bytes, at: 0, room: MOST_NAMES, anomalies: Anomalies::default() };
    let [id, flags, questions, answers, authorities, additionals] = {
        let mut header = [0; 6];
        for field in &mut header {
            *field = reader.number()?;
        }
        header
    };
    let mut message = Message { id, flags, ..Message::default() };
    // what cannot be read ends it; what was read stays
    if reader.all(&mut message, questions, [answers, authorities, additionals]).is_none() {
        reader.anomalies.insert(Anomaly::Malformed);
    }
    message.anomalies = reader.anomalies;
    Some(message)
}

pub(super) fn may_begin(bytes: &[u8]) -> Option<bool> {
    let [_, _, _, _, q1, q2, a1, a2, n1, n2, d1, d2, rest @ ..] = bytes else { return None };
    let [questions, answers, authorities, additionals] =
        [[q1, q2], [a1, a2], [n1, n2], [d1, d2]].map(|[high, low]| u16::from_be_bytes([*high, *low]));
    let records = usize::from(answers) + usize::from(authorities) + usize::from(additionals);
    if usize::from(questions) + records == 0 || questions > 16 || records > MOST_RECORDS {
        return Some(false);
    }
    if questions == 0 {
        return Some(true);
    }
    let mut rest = rest;
    loop {
        match rest {
            [0, _, _, high, low, ..] => return Some(matches!(high, 0 | 0x80) && *low != 0),
            [] | [0, ..] => return None,
            // a pointer in the first question leads nowhere
            [length, ..] if length & 0xC0 != 0 => return Some(false),
            [length, after @ ..] => {
                let label = after.get(..usize::from(*length))?;
                if !label.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte >= 0x80) {
                    return Some(false);
                }
                rest = after.get(usize::from(*length)..).unwrap_or_default();
            }
        }
    }
}

// === impl Reader ===

impl Reader<'_> {
    fn all(&mut self, message: &mut Message, questions: u16, records: [u16; 3]) -> Option<()> {
        let mut left = MOST_RECORDS;
        for _ in 0..questions {
            left = self.one_less(left)?;
            let name = self.name()?;
            let (kind, class) = (self.number()?, self.number()?);
            message.questions.push(Question { name, kind, class });
        }
        let sections = [&mut message.answers, &mut message.authorities, &mut message.additionals];
        for (section, count) in sections.into_iter().zip(records) {
            for _ in 0..count {
                left = self.one_less(left)?;
                section.push(self.record()?);
            }
        }
        Some(())
    }

    fn one_less(&mut self, left: usize) -> Option<usize> {
        let left = left.checked_sub(1);
        if left.is_none() {
            self.anomalies.insert(Anomaly::TooManyRecords);
        }
        left
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn long(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn record(&mut self) -> Option<Record> {
        let name = self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        let ttl = self.long()?;
        let length = usize::from(self.number()?);
        let begin = self.at;
        let raw = self.take(length)?.to_vec();
        let end = self.at;
        self.at = begin;
        let data = self.data(kind, &raw).unwrap_or_else(|| {
            self.anomalies.insert(Anomaly::Malformed);
            Data::Other(raw)
        });
        self.at = end;
        Some(Record { name, kind, class, ttl, data })
    }

    /// What a record says; the reader stands at its data.
    fn data(&mut self, kind: u16, raw: &[u8]) -> Option<Data> {
        Some(match (kind, raw) {
            (_, []) => Data::Empty,
            (1, raw) => Data::Address(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(raw).ok()?))),
            (28, raw) => Data::Address(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(raw).ok()?))),
            (2 | 5 | 12, _) => Data::Name(self.name()?),
            (15, _) => {
                let _preference = self.number()?;
                Data::Name(self.name()?)
            }
            (16, raw) => {
                let mut texts = Vec::new();
                let mut rest = raw;
                while let [length, after @ ..] = rest {
                    let (text, after) = after.split_at_checked(usize::from(*length))?;
                    texts.push(text.to_vec());
                    rest = after;
                }
                Data::Text(texts)
            }
            (6, _) => {
                let (server, mailbox) = (self.name()?, self.name()?);
                let mut numbers = [0; 5];
                for number in &mut numbers {
                    *number = self.long()?;
                }
                Data::Authority(Box::new(Authority { server, mailbox, numbers }))
            }
            (33, _) => {
                let (priority, weight, port) = (self.number()?, self.number()?, self.number()?);
                Data::Service(Box::new(Service { priority, weight, port, target: self.name()? }))
            }
            (44, [algorithm, kind, digest @ ..]) => {
                Data::Fingerprint { algorithm: *algorithm, kind: *kind, digest: digest.to_vec() }
            }
            (_, raw) => Data::Other(raw.to_vec()),
        })
    }

    /// The name that the reader stands at.
    fn name(&mut self) -> Option<Name> {
        let mut name = Name::default();
        let mut at = self.at;
        let mut pointers = 0;
        loop {
            let length = *self.bytes.get(at)?;
            match length >> 6 {
                0 if length == 0 => {
                    if pointers == 0 {
                        self.at = at + 1;
                    }
                    break;
                }
                0 => {
                    let label = self.bytes.get(at + 1..at + 1 + usize::from(length))?;
                    let dot = usize::from(!name.bytes.is_empty());
                    let room = MOST_NAME.saturating_sub(name.bytes.len()).min(self.room);
                    if label.len() + dot > room {
                        name.is_cut = true;
                        self.anomalies.insert(Anomaly::NameTooLong);
                    } else if !name.is_cut {
                        if dot == 1 {
                            name.bytes.push(b'.');
                        }
                        name.bytes.extend_from_slice(label);
                        self.room -= label.len() + dot;
                    }
                    at += 1 + usize::from(length);
                }
                3 => {
                    let low = *self.bytes.get(at + 1)?;
                    if pointers == 0 {
                        self.at = at + 2;
                    }
                    pointers += 1;
                    let to = usize::from(length & 0x3f) << 8 | usize::from(low);
                    if pointers > MOST_POINTERS || to == at {
                        // what was read stays
                        self.anomalies.insert(Anomaly::NameLoops);
                        break;
                    }
                    at = to;
                }
                _ => return None,
            }
        }
        Some(name)
    }
}
