//! The part as the agent's control side sees it: documents in, events and statuses out.

use super::{Action, ApplyError, Done, MODULE, Malware, Report, ScanPlan, ScanSettings, Scanner};
use crate::connection::explain;
use crate::enforcement::{Enforcement, Ordered, Plan, Refusal};
use crate::network::RuleFile;
use sakimori_antimalware::{Source, SourceKind};
use sakimori_kernel::clock;
use sakimori_model::{Action as EventAction, Level, Severity, Timestamp};
use sakimori_modules::agent::{Gap, Notice};
use sakimori_modules::anti_malware::{self, AntiMalware, MalwareAction};
use sakimori_protocol::{Event, ModuleStatus};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Findings listed in a refusal: the first ones are what the operator mends; the count says the rest.
const FINDINGS_SHOWN: usize = 5;
/// Longest path in an event, in characters: `PATH_MAX` bytes are 4096, and nobody reads more.
const PATH_CHARS: usize = 1024;

impl Enforcement for Scanner {
    fn apply(&self, plan: Plan) -> Result<u32, Refusal> {
        let (settings, files) = plan.module::<AntiMalware>(MODULE)?;
        let plan = ScanPlan {
            settings: understood(&settings),
            sources: files.iter().map(source).collect(),
            generation: plan.generation,
        };
        match Self::apply(self, plan) {
            Ok(applied) => {
                for warning in applied.warnings.iter().take(FINDINGS_SHOWN) {
                    tracing::warn!("{warning}");
                }
                Ok(applied.rules)
            }
            Err(ApplyError::Rules(findings)) => {
                let errors: Vec<String> =
                    findings.iter().filter(|f| f.level == Level::Error).map(ToString::to_string).collect();
                let shown = errors.get(..FINDINGS_SHOWN).unwrap_or(&errors).join("\n");
                Err(Refusal::lasting(format!(
                    "rules-refused: {} rules or lists cannot be used.\n{shown}",
                    errors.len()
                )))
            }
            Err(error) => Err(Refusal::passing(explain(&error))),
        }
    }

    fn status(&self) -> Vec<ModuleStatus> {
        vec![Self::status(self)]
    }

    fn order(&self, order: &str) -> Option<Result<Ordered, String>> {
        (order == "malware-scan").then(|| self.begin_scan().map(Ordered::Goes))
    }

    fn stop(self: Box<Self>) {
        Self::stop(*self);
    }
}

/// The settings as this part has them.
fn understood(settings: &AntiMalware) -> ScanSettings {
    let chosen = |paths: &BTreeMap<String, bool>| {
        paths.iter().filter(|(_, chosen)| **chosen).map(|(path, _)| PathBuf::from(path)).collect()
    };
    ScanSettings {
        mode: settings.mode.into(),
        roots: chosen(&settings.roots),
        real_time: settings.real_time,
        on_access: settings.on_access,
        action: match settings.action {
            MalwareAction::Pass => Action::Pass,
            MalwareAction::Deny => Action::DenyAccess,
            MalwareAction::Quarantine => Action::Quarantine,
            MalwareAction::Delete => Action::Delete,
        },
        exclusions: chosen(&settings.exclusions),
        max_file_bytes: settings.max_file_bytes,
        schedule: (settings.schedule_hours > 0).then(|| Duration::from_hours(settings.schedule_hours.into())),
        failure: settings.failure_response.into(),
        ..ScanSettings::off()
    }
}

/// Content is told apart by its name: YARA rules end in `.yar` or `.yara`, everything else is a list of sums.
fn source(file: &RuleFile) -> Source {
    let end = Path::new(&file.name).extension().and_then(|end| end.to_str()).unwrap_or_default();
    let yara = end.eq_ignore_ascii_case("yar") || end.eq_ignore_ascii_case("yara");
    Source {
        name: file.name.clone(),
        kind: if yara { SourceKind::Yara } else { SourceKind::Sha256 },
        text: file.text.clone(),
    }
}

/// A report as it is spooled.
pub fn event(report: Report) -> Event {
    let now = || Timestamp(clock::wall_micros());
    match report {
        Report::Malware(malware) => {
            let at = Timestamp(malware.at);
            let (severity, action) = weighed(&malware);
            Event::new(at, MODULE, severity, action, &detail(*malware))
        }
        Report::Notice { code, args } => {
            let args: Vec<(&str, &str)> = args.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            Event::new(now(), MODULE, Severity::Medium, EventAction::Noted, &Notice::new(code, &args))
        }
        Report::Unscanned { count, reason } => {
            let gap = Gap { what: "files-unscanned".to_owned(), count, reason: reason.to_owned() };
            Event::new(now(), MODULE, Severity::Medium, EventAction::Noted, &gap)
        }
    }
}

/// What is still there matters more than what is out of reach.
const fn weighed(malware: &Malware) -> (Severity, EventAction) {
    match malware.done {
        Done::Quarantined | Done::Deleted | Done::Denied => (Severity::High, EventAction::Blocked),
        Done::Passed => (Severity::High, EventAction::Detected),
        Done::Failed => (Severity::Critical, EventAction::Detected),
    }
}

fn detail(malware: Malware) -> anti_malware::Malware {
    let process = malware.process.unwrap_or_default();
    anti_malware::Malware {
        path: printable(&malware.path),
        sha256: malware.sha256.unwrap_or_default(),
        size: malware.size,
        signature: malware.signature,
        engine: malware.by,
        done: malware.done.as_str().to_owned(),
        failure: malware.failure.unwrap_or_default(),
        quarantine_id: malware.quarantine_id.map(|id| id.to_string()).unwrap_or_default(),
        trigger: malware.trigger.as_str().to_owned(),
        process: printable(&process.exe),
        pid: u32::try_from(process.pid).unwrap_or(0),
        user: process.user.or_else(|| process.uid.map(|uid| uid.to_string())).unwrap_or_default(),
    }
}

/// Names are the attacker's: no control characters, and not without end.
fn printable(path: &Path) -> String {
    let clean = path.to_string_lossy();
    clean.chars().take(PATH_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scanner::{Process, Trigger};
    use sakimori_model::Mode;

    #[test]
    fn a_finding_becomes_an_event_with_printable_names() {
        let malware = Malware {
            at: 7,
            path: PathBuf::from("/srv/a\u{1b}[2J.php"),
            sha256: None,
            size: 5,
            signature: "Test".to_owned(),
            by: "yara".to_owned(),
            others: 0,
            trigger: Trigger::RealTime,
            done: Done::Quarantined,
            failure: None,
            quarantine_id: None,
            process: Some(Process { pid: 9, exe: PathBuf::from("/usr/bin/x"), uid: Some(33), user: None }),
        };
        let said = event(Report::Malware(Box::new(malware.clone())));
        assert_eq!((said.at, said.kind.as_str(), said.action.as_str()), (7, "malware", "blocked"));
        let read: anti_malware::Malware = said.read().unwrap();
        assert_eq!((read.path.as_str(), read.user.as_str(), read.pid), ("/srv/a\u{fffd}[2J.php", "33", 9));
        let failed = Malware { done: Done::Failed, ..malware };
        assert_eq!(event(Report::Malware(Box::new(failed))).severity, "critical");
    }

    #[test]
    fn settings_and_content_are_understood() {
        let settings = AntiMalware {
            mode: sakimori_modules::Mode::Prevent,
            roots: [("/srv".to_owned(), true), ("/".to_owned(), false)].into(),
            schedule_hours: 24,
            ..AntiMalware::default()
        };
        let understood = understood(&settings);
        assert_eq!(understood.mode, Mode::Prevent);
        assert_eq!(understood.roots, [PathBuf::from("/srv")]);
        assert_eq!(understood.schedule, Some(Duration::from_hours(24)));
        let kind = |name: &str| source(&RuleFile { name: name.to_owned(), text: Vec::new() }).kind;
        assert_eq!(kind("a.YAR"), SourceKind::Yara);
        assert_eq!(kind("bad.sha256"), SourceKind::Sha256);
    }
}
