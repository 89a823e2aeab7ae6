//! `sakimori computers`.
use super::policies::{patch_of, settings_text};
use super::policy_history::effect;
use super::{
    NAMES_MAX, Out, computer_id, fact, group_id, inventory, policy_id, search_id, tag, tags_text, word,
};
use crate::client::Client;
use crate::command_line::computers::{ComputerSort, Computers, ComputersWanted, CountBy, Status};
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{
    Computer, ComputerCounts, ComputerCoverage, ComputerDryRun, ComputerPatch, ComputerSettings,
    ComputerSettingsPatch, DryRun, Inventory, Patch, Recommendations, ScanRequest,
};
use std::collections::BTreeMap;

pub(super) async fn execute(out: Out, client: &Client, command: Computers) -> Result<(), Failure> {
    match command {
        Computers::List(wanted) => {
            let all: Vec<Computer> =
                client.list("/computers", &filter(client, wanted).await?, NAMES_MAX).await?;
            out.show(&all, |all| table(all))
        }
        Computers::Show { computer } => {
            let id = computer_id(client, &computer).await?;
            let computer: Computer = client.get(&format!("/computers/{id}"), &[]).await?;
            out.show(&computer, text)
        }
        Computers::Count { by, tag_key, wanted } => {
            let mut asked = filter(client, wanted).await?;
            asked.retain(|(name, _)| !matches!(*name, "sort" | "descending"));
            let by = if tag_key.is_some() { "tag" } else { count_word(by) };
            asked.push(("by", by.to_owned()));
            asked.extend(tag_key.map(|key| ("tagKey", key)));
            let counts: ComputerCounts = client.get("/computers/counts", &asked).await?;
            out.show(&counts, counted)
        }
        Computers::AssignPolicy { computer, policy, dry_run: true } => {
            let policy_id = Some(policy_id(client, &policy).await?);
            let tried = ComputerDryRun { policy_id, ..ComputerDryRun::default() };
            try_out(out, client, &computer, &tried).await
        }
        Computers::AssignPolicy { computer, policy, dry_run: false } => {
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
        Computers::Settings { computer, settings, dry_run: true } => {
            let tried = ComputerDryRun { settings: patch_of(&settings)?, ..ComputerDryRun::default() };
            try_out(out, client, &computer, &tried).await
        }
        Computers::Settings { computer, settings, dry_run: false } => {
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
        Computers::Tag { computer, tags, remove } => {
            let mut changes: BTreeMap<String, Option<String>> =
                remove.into_iter().map(|key| (key, None)).collect();
            changes.extend(tags.iter().map(|text| tag(text)).map(|(key, value)| (key, Some(value))));
            if changes.is_empty() {
                return Err(Failure::Usage("give a tag to add, or one to --remove".to_owned()));
            }
            let patch = ComputerPatch { tags: Some(changes), ..ComputerPatch::default() };
            let changed = change(client, &computer, &patch).await?;
            out.show(&changed, |c| {
                format!("{} now has the tags: {}\n", shown(&c.display_name), shown(&tags_text(&c.tags)))
            })
        }
        Computers::Move { computer, group } => {
            let group = match group.as_str() {
                "none" => Patch::Clear,
                group => Patch::Set(group_id(client, group).await?),
            };
            let patch = ComputerPatch { group_id: group, ..ComputerPatch::default() };
            let changed = change(client, &computer, &patch).await?;
            out.show(&changed, |c| match &c.group_name {
                Some(group) => format!("{} is now in group '{}'.\n", shown(&c.display_name), shown(group)),
                None => format!("{} is now in no group.\n", shown(&c.display_name)),
            })
        }
        Computers::Edit { computer, name, asset_value, ephemeral } => {
            let display_name = name.map_or(Patch::Keep, Patch::Set);
            let patch = ComputerPatch { display_name, asset_value, ephemeral, ..ComputerPatch::default() };
            out.show(&change(client, &computer, &patch).await?, text)
        }
        Computers::Coverage { computer } => {
            let id = computer_id(client, &computer).await?;
            let coverage: ComputerCoverage = client.get(&format!("/computers/{id}/coverage"), &[]).await?;
            out.show(&coverage, covered)
        }
        Computers::Deactivate { computer } => live(out, client, &computer, "deactivate").await,
        Computers::Reactivate { computer } => live(out, client, &computer, "reactivate").await,
        Computers::Inventory { computer, packages, processes } => {
            let id = computer_id(client, &computer).await?;
            let found: Inventory = client.get(&format!("/computers/{id}/inventory"), &[]).await?;
            out.show(&found, |found| inventory::text(found, packages, processes))
        }
        Computers::Recommendations { computer } => {
            let id = computer_id(client, &computer).await?;
            let path = format!("/computers/{id}/recommendations");
            let found: Recommendations = client.get(&path, &[]).await?;
            out.show(&found, inventory::recommendations)
        }
        Computers::Scan { computer } => {
            let id = computer_id(client, &computer).await?;
            let path = format!("/computers/{id}/recommendations/scan");
            let asked: ScanRequest = client.post(&path, &serde_json::json!({})).await?;
            out.show(&asked, |asked| {
                let when = if asked.online { "now" } else { "when it comes back into contact" };
                format!("Asked: the computer looks {when}.\n")
            })
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

/// Says what one computer would enforce differently.
async fn try_out(out: Out, client: &Client, computer: &str, tried: &ComputerDryRun) -> Result<(), Failure> {
    let path = format!("/computers/{}/dry-run", computer_id(client, computer).await?);
    let would: DryRun = client.post(&path, tried).await?;
    out.show(&would, effect)
}

const fn count_word(by: CountBy) -> &'static str {
    match by {
        CountBy::Status => "status",
        CountBy::Policy => "policy",
        CountBy::Group => "group",
        CountBy::Platform => "platform",
    }
}

fn counted(counts: &ComputerCounts) -> String {
    let mut table = Table::new(&["COMPUTERS", "OF"]);
    for count in &counts.counts {
        table.row([&count.count.to_string(), count.name.as_ref().unwrap_or(&count.value)]);
    }
    format!("{table}{} in all\n", counts.total)
}

fn settings_of(c: &ComputerSettings) -> String {
    let mut text = String::new();
    fact(&mut text, "Computer", &shown(&c.computer_name));
    fact(&mut text, "Policy", &shown(&c.policy_name));
    settings_text(&mut text, &c.settings, &c.origins, c.computer_id);
    text
}

async fn change(client: &Client, computer: &str, patch: &ComputerPatch) -> Result<Computer, Failure> {
    let path = format!("/computers/{}", computer_id(client, computer).await?);
    let etag = client.etag(&path).await?;
    client.patch(&path, &etag, patch).await
}

async fn live(out: Out, client: &Client, computer: &str, what: &str) -> Result<(), Failure> {
    let id = computer_id(client, computer).await?;
    let path = format!("/computers/{id}/{what}");
    let changed: Computer = client.post(&path, &serde_json::json!({})).await?;
    out.show(&changed, |c| format!("{} is {}.\n", shown(&c.display_name), word(&c.status)))
}

async fn filter(client: &Client, wanted: ComputersWanted) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut filter = Vec::new();
    filter.extend(wanted.status.map(|status| ("status", status_word(status).to_owned())));
    filter.extend(wanted.query.map(|query| ("q", query)));
    if let Some(group) = wanted.group {
        filter.push(("groupId", group_id(client, &group).await?.to_string()));
    }
    filter.extend(wanted.tag.map(|tag| ("tag", tag)));
    if let Some(policy) = wanted.policy {
        filter.push(("policyId", policy_id(client, &policy).await?.to_string()));
    }
    filter.extend(wanted.platform.map(|platform| ("platform", platform)));
    filter.extend(wanted.filter.map(|text| ("filter", text)));
    if let Some(search) = wanted.search {
        filter.push(("searchId", search_id(client, &search).await?.to_string()));
    }
    let sort = wanted.sort.map(|sort| match sort {
        ComputerSort::Activated => "activatedAt",
        ComputerSort::Name => "displayName",
        ComputerSort::LastSeen => "lastSeen",
        ComputerSort::AssetValue => "assetValue",
    });
    filter.extend(sort.map(|sort| ("sort", sort.to_owned())));
    if wanted.descending {
        filter.push(("descending", "true".to_owned()));
    }
    Ok(filter)
}

fn covered(coverage: &ComputerCoverage) -> String {
    let mut text = String::new();
    fact(&mut text, "Computer", &format!("{} ({})", shown(&coverage.display_name), word(&coverage.status)));
    for module in &coverage.modules {
        let mode = module.mode.as_ref().map(|mode| format!(", {}", word(mode))).unwrap_or_default();
        fact(&mut text, &module.module, &format!("{}{mode}", word(&module.state)));
        for finding in &module.findings {
            fact(&mut text, "", &shown(&finding.text.en));
        }
    }
    text
}

const fn status_word(status: Status) -> &'static str {
    match status {
        Status::Online => "online",
        Status::Offline => "offline",
        Status::Degraded => "degraded",
        Status::Clone => "clone",
        Status::Pending => "pending",
        Status::Suspended => "suspended",
        Status::Unmanaged => "unmanaged",
    }
}

fn table(all: &[Computer]) -> String {
    let mut table =
        Table::new(&["NAME", "STATUS", "POLICY", "UP TO DATE", "GROUP", "TAGS", "AGENT", "LAST SEEN", "ID"]);
    for c in all {
        table.row([
            &c.display_name,
            &word(&c.status),
            &c.policy_name,
            if c.bundle.up_to_date { "yes" } else { "no" },
            c.group_name.as_deref().unwrap_or_default(),
            &tags_text(&c.tags),
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
    if let Some(group) = &c.group_name {
        fact(&mut text, "Group", &shown(group));
    }
    if !c.tags.is_empty() {
        fact(&mut text, "Tags", &shown(&tags_text(&c.tags)));
    }
    fact(
        &mut text,
        "Worth",
        &format!("{} of 100{}", c.asset_value, if c.ephemeral { ", comes and goes" } else { "" }),
    );
    if let Some(cloud) = &c.cloud {
        let of = [&cloud.provider, &cloud.account, &cloud.region, &cloud.scale_set, &cloud.instance];
        let of: Vec<&str> = of.into_iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        fact(&mut text, "Cloud", &shown(&of.join(", ")));
    }
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
