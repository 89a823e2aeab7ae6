//! DNS messages in EVE, in the form that Suricata 8 calls version 3.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sakimori_protocols::dns::{Data, Message, Name, Question, Record, kind_name, rcode_name};
use serde_json::{Map, Value, json};

/// The fields of a message; `number` is that of its transaction.
pub(crate) fn message(message: &Message, number: u64) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("version", 3.into());
    put("type", if message.is_response() { "response" } else { "request" }.into());
    put("tx_id", number.into());
    put("id", message.id.into());
    put("flags", format!("{:x}", message.flags).into());
    let flags =
        [("qr", 0x8000), ("aa", 0x0400), ("tc", 0x0200), ("rd", 0x0100), ("ra", 0x0080), ("z", 0x0040)];
    for (name, _) in flags.into_iter().filter(|(_, bit)| message.flags & bit != 0) {
        put(name, true.into());
    }
    put("opcode", message.opcode().into());
    let rcode = message.rcode();
    put("rcode", rcode_name(rcode).map_or_else(|| rcode.to_string(), str::to_owned).into());
    if !message.questions.is_empty() {
        put("queries", message.questions.iter().map(question).collect());
    }
    if message.is_response() {
        let sections = [
            ("answers", &message.answers),
            ("authorities", &message.authorities),
            ("additionals", &message.additionals),
        ];
        for (name, records) in sections.into_iter().filter(|(_, records)| !records.is_empty()) {
            put(name, records.iter().flat_map(record).collect());
        }
        let grouped = grouped(&message.answers);
        if !grouped.is_empty() {
            put("grouped", json!(grouped));
        }
    }
    fields.into()
}

/// Type of records that hold anything.
const NULL: u16 = 10;

/// The same in the form before that: what is asked for stands among the fields.
pub(crate) fn message_of_version_2(message: &Message, number: u64) -> Value {
    let Value::Object(mut fields) = self::message(message, number) else { return Value::Null };
    fields.insert("version".to_owned(), 2.into());
    let kind_of = if message.is_response() { "answer" } else { "query" };
    fields.insert("type".to_owned(), kind_of.into());
    fields.remove("queries");
    if let Some(asked) = message.questions.first() {
        fields.extend(named(&asked.name));
        fields.insert("rrtype".to_owned(), kind(asked.kind).into());
    }
    fields.into()
}

fn kind(kind: u16) -> String {
    kind_name(kind).map_or_else(|| format!("UNKNOWN({kind})"), str::to_owned)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn named(name: &Name) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("rrname".to_owned(), text(&name.bytes).into());
    if name.is_cut {
        fields.insert("rrname_truncated".to_owned(), true.into());
    }
    fields
}

fn question(question: &Question) -> Value {
    let mut fields = named(&question.name);
    fields.insert("rrtype".to_owned(), kind(question.kind).into());
    fields.into()
}

/// A record; each string of a text is an entry of its own.
fn record(record: &Record) -> Vec<Value> {
    let mut fields = named(&record.name);
    fields.insert("rrtype".to_owned(), kind(record.kind).into());
    fields.insert("ttl".to_owned(), record.ttl.into());
    let texts = said(record.kind, &record.data);
    if !texts.is_empty() {
        let with = |text: String| {
            let mut fields = fields.clone();
            fields.insert("rdata".to_owned(), text.into());
            fields.into()
        };
        return texts.into_iter().map(with).collect();
    }
    match &record.data {
        Data::Authority(authority) => {
            let [serial, refresh, retry, expire, minimum] = authority.numbers;
            let soa = json!({
                "mname": text(&authority.server.bytes), "rname": text(&authority.mailbox.bytes),
                "serial": serial, "refresh": refresh, "retry": retry, "expire": expire, "minimum": minimum,
            });
            fields.insert("soa".to_owned(), soa);
        }
        Data::Service(service) => {
            let srv = json!({
                "priority": service.priority, "weight": service.weight, "port": service.port,
                "name": text(&service.target.bytes),
            });
            fields.insert("srv".to_owned(), srv);
        }
        Data::Fingerprint { algorithm, kind, digest } => {
            let hex: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            fields.insert(
                "sshfp".to_owned(),
                json!({"fingerprint": hex.join(":"), "algo": algorithm, "type": kind}),
            );
        }
        _ => {}
    }
    vec![fields.into()]
}

/// What a record says in words.
fn said(kind: u16, data: &Data) -> Vec<String> {
    match data {
        Data::Address(IpAddr::V6(address)) => {
            vec![address.segments().map(|part| format!("{part:04x}")).join(":")]
        }
        Data::Address(address) => vec![address.to_string()],
        Data::Name(name) => vec![text(&name.bytes)],
        Data::Text(texts) => texts.iter().map(|bytes| text(bytes)).collect(),
        Data::Other(bytes) if kind == NULL => vec![escaped(bytes)],
        _ => Vec::new(),
    }
}

/// Bytes that may be anything: what is no text stands as `\\xNN`.
fn escaped(bytes: &[u8]) -> String {
    let chunks = bytes.utf8_chunks().flat_map(|chunk| {
        let others = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        std::iter::once(chunk.valid().to_owned()).chain(others)
    });
    chunks.collect()
}

fn grouped(answers: &[Record]) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in answers {
        let said = said(record.kind, &record.data);
        if !said.is_empty() {
            groups.entry(kind(record.kind)).or_default().extend(said);
        }
    }
    groups
}
