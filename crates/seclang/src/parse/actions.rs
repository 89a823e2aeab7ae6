//! The last argument of a rule: `id:1,phase:2,deny,msg:'…'`.

use crate::diagnose::{Finding, shown};
use crate::parse::targets::{self, Target};
use crate::template::Template;
use crate::transform::Transformation;
use crate::variable::{Kind, Variable};

/// An action as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    // what becomes of the transaction
    Allow(Allow),
    Block,
    Deny,
    Drop,
    Pass,
    Redirect(Template),
    // what the rule is
    Id(u64),
    Phase(u8),
    Rev(String),
    Ver(String),
    Msg(Template),
    LogData(Template),
    Severity(u8),
    Tag(Template),
    Status(u16),
    Transform(Option<Transformation>),
    Capture,
    MultiMatch,
    Chain,
    // how it is told
    Log(bool),
    AuditLog(bool),
    // what it does
    Skip(u32),
    SkipAfter(String),
    SetVar(SetVar),
    SetEnv(String, Template),
    InitCol(Variable, Template),
    SetCollection(Variable, Template),
    ExpireVar(Variable, Template, Template),
    DeprecateVar(Variable, Template, u64, u64),
    Control(Control),
    /// Understood; it does nothing here.
    Nothing,
}

/// What is allowed to pass without more rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allow {
    /// All phases but logging.
    Transaction,
    /// The rest of this phase.
    Phase,
    /// The rest of the request.
    Request,
}

/// `setvar`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SetVar {
    pub(crate) collection: Variable,
    pub(crate) key: Template,
    pub(crate) change: Change,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Remove,
    Set(Template),
    Add(Template),
    Subtract(Template),
}

/// Which rules a `ctl` or a directive is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Which {
    /// Ids from, to.
    Ids(Vec<(u64, u64)>),
    Tag(String),
    Msg(String),
}

/// `ctl`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Control {
    AuditEngine(Option<bool>),
    ForceRequestBodyVariable(bool),
    RequestBodyAccess(bool),
    RequestBodyLimit(usize),
    RequestBodyProcessor(String),
    ResponseBodyAccess(bool),
    ResponseBodyLimit(usize),
    /// On, off, or (`None`) detection only.
    RuleEngine(Option<bool>),
    Remove(Which),
    RemoveTarget(Which, Vec<Target>),
}

/// Reads a list of actions.
pub(crate) fn actions(text: &str) -> (Vec<Action>, Vec<Finding>) {
    let (mut found, mut findings) = (Vec::new(), Vec::new());
    for part in split(text) {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        let (name, value) = match part.split_once(':') {
            Some((name, value)) => (name.trim(), Some(unquoted(value.trim()))),
            None => (part, None),
        };
        match action(&name.to_ascii_lowercase(), value.as_deref()) {
            Ok(action) => found.push(action),
            Err(finding) => findings.push(finding),
        }
    }
    (found, findings)
}

/// At commas outside of single quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('\'').map_or(value, |rest| rest.strip_suffix('\'').unwrap_or(rest));
    inner.replace("\\'", "'")
}

fn action(name: &str, value: Option<&str>) -> Result<Action, Finding> {
    let needed = || {
        value.filter(|value| !value.is_empty()).ok_or_else(|| {
            Finding::error("W050", format!("the action {name} has no value"), format!("write {name}:value"))
        })
    };
    Ok(match name {
        "allow" => Action::Allow(match value {
            None | Some("") => Allow::Transaction,
            Some("phase") => Allow::Phase,
            Some("request") => Allow::Request,
            Some(other) => return Err(one_of(name, other, "allow, allow:phase or allow:request")),
        }),
        "block" => Action::Block,
        "deny" => Action::Deny,
        "drop" => Action::Drop,
        "pass" => Action::Pass,
        "redirect" => Action::Redirect(Template::parse(needed()?)?),
        "proxy" | "pause" | "exec" => {
            return Err(Finding::error(
                "W051",
                format!(
                    "the action {name} is not offered: rules judge, they start nothing and wait for nothing"
                ),
                "use deny, drop or redirect",
            ));
        }
        "id" => Action::Id(number(name, needed()?)?),
        "phase" => Action::Phase(match needed()?.to_ascii_lowercase().as_str() {
            "1" => 1,
            "2" | "request" => 2,
            "3" => 3,
            "4" | "response" => 4,
            "5" | "logging" => 5,
            other => return Err(one_of(name, other, "a phase from 1 to 5, request, response or logging")),
        }),
        "rev" => Action::Rev(needed()?.to_owned()),
        "ver" => Action::Ver(needed()?.to_owned()),
        "msg" => Action::Msg(Template::parse(value.unwrap_or_default())?),
        "logdata" => Action::LogData(Template::parse(value.unwrap_or_default())?),
        "severity" => Action::Severity(severity(needed()?)?),
        "tag" => Action::Tag(Template::parse(needed()?)?),
        "status" => Action::Status(
            needed()?
                .parse()
                .ok()
                .filter(|status| (100..600).contains(status))
                .ok_or_else(|| one_of(name, value.unwrap_or_default(), "a status from 100 to 599"))?,
        ),
        "t" => Action::Transform(transformation(needed()?)?),
        "capture" => Action::Capture,
        "multimatch" => Action::MultiMatch,
        "chain" => Action::Chain,
        "log" => Action::Log(true),
        "nolog" => Action::Log(false),
        "auditlog" => Action::AuditLog(true),
        "noauditlog" => Action::AuditLog(false),
        "skip" => Action::Skip(number(name, needed()?)?.try_into().unwrap_or(u32::MAX)),
        "skipafter" => Action::SkipAfter(needed()?.to_owned()),
        "setvar" => Action::SetVar(set_variable(needed()?)?),
        "setenv" => {
            let text = needed()?;
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            Action::SetEnv(key.trim_start_matches('!').to_ascii_lowercase(), Template::parse(value)?)
        }
        "initcol" => {
            let (collection, key) = pair(name, needed()?, '=')?;
            Action::InitCol(persistent(collection)?, Template::parse(key)?)
        }
        "setsid" => Action::SetCollection(Variable::Session, Template::parse(needed()?)?),
        "setuid" => Action::SetCollection(Variable::User, Template::parse(needed()?)?),
        "setrsc" => Action::SetCollection(Variable::Resource, Template::parse(needed()?)?),
        "expirevar" => {
            let (variable, seconds) = pair(name, needed()?, '=')?;
            let (collection, key) = pair(name, variable, '.')?;
            Action::ExpireVar(persistent(collection)?, Template::parse(key)?, Template::parse(seconds)?)
        }
        "deprecatevar" => {
            let (variable, rate) = pair(name, needed()?, '=')?;
            let (collection, key) = pair(name, variable, '.')?;
            let (amount, seconds) = pair(name, rate, '/')?;
            Action::DeprecateVar(
                persistent(collection)?,
                Template::parse(key)?,
                number(name, amount)?,
                number(name, seconds)?.max(1),
            )
        }
        // logs are kept by the product
        "ctl" if is_about_logs(needed()?) => Action::Nothing,
        "ctl" => Action::Control(control(needed()?)?),
        "sanitisearg"
        | "sanitisematched"
        | "sanitisematchedbytes"
        | "sanitiserequestheader"
        | "sanitiseresponseheader"
        | "append"
        | "prepend"
        | "xmlns"
        | "maturity"
        | "accuracy" => Action::Nothing,
        _ => {
            return Err(Finding::error(
                "W052",
                format!("unknown action {}", shown(name)),
                "the names are those of ModSecurity's reference, such as deny, msg, setvar",
            ));
        }
    })
}

fn one_of(name: &str, given: &str, what: &str) -> Finding {
    Finding::error("W053", format!("{name}: {} is not allowed", shown(given)), format!("write {what}"))
}

fn number(name: &str, text: &str) -> Result<u64, Finding> {
    text.trim().parse().map_err(|_refused| one_of(name, text, "a number"))
}

fn pair<'t>(name: &str, text: &'t str, at: char) -> Result<(&'t str, &'t str), Finding> {
    text.split_once(at).ok_or_else(|| {
        Finding::error("W054", format!("{name}: no {at} in {}", shown(text)), "write left, the sign, right")
    })
}

/// By number or name.
pub(crate) fn severity(text: &str) -> Result<u8, Finding> {
    const NAMES: [&str; 8] =
        ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];
    let by_name = NAMES.iter().position(|name| name.eq_ignore_ascii_case(text.trim()));
    by_name
        .or_else(|| text.trim().parse().ok())
        .and_then(|number| u8::try_from(number).ok())
        .filter(|number| *number < 8)
        .ok_or_else(|| one_of("severity", text, "a number from 0 to 7, or EMERGENCY to DEBUG"))
}

fn transformation(name: &str) -> Result<Option<Transformation>, Finding> {
    if name.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    Transformation::by_name(name).map(Some).ok_or_else(|| {
        Finding::error(
            "W055",
            format!("unknown transformation {}", shown(name)),
            "the names are those of ModSecurity's reference, such as lowercase, urlDecodeUni",
        )
    })
}

fn persistent(name: &str) -> Result<Variable, Finding> {
    Variable::by_name(name)
        .filter(|variable| variable.kind() == Kind::Persistent)
        .ok_or_else(|| one_of("collection", name, "GLOBAL, IP, RESOURCE, SESSION or USER"))
}

fn set_variable(text: &str) -> Result<SetVar, Finding> {
    let (removed, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let (collection, key) = pair("setvar", name, '.')?;
    let collection = Variable::by_name(collection.trim())
        .filter(|variable| *variable == Variable::Tx || variable.kind() == Kind::Persistent)
        .ok_or_else(|| one_of("setvar", collection, "TX, GLOBAL, IP, RESOURCE, SESSION or USER"))?;
    let change = match value.map(str::trim_start) {
        _ if removed => Change::Remove,
        None => Change::Set(Template::parse("1")?),
        Some(value) => match (value.strip_prefix('+'), value.strip_prefix('-')) {
            (Some(amount), _) => Change::Add(Template::parse(amount)?),
            (_, Some(amount)) => Change::Subtract(Template::parse(amount)?),
            _ => Change::Set(Template::parse(value)?),
        },
    };
    Ok(SetVar { collection, key: Template::parse(key.trim())?, change })
}

fn is_about_logs(control: &str) -> bool {
    let name = control.split('=').next().unwrap_or_default().trim();
    ["auditLogParts", "debugLogLevel"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn control(text: &str) -> Result<Control, Finding> {
    let (name, value) = pair("ctl", text, '=')?;
    let value = value.trim();
    let which = |text: &str| -> Result<Which, Finding> {
        let lowered = name.to_ascii_lowercase();
        Ok(if lowered.ends_with("byid") {
            Which::Ids(ids(text)?)
        } else if lowered.ends_with("bytag") {
            Which::Tag(text.to_owned())
        } else {
            Which::Msg(text.to_owned())
        })
    };
    Ok(match name.trim().to_ascii_lowercase().as_str() {
        "auditengine" => Control::AuditEngine(on_off_or(value, "relevantonly")?),
        "forcerequestbodyvariable" => Control::ForceRequestBodyVariable(on_off(value)?),
        "requestbodyaccess" => Control::RequestBodyAccess(on_off(value)?),
        "requestbodylimit" => Control::RequestBodyLimit(limit(value)?),
        "requestbodyprocessor" => match value.to_ascii_uppercase().as_str() {
            known @ ("URLENCODED" | "MULTIPART" | "JSON" | "XML" | "RAW") => {
                Control::RequestBodyProcessor(known.to_owned())
            }
            other => {
                return Err(one_of(
                    "ctl:requestBodyProcessor",
                    other,
                    "URLENCODED, MULTIPART, JSON, XML or RAW",
                ));
            }
        },
        "responsebodyaccess" => Control::ResponseBodyAccess(on_off(value)?),
        "responsebodylimit" => Control::ResponseBodyLimit(limit(value)?),
        "ruleengine" => Control::RuleEngine(on_off_or(value, "detectiononly")?),
        "ruleremovebyid" | "ruleremovebytag" | "ruleremovebymsg" => Control::Remove(which(value)?),
        "ruleremovetargetbyid" | "ruleremovetargetbytag" | "ruleremovetargetbymsg" => {
            let (rules, listed) = pair(name, value, ';')?;
            let mut found = targets::targets(listed)?;
            for target in &mut found {
                target.excluded = true;
            }
            Control::RemoveTarget(which(rules)?, found)
        }
        "hashenforcement" | "hashengine" => {
            return Err(Finding::warning(
                "W056",
                format!("ctl:{name} changes nothing here"),
                "bodies are not changed by this engine; the action may stay",
            ));
        }
        other => {
            return Err(Finding::error(
                "W057",
                format!("unknown ctl option {}", shown(other)),
                "the names are those of ModSecurity's reference, such as ruleRemoveById, ruleEngine",
            ));
        }
    })
}

pub(crate) fn on_off(value: &str) -> Result<bool, Finding> {
    match value.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(one_of("switch", other, "On or Off")),
    }
}

pub(crate) fn on_off_or(value: &str, third: &str) -> Result<Option<bool>, Finding> {
    if value.eq_ignore_ascii_case(third) { Ok(None) } else { on_off(value).map(Some) }
}

pub(crate) fn limit(value: &str) -> Result<usize, Finding> {
    value.trim().parse().map_err(|_refused| one_of("limit", value, "a number of bytes"))
}

/// `1,3-5 7`.
pub(crate) fn ids(text: &str) -> Result<Vec<(u64, u64)>, Finding> {
    text.split([',', ' '])
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            Ok((number("rule id", from)?, number("rule id", to)?))
        })
        .collect()
}
