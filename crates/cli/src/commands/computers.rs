//! `sakimori computers`.
use super::policies::{patch_of, settings_text};
use super::{NAMES_MAX, Out, computer_id, fact, policy_id, word};
use crate::client::Client;
use crate::command_line::{Computers, Status};
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{Computer, ComputerPatch, ComputerSettings, ComputerSettingsPatch};

pub(super) async fn execute(out: Out, client: &Client, command: Computers) -> Result<(), Failure> {
    match command {
        Computers::List { status, query } => {
            let mut filter = Vec::new();
            filter.extend(status.map(|status| ("status", status_word(status).to_owned())));
            filter.extend(query.map(|query| ("q", query)));
            let all: Vec<Computer> = client.list("/computers", &filter, NAMES_MAX).await?;
            out.show(&all, |all| table(all))
        }
        Computers::Show { computer } => {
            let id = computer_id(client, &computer).await?;
            let computer: Computer = client.get(&format!("/computers/{id}"), &[]).await?;
            out.show(&computer, text)
        }
        Computers::AssignPolicy { computer, policy } => {
            let path = format!("/computers/{}", computer_id(client, &computer).await?);
            let patch = ComputerPatch {
                policy_id: Some(policy_id(client, &policy).await?),
                ..ComputerPatch::default()
            };
            let etag = client.etag(&path).await?;
            let changed: Computer = client.patch(&path, &etag, &patch).await?;
            out.show(&changed, |c| {
                format!("{} now has policy '{}'.\n", shown(&c.display_name), shown(&c.policy_name))
            })
        }
        Computers::Settings { computer, settings } => {
            let path = format!("/computers/{}/settings", computer_id(client, &computer).await?);
            let patch = patch_of(&settings)?;
            let shown: ComputerSettings = if patch.is_empty() {
                client.get(&path, &[]).await?
            } else {
                let etag = client.etag(&path).await?;
                client.patch(&path, &etag, &ComputerSettingsPatch { settings: patch }).await?
            };
            out.show(&shown, settings_of)
        }
        Computers::Delete { computer } => {
            let id = computer_id(client, &computer).await?;
            client.delete(&format!("/computers/{id}"), None).await?;
            out.done(
                "Deleted. Run 'sakimori-agent deactivate' on the machine, or remove the agent's package.",
            )
        }
    }
}

fn settings_of(c: &ComputerSettings) -> String {
    let mut text = String::new();
    fact(&mut text, "Computer", &shown(&c.computer_name));
    fact(&mut text, "Policy", &shown(&c.policy_name));
    settings_text(&mut text, &c.settings, &c.origins, c.computer_id);
    text
}

const fn status_word(status: Status) -> &'static str {
    match status {
        Status::Online => "online",
        Status::Offline => "offline",
        Status::Degraded => "degraded",
        Status::Clone => "clone",
        Status::Pending => "pending",
    }
}

fn table(all: &[Computer]) -> String {
    let mut table = Table::new(&["NAME", "STATUS", "POLICY", "UP TO DATE", "AGENT", "LAST SEEN", "ID"]);
    for c in all {
        table.row([
            &c.display_name,
            &word(&c.status),
            &c.policy_name,
            if c.bundle.up_to_date { "yes" } else { "no" },
            &c.agent_version,
            c.last_seen.as_deref().unwrap_or("never"),
            &c.id.to_string(),
        ]);
    }
    table.to_string()
}

fn text(c: &Computer) -> String {
    let mut text = String::new();
    fact(&mut text, "Name", &shown(&c.display_name));
    fact(&mut text, "Id", &c.id.to_string());
    fact(&mut text, "Status", &word(&c.status));
    for reason in &c.status_reasons {
        let args: Vec<String> = reason.args.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        fact(&mut text, "", &shown(&format!("{} {}", reason.code, args.join(", "))));
    }
    fact(
        &mut text,
        "Policy",
        &format!(
            "{} ({})",
            shown(&c.policy_name),
            if c.bundle.up_to_date { "in force" } else { "not yet in force" }
        ),
    );
    if let Some(refused) = &c.bundle.refused {
        fact(&mut text, "Refused", &shown(refused));
    }
    fact(
        &mut text,
        "Host",
        &format!("{}, {}, Linux {}", shown(&c.host_name), shown(&c.operating_system), shown(&c.kernel)),
    );
    fact(&mut text, "Addresses", &shown(&c.addresses.join(", ")));
    fact(&mut text, "Agent", &format!("{}, queue {}", shown(&c.agent_version), shown(&c.queue_mechanism)));
    fact(&mut text, "Last seen", c.last_seen.as_deref().unwrap_or("never"));
    for module in &c.modules {
        let reasons = if module.reasons.is_empty() {
            String::new()
        } else {
            format!(" ({})", module.reasons.join(", "))
        };
        let line = format!(
            "{}: {}, {}, {} rules{reasons}",
            module.module,
            word(&module.state),
            word(&module.mode),
            module.rules
        );
        fact(&mut text, "Module", &shown(&line));
        for (name, value) in &module.counters {
            fact(&mut text, "", &format!("{} {value}", shown(name)));
        }
    }
    let mut table = Table::new(&["PORT", "ADDRESS", "PROGRAM", "COVERAGE"]);
    for port in &c.ports {
        table.row([
            &format!("{}/{}", port.port, port.protocol),
            &port.address,
            &port.process,
            &word(&port.coverage),
        ]);
    }
    if c.ports.is_empty() { text } else { format!("{text}\n{table}") }
}
