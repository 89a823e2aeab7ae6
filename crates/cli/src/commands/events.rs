//! `sakimori events`.
use super::{NAMES_MAX, Out, computer_id, fact, word, write_out};
use crate::client::Client;
use crate::command_line::events::{EventSort, Events, Exported};
use crate::problem::Failure;
use crate::table::{Table, shown};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::ValueEnum;
use sakimori_api::{Event, EventComment, EventCounts, NewEventComment};
use sakimori_modules::EventDetail as _;
use sakimori_modules::intrusion_prevention::Intrusion;
use std::fmt::Write as _;

pub(super) async fn execute(out: Out, client: &Client, command: Events) -> Result<(), Failure> {
    match command {
        Events::List { computer, module, severity, action, query, filter, from, to, sort, limit, follow } => {
            let computer = match computer {
                Some(name) => Some(computer_id(client, &name).await?.to_string()),
                None => None,
            };
            let words = [
                ("computerId", computer),
                ("module", module),
                ("severity", severity),
                ("action", action),
                ("q", query),
                ("filter", filter),
                ("from", from),
                ("to", to),
                ("sort", (sort == EventSort::Rank).then(|| "rank".to_owned())),
            ];
            let filter = given(words);
            let events: Vec<Event> = client.list("/events", &filter, limit).await?;
            if !follow {
                return out.show(&events, |events| table(events));
            }
            // Oldest first, so that what follows stands below.
            for event in events.iter().rev() {
                say(out, event)?;
            }
            follow_stream(out, client, &filter).await
        }
        Events::Show { event } => {
            let event: Event = client.get(&format!("/events/{event}"), &[]).await?;
            out.show(&event, text)
        }
        Events::Count { by, interval, filter, from, to } => {
            let words = [
                ("by", by.as_ref().and_then(ValueEnum::to_possible_value).map(|by| by.get_name().to_owned())),
                ("interval", Some(interval)),
                ("filter", filter),
                ("from", from),
                ("to", to),
            ];
            let counts: EventCounts = client.get("/events/counts", &given(words)).await?;
            out.show(&counts, |counts| {
                let mut table = Table::new(&["FROM", "WHAT", "EVENTS"]);
                for count in &counts.counts {
                    table.row([&count.from, &count.key, &count.count.to_string()]);
                }
                table.to_string()
            })
        }
        Events::Export { output_file, wanted: Exported { format, filter, from, to, sort, limit } } => {
            let words = [
                ("format", Some(word(&sakimori_api::ExportFormat::from(format)))),
                ("filter", filter),
                ("from", from),
                ("to", to),
                ("sort", (sort == EventSort::Rank).then(|| "rank".to_owned())),
                ("limit", limit.map(|limit| limit.to_string())),
            ];
            client.fetch("/events/export", &given(words), &output_file).await?;
            out.done(&format!("Written to {}.", output_file.display()))
        }
        Events::Tag { event, tags, remove } => {
            for tag in &tags {
                client.put(&["events", &event.to_string(), "tags", tag]).await?;
            }
            for tag in &remove {
                client.delete_at(&["events", &event.to_string(), "tags", tag]).await?;
            }
            let event: Event = client.get(&format!("/events/{event}"), &[]).await?;
            out.show(&event, |event| format!("Tags: {}\n", shown(&event.tags.join(", "))))
        }
        Events::Comment { event, text } => {
            let path = format!("/events/{event}/comments");
            let comment: EventComment = client.post(&path, &NewEventComment { text }).await?;
            out.show(&comment, comment_text)
        }
        Events::Comments { event } => {
            let path = format!("/events/{event}/comments");
            let comments: Vec<EventComment> = client.list(&path, &[], NAMES_MAX).await?;
            out.show(&comments, |comments| comments.iter().map(comment_text).collect())
        }
    }
}

/// The words of a query that were given.
fn given<const N: usize>(words: [(&'static str, Option<String>); N]) -> Vec<(&'static str, String)> {
    words.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn comment_text(comment: &EventComment) -> String {
    format!("{} {}: {}\n", comment.at, shown(&comment.author), shown(&comment.text))
}

/// The stream has every event; the filter's words are compared here as the manager compares them for the list.
async fn follow_stream(out: Out, client: &Client, filter: &[(&str, String)]) -> Result<(), Failure> {
    let wanted = |event: &Event| {
        filter.iter().all(|(name, value)| match *name {
            "computerId" => event.computer_id.to_string() == *value,
            "module" => event.module == *value,
            "severity" => event.severity == *value,
            "action" => event.action == *value,
            "q" => {
                let text = serde_json::to_string(event).unwrap_or_default().to_lowercase();
                text.contains(&value.to_lowercase())
            }
            _ => true,
        })
    };
    client
        .stream(|kind, data| {
            if kind != "event" {
                return Ok(());
            }
            let event: Event = serde_json::from_str(data)?;
            if wanted(&event) { say(out, &event) } else { Ok(()) }
        })
        .await?;
    Err(anyhow::anyhow!("the manager ended the stream").into())
}

fn say(out: Out, event: &Event) -> Result<(), Failure> {
    let line = if out.json {
        serde_json::to_string(event)?
    } else {
        let what = summary(event);
        shown(&format!("{} {} {} {} {what}", event.at, event.computer_name, event.severity, event.action))
    };
    write_out(format!("{line}\n").as_bytes())
}

/// A line's worth: the columns of the kind, or what a reader of intrusions expects.
fn summary(event: &Event) -> String {
    if let Some(i) = intrusion(event) {
        return format!("{} from {} {}", i.message, i.client, i.cves.join(" "));
    }
    let Some(kind) = sakimori_modules::event_kind(&event.kind) else { return event.kind.clone() };
    let columns = kind.columns.iter().map(|column| event.detail.text(column.name));
    columns.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

fn intrusion(event: &Event) -> Option<Intrusion> {
    (event.kind == Intrusion::KIND).then(|| event.detail.read()).flatten()
}

fn table(events: &[Event]) -> String {
    let mut table = Table::new(&["TIME", "COMPUTER", "SEVERITY", "RANK", "ACTION", "WHAT", "ID"]);
    for e in events {
        let (rank, id) = (ranked(e.rank), e.id.to_string());
        table.row([&e.at, &e.computer_name, &e.severity, &rank, &e.action, &summary(e), &id]);
    }
    table.to_string()
}

/// A rank, unless the event is older than ranks are.
fn ranked(rank: u32) -> String {
    if rank == 0 { "-".to_owned() } else { rank.to_string() }
}

fn text(event: &Event) -> String {
    let mut text = String::new();
    fact(&mut text, "Time", &event.at);
    fact(&mut text, "Received", &event.received_at);
    fact(&mut text, "Computer", &shown(&event.computer_name));
    fact(&mut text, "Severity", &event.severity);
    if event.rank > 0 {
        fact(&mut text, "Rank", &format!("{} (asset value {})", event.rank, event.asset_value));
    }
    fact(&mut text, "Action", &event.action);
    if let Some(i) = intrusion(event) {
        fact(&mut text, "Incident", &i.incident);
        fact(&mut text, "Rule", &format!("{} rev {}: {}", i.sid, i.revision, shown(&i.message)));
        fact(&mut text, "CVE", &shown(&i.cves.join(", ")));
        fact(&mut text, "From", &format!("{} port {}", i.client, i.client_port));
        fact(&mut text, "To", &format!("{} port {}", i.server, i.server_port));
        if let Some(http) = &i.http {
            fact(&mut text, "Request", &shown(&format!("{} {}", http.method, http.target)));
            fact(&mut text, "Host", &shown(&http.host));
            fact(&mut text, "User agent", &shown(&http.user_agent));
        }
        fact(
            &mut text,
            "Matched in",
            &format!("{}, bytes {} to {}", i.buffer, i.offset, i.offset.saturating_add(i.length)),
        );
        text.push('\n');
        text.push_str(&hex(&BASE64.decode(&i.excerpt).unwrap_or_default()));
        text.push('\n');
    } else {
        fact(&mut text, "What", &event.kind);
        for name in event.detail.0.as_object().into_iter().flat_map(|fields| fields.keys()) {
            fact(&mut text, &shown(name), &shown(&event.detail.text(name)));
        }
    }
    text.push_str(&event.explanation.en);
    text.push('\n');
    text
}

/// The bytes as hexadecimal and text, sixteen a line.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, chunk) in bytes.chunks(16).enumerate() {
        let digits: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let letters: String = chunk
            .iter()
            .map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' })
            .collect();
        let _infallible = writeln!(text, "  {:04x}  {:<47}  {letters}", line * 16, digits.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offending_bytes_are_shown_without_harm() {
        assert_eq!(
            hex(b"\x1b[2Jid=1'--"),
            "  0000  1b 5b 32 4a 69 64 3d 31 27 2d 2d                 .[2Jid=1'--\n"
        );
    }
}
