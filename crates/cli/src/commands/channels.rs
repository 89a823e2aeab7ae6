//! `sakimori channels`.
use super::{NAMES_MAX, Out, fact, word};
use crate::client::Client;
use crate::command_line::alerts::Channels;
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{Channel, ChannelPatch, ChannelSecrets, ChannelTarget, ChannelTest, NewChannel, Patch};
use serde::de::DeserializeOwned;
use std::io::Read as _;
use uuid::Uuid;

/// Bound of what is read from standard input.
const SECRETS_BYTES: u64 = 1 << 20;

pub(super) async fn execute(out: Out, client: &Client, command: Channels) -> Result<(), Failure> {
    match command {
        Channels::List => {
            let all: Vec<Channel> = client.list("/channels", &[], NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table = Table::new(&["CHANNEL", "KIND", "SENT", "WAITING", "STATE", "ID"]);
                for c in all {
                    let (sent, waiting) = (c.delivered.to_string(), c.alerts_waiting.to_string());
                    table.row([&c.name, kind(&c.target), &sent, &waiting, state(c), &c.id.to_string()]);
                }
                table.to_string()
            })
        }
        Channels::Show { channel } => {
            let path = path(client, &channel).await?;
            let channel: Channel = client.get(&path, &[]).await?;
            out.show(&channel, text)
        }
        Channels::Create { name, target, alerts, events, secrets_stdin } => {
            let target: ChannelTarget = json("--target", &target)?;
            let secrets = if secrets_stdin { secrets()? } else { ChannelSecrets::default() };
            let new = NewChannel { name, target, secrets, alerts, events, enabled: None };
            let made: Channel = client.post("/channels", &new).await?;
            out.show(&made, text)
        }
        Channels::Edit { channel, target, alerts, events, enabled, secrets_stdin } => {
            let path = path(client, &channel).await?;
            let etag = client.etag(&path).await?;
            let or_none = |text: Option<String>| match text.as_deref() {
                None => Patch::Keep,
                Some("none") => Patch::Clear,
                Some(text) => Patch::Set(text.to_owned()),
            };
            let patch = ChannelPatch {
                name: None,
                target: target.map(|target| json("--target", &target)).transpose()?,
                secrets: secrets_stdin.then(secrets).transpose()?,
                alerts: or_none(alerts),
                events: or_none(events),
                enabled,
            };
            let changed: Channel = client.patch(&path, &etag, &patch).await?;
            out.show(&changed, text)
        }
        Channels::Test { channel } => {
            let path = path(client, &channel).await?;
            let test: ChannelTest = client.post(&format!("{path}/test"), &serde_json::json!({})).await?;
            out.show(&test, |test| match &test.error {
                None => "The receiver took it.\n".to_owned(),
                Some(why) => format!("Not delivered: {}\n", shown(why)),
            })
        }
        Channels::Delete { channel } => {
            client.delete(&path(client, &channel).await?, None).await?;
            out.done("Deleted. What it had not sent is not sent.")
        }
    }
}

async fn path(client: &Client, channel: &str) -> Result<String, Failure> {
    if let Ok(id) = channel.parse::<Uuid>() {
        return Ok(format!("/channels/{id}"));
    }
    let all: Vec<Channel> = client.list("/channels", &[], NAMES_MAX).await?;
    let found = all.iter().find(|one| one.name == channel);
    found.map(|one| format!("/channels/{}", one.id)).ok_or_else(|| {
        Failure::NotFound(format!("no channel is called '{channel}': 'sakimori channels list' shows them"))
    })
}

fn json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Usage(format!("{what} is not valid: {error}")))
}

fn secrets() -> Result<ChannelSecrets, Failure> {
    let mut text = String::new();
    std::io::stdin().lock().take(SECRETS_BYTES).read_to_string(&mut text)?;
    // What is wrong is said without the text.
    serde_json::from_str(&text)
        .map_err(|_secret| Failure::Usage("the secrets on standard input are not valid JSON".to_owned()))
}

fn kind(target: &ChannelTarget) -> &'static str {
    match target {
        ChannelTarget::Email(_) => "email",
        ChannelTarget::Webhook(_) => "webhook",
        ChannelTarget::Syslog(_) => "syslog",
        ChannelTarget::Otlp(_) => "otlp",
    }
}

fn state(channel: &Channel) -> &'static str {
    match (channel.enabled, &channel.failing_since) {
        (false, _) => "off",
        (true, Some(_)) => "failing",
        (true, None) => "ok",
    }
}

fn text(channel: &Channel) -> String {
    let mut text = String::new();
    fact(&mut text, "Channel", &shown(&channel.name));
    fact(&mut text, "Id", &channel.id.to_string());
    fact(&mut text, "Target", &shown(&word(&channel.target)));
    fact(&mut text, "Secrets", &channel.secrets_set.join(", "));
    fact(&mut text, "Alerts", channel.alerts.as_deref().unwrap_or("none"));
    fact(&mut text, "Events", &shown(channel.events.as_deref().unwrap_or("none")));
    fact(&mut text, "State", state(channel));
    fact(&mut text, "Sent", &channel.delivered.to_string());
    fact(&mut text, "Waiting", &format!("{} alerts", channel.alerts_waiting));
    if let Some(since) = &channel.failing_since {
        fact(&mut text, "Failing since", since);
    }
    if let Some(why) = &channel.last_error {
        fact(&mut text, "Last error", &shown(why));
    }
    if let Some(at) = &channel.next_attempt_at {
        fact(&mut text, "Tried again", at);
    }
    text
}
