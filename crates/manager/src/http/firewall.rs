//! What the firewall of a policy or of a computer does to a packet, and what is noticed about its rules.
use super::auth::{Access, Caller, Resource};
use super::computer_settings;
use super::extract::{Id, Message};
use crate::app::App;
use crate::clock;
use crate::policy_tree::{InForce, Tree};
use crate::problem::Refused;
use crate::settings::LocalSettings;
use crate::store::{ComputerRow, TenantCtx};
use axum::Json;
use axum::extract::{ConnectInfo, State};
use sakimori_api::{
    FirewallAnswer, FirewallDecider, FirewallDecision, FirewallFinding, FirewallFindings, FirewallLint,
    FirewallQuestion, FirewallRuleAnswer, FirewallVerdict, SettingsPatch,
};
use sakimori_firewall_settings::{Advice, Answered, By, Question, Verdict, Whoever, advise, explain};
use sakimori_model::Diagnostic;
use sakimori_modules::Mac;
use sakimori_modules::firewall::{self, Direction, Firewall, Frame, IcmpType, Protocol, TcpFlags};
use sakimori_protocol::ModuleStatus;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use uuid::Uuid;

/// Where a client's ports begin on Linux.
const SOME_PORT: u16 = 49_152;
/// SSH.
const MANAGEMENT_PORT: u16 = 22;

/// What the firewall of a policy does to a packet: which rule decides, and why the others do not. It is asked of the same
/// plan that agents enforce.
#[utoipa::path(post, path = "/policies/{id}/firewall/explain", tag = "policies",
    operation_id = "explainFirewallOfPolicy", params(("id" = uuid::Uuid, Path)), request_body = FirewallQuestion,
    responses((status = 200, body = FirewallAnswer)))]
pub(super) async fn explain_policy(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Message(asked): Message<FirewallQuestion>,
) -> Result<Json<FirewallAnswer>, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let settings = of_policy(&app, ctx, id, asked.settings.as_ref()).await?;
    answer(&app, settings, &asked).await
}

/// What the firewall of a computer does to a packet, with what is set on the computer itself.
#[utoipa::path(post, path = "/computers/{id}/firewall/explain", tag = "computers",
    operation_id = "explainFirewallOfComputer", params(("id" = uuid::Uuid, Path)), request_body = FirewallQuestion,
    responses((status = 200, body = FirewallAnswer)))]
pub(super) async fn explain_computer(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    Message(asked): Message<FirewallQuestion>,
) -> Result<Json<FirewallAnswer>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let settings = of_computer(&app, ctx, id, asked.settings.as_ref()).await?;
    let row = app.store.computer(ctx, id).await?.ok_or_else(|| Refused::not_found("computer"))?;
    let mut asked = asked;
    for (context, holds) in last_contexts(&app, &row) {
        asked.contexts.entry(context).or_insert(holds);
    }
    answer(&app, settings, &asked).await
}

/// Whether contexts hold on a computer, as it last said.
fn last_contexts(app: &App, row: &ComputerRow) -> Vec<(String, bool)> {
    let presence = app.presence(row);
    let modules: &[ModuleStatus] = presence.as_ref().map_or(&row.modules, |presence| &presence.modules);
    let counters = modules.iter().filter(|status| status.module == firewall::MODULE.id);
    let counters = counters.flat_map(|status| &status.counters);
    let context =
        |(name, value): &(String, u64)| Some((name.strip_prefix("context:")?.to_owned(), *value != 0));
    counters.filter_map(context).collect()
}

/// What a firewall with these settings, over the built-in defaults, does to a packet. Lists are the manager's.
#[utoipa::path(post, path = "/firewall/explain", tag = "policies", operation_id = "explainFirewall",
    request_body = FirewallQuestion, responses((status = 200, body = FirewallAnswer)))]
pub(super) async fn explain_settings(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(asked): Message<FirewallQuestion>,
) -> Result<Json<FirewallAnswer>, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let settings = of_nobody(&app, ctx, asked.settings.as_ref()).await?;
    answer(&app, settings, &asked).await
}

/// What is noticed about the firewall rules of a policy, as they are or with other settings: rules that never decide,
/// contradict each other or do nothing, and whether somebody would be locked out.
#[utoipa::path(post, path = "/policies/{id}/firewall/lint", tag = "policies", operation_id = "lintFirewallOfPolicy",
    params(("id" = uuid::Uuid, Path)), request_body = FirewallLint,
    responses((status = 200, body = FirewallFindings)))]
pub(super) async fn lint_policy(
    State(app): State<Arc<App>>,
    caller: Caller,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Id(id): Id,
    Message(asked): Message<FirewallLint>,
) -> Result<Json<FirewallFindings>, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let settings = of_policy(&app, ctx, id, asked.settings.as_ref()).await?;
    looked_at(&app, settings, &asked, peer).await
}

/// What is noticed about the firewall rules of a computer, with what is set on the computer itself.
#[utoipa::path(post, path = "/computers/{id}/firewall/lint", tag = "computers",
    operation_id = "lintFirewallOfComputer", params(("id" = uuid::Uuid, Path)), request_body = FirewallLint,
    responses((status = 200, body = FirewallFindings)))]
pub(super) async fn lint_computer(
    State(app): State<Arc<App>>,
    caller: Caller,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Id(id): Id,
    Message(asked): Message<FirewallLint>,
) -> Result<Json<FirewallFindings>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let settings = of_computer(&app, ctx, id, asked.settings.as_ref()).await?;
    looked_at(&app, settings, &asked, peer).await
}

/// What is noticed about these settings over the built-in defaults. Lists are the manager's.
#[utoipa::path(post, path = "/firewall/lint", tag = "policies", operation_id = "lintFirewall",
    request_body = FirewallLint, responses((status = 200, body = FirewallFindings)))]
pub(super) async fn lint_settings(
    State(app): State<Arc<App>>,
    caller: Caller,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Message(asked): Message<FirewallLint>,
) -> Result<Json<FirewallFindings>, Refused> {
    let ctx = caller.may(Resource::Policies, Access::Read)?;
    let settings = of_nobody(&app, ctx, asked.settings.as_ref()).await?;
    looked_at(&app, settings, &asked, peer).await
}

// === whose settings ===

async fn of_policy(
    app: &App,
    ctx: &TenantCtx,
    id: Uuid,
    draft: Option<&SettingsPatch>,
) -> Result<Firewall, Refused> {
    let tree = Tree::read(&app.store, ctx).await?;
    let row = tree.policy(id).ok_or_else(|| Refused::not_found("policy"))?;
    let mut row = row.clone();
    if let Some(draft) = draft {
        row.settings.patch(draft, &tree.lists()).map_err(Refused::fields)?;
    }
    firewall_of(tree.in_force(&row, None), &tree)
}

async fn of_computer(
    app: &App,
    ctx: &TenantCtx,
    id: Uuid,
    draft: Option<&SettingsPatch>,
) -> Result<Firewall, Refused> {
    let row = app.store.settings_of_computer(ctx, id).await?;
    let mut row = row.ok_or_else(|| Refused::not_found("computer"))?;
    let tree = Tree::read(&app.store, ctx).await?;
    if let Some(draft) = draft {
        computer_settings::patched(&tree, &mut row, draft)?;
    }
    let policy = tree.policy(row.policy).ok_or_else(|| Refused::not_found("policy"))?;
    firewall_of(tree.in_force(policy, Some(&row)), &tree)
}

async fn of_nobody(
    app: &App,
    ctx: &TenantCtx,
    settings: Option<&SettingsPatch>,
) -> Result<Firewall, Refused> {
    let tree = Tree::read(&app.store, ctx).await?;
    let mut local = LocalSettings::default();
    if let Some(settings) = settings {
        local.patch(settings, &tree.lists()).map_err(Refused::fields)?;
    }
    let modules = crate::settings::resolve(&[&local]);
    firewall_of(InForce { modules, layers: Vec::new() }, &tree)
}

/// The firewall's settings as they are enforced, with plain values in the place of lists.
pub(super) fn firewall_of(in_force: InForce, tree: &Tree) -> Result<Firewall, Refused> {
    let mut modules = in_force.expanded(&tree.lists()).enforced().modules;
    let values = modules.remove(firewall::MODULE.id).map(|effective| effective.values).unwrap_or_default();
    Ok(serde_json::from_value(serde_json::Value::Object(values))?)
}

// === answers ===

async fn answer(
    app: &App,
    settings: Firewall,
    asked: &FirewallQuestion,
) -> Result<Json<FirewallAnswer>, Refused> {
    let question = question(asked, app.clock.now().0)?;
    let always = ways_to_here(app);
    let answered = tokio::task::spawn_blocking(move || explain(&settings, &always, &question)).await;
    let answered = answered?.map_err(|found| has_errors(&found))?;
    Ok(Json(shown(answered)))
}

async fn looked_at(
    app: &App,
    settings: Firewall,
    asked: &FirewallLint,
    peer: SocketAddr,
) -> Result<Json<FirewallFindings>, Refused> {
    let operator = match &asked.operator {
        Some(text) => Some(address("/operator", text)?),
        None => operator_of(peer),
    };
    let port = asked.management_port.unwrap_or(MANAGEMENT_PORT);
    Ok(Json(FirewallFindings { findings: findings(app, settings, operator, port).await? }))
}

/// What is noticed where a change makes other firewall settings of these.
pub(super) async fn findings_of_change(
    app: &App,
    before: Firewall,
    after: Firewall,
    peer: SocketAddr,
) -> Result<Vec<FirewallFinding>, Refused> {
    if before == after {
        return Ok(Vec::new());
    }
    findings(app, after, operator_of(peer), MANAGEMENT_PORT).await
}

/// Who sits on the computer itself, or behind something on it, is not let in from anywhere.
fn operator_of(peer: SocketAddr) -> Option<IpAddr> {
    Some(peer.ip().to_canonical()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

/// What is noticed about settings, errors first. Apart from other requests: it may take some hundred milliseconds.
async fn findings(
    app: &App,
    settings: Firewall,
    operator: Option<IpAddr>,
    management_port: u16,
) -> Result<Vec<FirewallFinding>, Refused> {
    let always = ways_to_here(app);
    let look = move || advise(&settings, &always, operator, management_port);
    let mut advice = tokio::task::spawn_blocking(look).await?;
    advice.sort_by_key(|one| !one.is_error);
    let finding = |one: Advice| FirewallFinding {
        code: one.code.to_owned(),
        level: if one.is_error { "error" } else { "warning" }.to_owned(),
        rule: one.rule,
        text: one.text,
        remedy: one.remedy,
    };
    Ok(advice.into_iter().map(finding).collect())
}

/// The manager's own addresses, as far as they are no names: agents resolve those.
fn ways_to_here(app: &App) -> Vec<SocketAddr> {
    let addresses = app.public_hosts.iter().filter_map(|host| host.parse::<IpAddr>().ok());
    addresses
        .flat_map(|address| [app.public_port, app.gateway_port].map(|port| SocketAddr::new(address, port)))
        .collect()
}

fn has_errors(found: &[Diagnostic]) -> Refused {
    let first = found.iter().find(|one| one.level == sakimori_model::Level::Error);
    let detail = first.map_or_else(String::new, |one| format!("{}: {}. {}", one.source, one.title, one.help));
    Refused::conflict(
        "rules-with-errors",
        "The firewall's rules have errors, so nothing is enforced.",
        detail,
    )
}

fn shown(answered: Answered) -> FirewallAnswer {
    FirewallAnswer {
        decision: decision(answered.decision),
        otherwise: answered.otherwise.into_iter().map(decision).collect(),
        rules: answered
            .rules
            .into_iter()
            .map(|one| FirewallRuleAnswer {
                rule: one.rule,
                action: one.action.to_owned(),
                reason: one.reason.to_owned(),
                text: one.text,
            })
            .collect(),
        rules_left_out: u64::try_from(answered.rules_left_out).unwrap_or(u64::MAX),
        unknown: answered.unknown,
    }
}

fn decision(by: By) -> FirewallDecision {
    FirewallDecision {
        verdict: match by.verdict {
            Verdict::Passes => FirewallVerdict::Passes,
            Verdict::Bypasses => FirewallVerdict::Bypasses,
            Verdict::WouldBeDropped => FirewallVerdict::WouldBeDropped,
            Verdict::Dropped => FirewallVerdict::Dropped,
        },
        by: match by.who {
            Whoever::Rule => FirewallDecider::Rule,
            Whoever::Default => FirewallDecider::Default,
            Whoever::Check => FirewallDecider::Check,
            Whoever::AlwaysOpen => FirewallDecider::AlwaysOpen,
            Whoever::Nobody => FirewallDecider::Nobody,
        },
        rule: by.rule,
        text: by.text,
    }
}

// === questions ===

fn address(pointer: &str, text: &str) -> Result<IpAddr, Refused> {
    let read = text.trim().parse::<IpAddr>().map(|address| address.to_canonical());
    read.map_err(|_not_one| {
        Refused::field(pointer, "not-an-address", "Write one address: 192.0.2.7 or 2001:db8::7.")
    })
}

/// A value as the field says, or what is wrong with it.
fn read<T: std::str::FromStr<Err: std::fmt::Display>>(
    pointer: &str,
    code: &str,
    text: Option<&String>,
) -> Result<Option<T>, Refused> {
    let read = text.map(|text| text.trim().parse::<T>()).transpose();
    read.map_err(|error| Refused::field(pointer, code, &format!("{error}.")))
}

fn question(asked: &FirewallQuestion, now_micros: i64) -> Result<Question, Refused> {
    let frame = read::<Frame>("/frame", "not-a-frame", asked.frame.as_ref())?.unwrap_or_default();
    let is_ip = matches!(frame, Frame::Ip | Frame::Ipv4 | Frame::Ipv6);
    if let (Some(_), false) = (&asked.protocol, is_ip) {
        let message = "Only IP has protocols: leave it out.";
        return Err(Refused::field("/protocol", "frame-fields", message));
    }
    let from = asked.from.as_deref().map(|text| address("/from", text)).transpose()?;
    let to = asked.to.as_deref().map(|text| address("/to", text)).transpose()?;
    if matches!(frame, Frame::Number(_)) {
        if from.or(to).is_some() {
            let message = "A frame that is neither IP nor ARP has no addresses: leave them out.";
            return Err(Refused::field(
                if from.is_some() { "/from" } else { "/to" },
                "frame-fields",
                message,
            ));
        }
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        return about(asked, frame, (nowhere, nowhere), now_micros);
    }
    let Some(one) = from.or(to) else {
        let message = "Say where the packet comes from or where it goes to.";
        return Err(Refused::field("/from", "required", message));
    };
    let any = if one.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let (source, destination) = (from.unwrap_or(any), to.unwrap_or(any));
    if source.is_ipv4() != destination.is_ipv4() {
        let message = "Both addresses belong to one version of IP.";
        return Err(Refused::field("/to", "ip-versions", message));
    }
    let version = |v4: bool| if v4 { "IPv4" } else { "IPv6" };
    let wanted = match frame {
        Frame::Ipv4 | Frame::Arp => Some(true),
        Frame::Ipv6 => Some(false),
        Frame::Ip | Frame::Number(_) => None,
    };
    if let Some(v4) = wanted.filter(|v4| *v4 != one.is_ipv4()) {
        let message = format!("Such a packet has addresses of {}.", version(v4));
        return Err(Refused::field(if from.is_some() { "/from" } else { "/to" }, "ip-versions", &message));
    }
    let question = about(asked, frame, (source, destination), now_micros)?;
    if frame == Frame::Arp {
        return Ok(question);
    }
    let protocol = read::<Protocol>("/protocol", "not-a-protocol", asked.protocol.as_ref())?;
    let protocol = protocol.unwrap_or(Protocol::TCP);
    let Protocol::Number(number) = protocol else {
        let message = "A packet has one protocol: write tcp, udp, icmp, icmpv6 or a number.";
        return Err(Refused::field("/protocol", "not-a-protocol", message));
    };
    let ports = match (protocol.has_ports(), asked.port) {
        (true, Some(port)) => Some((asked.source_port.unwrap_or(SOME_PORT), port)),
        (true, None) => {
            let message = "Say which port the packet goes to.";
            return Err(Refused::field("/port", "required", message));
        }
        (false, _) => None,
    };
    let flags = read::<TcpFlags>("/flags", "not-flags", asked.flags.as_ref())?;
    let (syn, ack) = (2, 16);
    let flags = flags.map_or(if asked.established { ack } else { syn }, |flags| flags.set);
    let icmp = read::<IcmpType>("/icmp", "not-an-icmp-type", asked.icmp.as_ref())?;
    let icmp = match (protocol, icmp) {
        (Protocol::ICMP | Protocol::ICMPV6, Some(icmp)) => Some((icmp.kind, icmp.code.unwrap_or(0))),
        (Protocol::ICMP, None) => Some((8, 0)),
        (Protocol::ICMPV6, None) => Some((128, 0)),
        _ => None,
    };
    let tcp_flags = (number == 6).then_some(flags);
    Ok(Question { protocol: number, ports, tcp_flags, icmp, ..question })
}

/// What is asked of every kind of packet.
fn about(
    asked: &FirewallQuestion,
    frame: Frame,
    (source, destination): (IpAddr, IpAddr),
    now_micros: i64,
) -> Result<Question, Refused> {
    if let Some(name) = asked.interface.as_deref().filter(|name| !firewall::is_interface(name)) {
        let message = format!("'{name}' is no interface: a name has 1 to 15 characters, such as eth0.");
        return Err(Refused::field("/interface", "not-an-interface", &message));
    }
    let at_micros = match &asked.at {
        None => now_micros,
        Some(text) => {
            let message = "Write a time as 2026-01-31T18:00:00Z.";
            clock::parse(text).ok_or_else(|| Refused::field("/at", "not-a-time", message))?.0
        }
    };
    Ok(Question {
        direction: asked.direction.unwrap_or(Direction::In),
        container: asked.container,
        frame,
        fragment: asked.fragment,
        source,
        destination,
        protocol: 0,
        ports: None,
        tcp_flags: None,
        icmp: None,
        established: asked.established,
        card: read::<Mac>("/mac", "not-a-mac", asked.mac.as_ref())?.map(|mac| mac.0),
        interface: asked.interface.clone(),
        at_micros,
        contexts: asked.contexts.clone(),
    })
}
