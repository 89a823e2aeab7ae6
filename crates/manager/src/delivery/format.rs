//! Items in the words of receivers. All of it is pure, and all that came from outside is escaped: no text of an event
//! ends its field, its line or its message, and none gives orders to a terminal.
use super::item::Item;
use serde_json::{Value, json};
use std::net::IpAddr;

/// Longest value: receivers cut at 1,023 characters (CEF) and later.
const VALUE_CHARS: usize = 1023;
/// Longest header field.
const HEADER_CHARS: usize = 255;
/// Facility 13, "log audit".
const FACILITY: u8 = 13;

/// The severity of CEF and LEEF, 0 to 10.
fn gravity(severity: &str) -> u8 {
    match severity {
        "critical" => 10,
        "high" => 8,
        "medium" => 6,
        "low" => 3,
        _ => 1,
    }
}

/// Whether a character can be shown in one line: no control characters, no separators of lines, nothing that turns the
/// direction of what follows.
fn plain(c: char) -> bool {
    !(c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'))
}

/// One line, bounded, with a space for each character that is not plain.
pub(super) fn line(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if plain(c) { c } else { ' ' }).collect()
}

fn escaped(text: &str, most: usize, escape: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in line(text, most).chars() {
        if escape.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A key that came from a name of ours: letters and digits, `SakimoriSid`.
fn own_key(name: &str) -> String {
    let mut letters = name.chars().filter(char::is_ascii_alphanumeric);
    let first: String = letters.next().map(|c| c.to_ascii_uppercase()).into_iter().collect();
    format!("Sakimori{first}{}", letters.collect::<String>())
}

/// The dictionary's key of a fact, where it has one and the value fits it.
fn known_key(name: &str, value: &str, leef: bool) -> Option<&'static str> {
    let address = || value.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4() || leef);
    let port = || value.parse::<u16>().is_ok();
    Some(match name {
        "client" if address() => "src",
        "server" if address() => "dst",
        "clientPort" if port() => {
            if leef {
                "srcPort"
            } else {
                "spt"
            }
        }
        "serverPort" if port() => {
            if leef {
                "dstPort"
            } else {
                "dpt"
            }
        }
        "action" if !leef => "act",
        "module" => "cat",
        "path" if !leef => "filePath",
        "computerId" if !leef => "deviceExternalId",
        "count" if value.parse::<u32>().is_ok() && !leef => "cnt",
        _ => return None,
    })
}

fn pairs(item: &Item, leef: bool) -> Vec<(String, String)> {
    let facts = item.facts();
    let pair = |(name, value): (&'static str, String)| {
        let key = known_key(name, &value, leef).map_or_else(|| own_key(name), str::to_owned);
        (key, value)
    };
    facts.into_iter().map(pair).collect()
}

/// In the Common Event Format (version 0).
pub(super) fn cef(item: &Item) -> String {
    let header = |text: &str| escaped(text, HEADER_CHARS, &['\\', '|']);
    let mut out = format!(
        "CEF:0|Sakimori|Sakimori|{}|{}|{}|{}|",
        env!("CARGO_PKG_VERSION"),
        header(&item.kind()),
        header(&item.name()),
        gravity(item.severity())
    );
    let mut pairs = pairs(item, false);
    pairs.insert(0, ("rt".to_owned(), item.micros().div_euclid(1000).to_string()));
    pairs.insert(1, ("externalId".to_owned(), item.id().to_owned()));
    pairs.insert(2, ("dvchost".to_owned(), item.computer().to_owned()));
    pairs.push(("msg".to_owned(), item.sentence().en.clone()));
    pairs.retain(|(_, value)| !value.is_empty());
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key}={}", escaped(value, VALUE_CHARS, &['\\', '='])))
        .collect();
    out.push_str(&pairs.join(" "));
    out
}

/// In the Log Event Extended Format 2.0, with a tab between attributes. It knows no escapes: what would end a field
/// is replaced. A value may hold `=`: the first one ends the key.
pub(super) fn leef(item: &Item) -> String {
    let header = |text: &str| line(text, HEADER_CHARS).replace(['|', '\\'], "_");
    let mut out =
        format!("LEEF:2.0|Sakimori|Sakimori|{}|{}|x09|", env!("CARGO_PKG_VERSION"), header(&item.kind()));
    let mut pairs = pairs(item, true);
    pairs.insert(0, ("devTime".to_owned(), item.micros().div_euclid(1000).to_string()));
    pairs.insert(1, ("sev".to_owned(), gravity(item.severity()).to_string()));
    pairs.insert(2, ("identHostName".to_owned(), item.computer().to_owned()));
    pairs.insert(3, ("SakimoriId".to_owned(), item.id().to_owned()));
    pairs.insert(4, ("SakimoriName".to_owned(), item.name()));
    pairs.push(("msg".to_owned(), item.sentence().en.clone()));
    pairs.retain(|(_, value)| !value.is_empty());
    let pairs: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{key}={}", line(value, VALUE_CHARS))).collect();
    out.push_str(&pairs.join("\t"));
    out
}

/// Around a message, the header of RFC 5424. Without the byte order mark: readers of CEF take it for text.
pub(super) fn syslog(item: &Item, host: &str, message: &str) -> String {
    let severity = match item.severity() {
        "critical" => 2,
        "high" => 3,
        "medium" => 4,
        "low" => 5,
        _ => 6,
    };
    let printable = |text: &str, most: usize| {
        let text: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
        if text.is_empty() { "-".to_owned() } else { text }
    };
    format!(
        "<{}>1 {} {} sakimori - {} - {message}",
        FACILITY * 8 + severity,
        item.at(),
        printable(host, 255),
        printable(&item.kind(), 32)
    )
}

/// As an export request of OpenTelemetry's logs, in JSON (opentelemetry-proto 1.3, `ExportLogsServiceRequest`).
pub(super) fn otlp(items: &[Item], host: &str) -> Value {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let records: Vec<Value> = items
        .iter()
        .map(|item| {
            let (number, word) = match item.severity() {
                "critical" => (21, "FATAL"),
                "high" => (17, "ERROR"),
                "medium" => (13, "WARN"),
                "low" => (10, "INFO2"),
                _ => (9, "INFO"),
            };
            let mut attributes = vec![
                text("event.name", &format!("sakimori.{}", item.kind())),
                text("log.record.uid", item.id()),
                text("sakimori.severity", item.severity()),
            ];
            if !item.computer().is_empty() {
                attributes.push(text("host.name", item.computer()));
            }
            attributes
                .extend(item.facts().iter().map(|(name, value)| text(&format!("sakimori.{name}"), value)));
            json!({
                "timeUnixNano": (i128::from(item.micros()) * 1000).max(0).to_string(),
                "severityNumber": number,
                "severityText": word,
                "body": {"stringValue": item.sentence().en},
                "attributes": attributes,
            })
        })
        .collect();
    json!({"resourceLogs": [{
        "resource": {"attributes": [text("service.name", "sakimori-manager"), text("service.instance.id", host)]},
        "scopeLogs": [{"scope": {"name": "sakimori", "version": env!("CARGO_PKG_VERSION")}, "logRecords": records}],
    }]})
}

/// A mail about items: subject and text.
pub(super) fn mail(items: &[Item], japanese: bool) -> (String, String) {
    let (Some(first), count) = (items.first(), items.len()) else { return (String::new(), String::new()) };
    let words = |text: &sakimori_api::Explanation| if japanese { text.ja.clone() } else { text.en.clone() };
    let title = |item: &Item| match item {
        Item::Alert { alert, .. } => words(&alert.title),
        Item::Event { event, .. } => event.kind.clone(),
    };
    let mut subject = format!("[Sakimori] {}: {}", first.severity(), title(first));
    if !first.computer().is_empty() {
        subject = format!("{subject} ({})", first.computer());
    }
    if count > 1 {
        let more =
            if japanese { format!(" ほか {} 件", count - 1) } else { format!(" and {} more", count - 1) };
        subject = format!("{} {}", line(&subject, 120), more.trim_start());
    }
    let mut text = String::new();
    for item in items {
        text.push_str(&line(&format!("{}  {}  {}", item.at(), item.severity(), title(item)), VALUE_CHARS));
        if let Item::Alert { what, .. } = item {
            text.push_str(" [");
            text.push_str(&line(what, 32));
            text.push(']');
        }
        text.push('\n');
        text.push_str(&line(&words(item.sentence()), 4 * VALUE_CHARS));
        text.push('\n');
        if let Item::Alert { alert, what, .. } = item
            && what != "resolved"
        {
            text.push_str(&line(&words(&alert.remedy), 4 * VALUE_CHARS));
            text.push('\n');
        }
        text.push('\n');
    }
    (line(&subject, 160), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sakimori_api::{Event, EventDetail, Explanation};
    use uuid::Uuid;

    fn event(kind: &str, computer: &str, message: &str) -> Item {
        Item::event(Event {
            id: Uuid::nil(),
            computer_id: Uuid::nil(),
            explanation: Explanation::new(message.to_owned(), message.to_owned()),
            computer_name: computer.to_owned(),
            at: "2026-11-22T10:00:00.5Z".to_owned(),
            received_at: "2026-11-22T10:00:01Z".to_owned(),
            module: "intrusion-prevention".to_owned(),
            rank: 100,
            asset_value: 1,
            severity: "critical".to_owned(),
            action: "blocked".to_owned(),
            kind: kind.to_owned(),
            tags: vec![message.to_owned()],
            detail: EventDetail(json!({"message": message, "client": "203.0.113.9", "clientPort": 40000})),
        })
    }

    /// Reads CEF as a receiver does: header fields up to unescaped bars, then keys up to unescaped equals signs.
    fn read_cef(text: &str) -> (Vec<String>, Vec<(String, String)>) {
        let mut header = vec![String::new()];
        let mut chars = text.chars();
        while header.len() < 8 {
            match chars.next().unwrap() {
                '\\' => header.last_mut().unwrap().push(chars.next().unwrap()),
                '|' => header.push(String::new()),
                c => header.last_mut().unwrap().push(c),
            }
        }
        header.pop();
        let mut pieces = vec![String::new()];
        let mut rest = chars;
        while let Some(c) = rest.next() {
            match c {
                '\\' => pieces.last_mut().unwrap().push(rest.next().unwrap()),
                '=' => pieces.push(String::new()),
                c => pieces.last_mut().unwrap().push(c),
            }
        }
        let mut pairs = Vec::new();
        let mut key = pieces.remove(0);
        let last = pieces.pop().unwrap();
        for piece in pieces {
            let (value, next) = piece.rsplit_once(' ').unwrap();
            pairs.push((key, value.to_owned()));
            key = next.to_owned();
        }
        pairs.push((key, last));
        (header, pairs)
    }

    #[test]
    fn an_intrusion_is_said_in_the_words_of_each_format() {
        let item = event("intrusion", "web1", "hello | a=b");
        let text = cef(&item);
        assert!(text.starts_with("CEF:0|Sakimori|Sakimori|"), "{text}");
        assert!(text.contains("|intrusion|intrusion blocked|10|rt=1795341600500 externalId="), "{text}");
        assert!(text.contains(" dvchost=web1 cat=intrusion-prevention act=blocked "), "{text}");
        assert!(text.contains(" src=203.0.113.9 spt=40000"), "{text}");
        assert!(text.ends_with("msg=hello | a\\=b"), "{text}");
        let text = leef(&item);
        assert!(
            text.contains("|intrusion|x09|devTime=1795341600500\tsev=10\tidentHostName=web1\t"),
            "{text}"
        );
        assert!(text.contains("\tsrc=203.0.113.9\tsrcPort=40000"), "{text}");
        let text = syslog(&item, "manager.example", "m");
        assert_eq!(text, "<106>1 2026-11-22T10:00:00.5Z manager.example sakimori - intrusion - m");
        let record = &otlp(&[item], "h")["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        assert_eq!(record["timeUnixNano"], "1795341600500000000");
        assert_eq!(record["severityNumber"], 21);
    }

    proptest! {
        #[test]
        fn no_text_ends_its_field_or_its_line(
            kind in "\\PC{0,40}|[\\x00-\\x7f]{0,40}",
            computer in "[\\x00-\\x9f|=\\\\ ]{0,60}|\\PC{0,30}",
            message in "[\\x00-\\x9f|=\\\\ \u{2028}\u{202e}a-z]{0,200}",
        ) {
            let item = event(&kind, &computer, &message);
            let (cef, leef) = (cef(&item), leef(&item));
            prop_assert!(cef.chars().all(plain), "{cef:?}");
            prop_assert!(leef.chars().all(|c| plain(c) || c == '\t'), "{leef:?}");
            let (header, pairs) = read_cef(&cef);
            prop_assert_eq!(header.len(), 7);
            prop_assert_eq!(&header[4], &line(&kind, HEADER_CHARS));
            let value = |key: &str| pairs.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
            let expected = |text: &str| Some(line(text, VALUE_CHARS)).filter(|_| !text.is_empty());
            prop_assert_eq!(value("dvchost"), expected(&computer));
            prop_assert_eq!(value("msg"), expected(&message));
            prop_assert!(pairs.iter().all(|(key, _)| key.chars().all(|c| c.is_ascii_alphanumeric())));
            let fields: Vec<&str> = leef.splitn(7, '|').collect();
            prop_assert_eq!(fields.len(), 7);
            prop_assert_eq!(fields[5], "x09");
            for pair in fields[6].split('\t') {
                let (key, _) = pair.split_once('=').unwrap();
                prop_assert!(key.chars().all(|c| c.is_ascii_alphanumeric()), "{pair:?}");
            }
            let whole = syslog(&item, &computer, &cef);
            let head: Vec<&str> = whole.splitn(8, ' ').collect();
            prop_assert_eq!(head[3], "sakimori");
            prop_assert_eq!(head[6], "-");
            prop_assert_eq!(head[7], cef.as_str());
            let (subject, text) = mail(&[item.clone(), item], false);
            prop_assert!(subject.chars().all(plain));
            prop_assert!(text.chars().all(|c| plain(c) || c == '\n'));
        }
    }
}
