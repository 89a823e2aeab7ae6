//! Integrity monitoring as an enforcing part: from a policy's settings to sets, from findings to events.
use super::{Finding, Integrity, MODULE, Notice, Report, WatchedSet};
use crate::clock;
use crate::connection::explain;
use crate::enforcement::{Enforcement, Ordered, Plan, Refusal};
use crate::parts::Part;
use crate::spool::Spool;
use sakimori_integrity::{FileSet, printable};
use sakimori_model::{Action, Severity};
use sakimori_modules::integrity_monitoring::{
    self as settings, AttributeChange, IntegrityEvent, IntegrityMonitoring,
};
use sakimori_protocol::{Event, Mode, ModuleStatus};
use std::sync::Arc;
use std::time::Duration;

/// A policy that says "never" is a century.
const NEVER: Duration = Duration::from_hours(100 * 365 * 24);
/// Bound of a path and of a value in an event, in characters.
const TEXT: usize = 4096;

/// The part.
pub fn part() -> Part {
    Part {
        name: "integrity",
        modules: &[MODULE],
        unavailable: "integrity-failed",
        start: Box::new(|with| {
            let reporter = Box::new(ToSpool(Arc::clone(&with.spool)));
            let integrity = Integrity::start(&with.state_dir, reporter);
            Ok(Box::new(integrity.map_err(|error| explain(&error))?))
        }),
        resume: None,
    }
}

impl Enforcement for Integrity {
    fn apply(&self, plan: Plan) -> Result<u32, Refusal> {
        let (settings, _no_files) = plan.module::<IntegrityMonitoring>(MODULE)?;
        let interval = match settings.interval_minutes {
            0 => NEVER,
            minutes => Duration::from_mins(u64::from(minutes)),
        };
        let sets = sets(&settings)?;
        let most = usize::try_from(settings.max_files).unwrap_or(usize::MAX);
        Self::apply(self, settings.mode, &sets, interval, most)
    }

    fn status(&self) -> Vec<ModuleStatus> {
        vec![Self::status(self)]
    }

    fn stop(self: Box<Self>) {
        Self::stop(*self);
    }

    fn order(&self, order: &str) -> Option<Result<Ordered, String>> {
        let begin: fn(&Self) = match order {
            "integrity-scan" => Self::begin_scan,
            "integrity-baseline" => Self::begin_rebuild,
            _ => return None,
        };
        if Self::status(self).mode == Mode::Off {
            return Some(Err("integrity monitoring is off in this computer's policy".to_owned()));
        }
        begin(self);
        Some(Ok(Ordered::Done))
    }
}

/// The sets of a policy, as the engine knows them.
fn sets(settings: &IntegrityMonitoring) -> Result<Vec<WatchedSet>, Refusal> {
    let sets = settings.sets.iter().map(|(name, set)| {
        let words = ["created", "deleted", "type"].into_iter().chain(set.attributes.iter().map(|a| word(*a)));
        let severity = set.severity.parse::<Severity>().map_err(|error| {
            Refusal::lasting(format!("rules-refused: the severity of the file set '{name}': {error}"))
        })?;
        Ok(WatchedSet {
            files: FileSet {
                name: name.clone(),
                base: set.base.clone(),
                include: set.include.clone(),
                exclude: set.exclude.clone(),
                attributes: words.map(str::to_owned).collect(),
            },
            severity,
            real_time: set.real_time,
        })
    });
    sets.collect()
}

const fn word(attribute: settings::Attribute) -> &'static str {
    use settings::Attribute as A;
    match attribute {
        A::Size => "size",
        A::Mode => "mode",
        A::Owner => "owner",
        A::Group => "group",
        A::Mtime => "mtime",
        A::Ctime => "ctime",
        A::Inode => "inode",
        A::Sha256 => "sha256",
        A::Target => "target",
    }
}

/// Findings as events in the spool.
struct ToSpool(Arc<Spool>);

impl Report for ToSpool {
    fn findings(&mut self, findings: &[Finding]) {
        let events: Vec<Event> = findings.iter().map(event).collect();
        self.append(&events);
    }

    fn notice(&mut self, notice: Notice) {
        let now = clock::wall();
        let event = match notice {
            Notice::BaselineDamaged => {
                Event::notice(now, Severity::High, "integrity-baseline-rebuilt", &[("reason", "damaged")])
            }
            Notice::BaselineBuilt { set, entities } => {
                let entities = entities.to_string();
                let args = [("set", set.as_str()), ("files", entities.as_str())];
                Event::notice(now, Severity::Info, "integrity-baseline-built", &args)
            }
            Notice::EventsLost => Event::notice(now, Severity::Low, "integrity-events-lost", &[]),
        };
        self.append(&[event]);
    }
}

impl ToSpool {
    fn append(&self, events: &[Event]) {
        if let Err(error) = self.0.append(events) {
            tracing::error!("events could not be spooled: {}", explain(&error));
        }
    }
}

fn event(finding: &Finding) -> Event {
    let cut = |text: String| -> String {
        if text.len() <= TEXT { text } else { text.chars().take(TEXT).collect() }
    };
    let value = |value: &Option<String>| cut(value.clone().unwrap_or_default());
    let attributes = finding.change.attributes.iter().map(|change| AttributeChange {
        attribute: change.attribute.as_str().to_owned(),
        before: value(&change.before),
        after: value(&change.after),
    });
    let actor = finding.actor.as_deref();
    let detail = IntegrityEvent {
        set: finding.set.clone(),
        path: cut(printable(&finding.path)),
        change: finding.change.kind.as_str().to_owned(),
        attributes: attributes.collect(),
        trigger: finding.trigger.as_str().to_owned(),
        process: actor.map_or_else(String::new, |actor| cut(actor.program.clone())),
        user: actor.and_then(|actor| actor.user).map_or_else(String::new, |user| user.to_string()),
    };
    Event::new(clock::wall(), MODULE, finding.severity, Action::Detected, &detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integrity::Trigger;
    use crate::integrity::names::Actor;
    use sakimori_integrity::{Attribute, Change, ChangeKind, compile};

    #[test]
    fn the_sets_that_come_with_the_product_load() {
        let sets = sets(&IntegrityMonitoring::default()).unwrap();
        let files: Vec<FileSet> = sets.iter().map(|set| set.files.clone()).collect();
        let compiled = compile(&files);
        assert_eq!(compiled.diagnostics, []);
        let watched = |path: &[u8]| {
            let inside = compiled.sets.iter().find(|set| {
                set.relative(path).is_some_and(|relative| set.watches(&set.position_of(relative)))
            });
            inside.map(sakimori_integrity::CompiledSet::name)
        };
        assert_eq!(watched(b"/etc/shadow"), Some("accounts"));
        assert_eq!(watched(b"/etc/ssh/sshd_config"), Some("remote-access"));
        assert_eq!(watched(b"/etc/ld.so.preload"), Some("started-programs"));
        assert_eq!(watched(b"/etc/cron.d/job"), Some("started-programs"));
        assert_eq!(watched(b"/etc/systemd/system/x.service"), Some("started-programs"));
        assert_eq!(watched(b"/var/www/html/index.php"), Some("web-pages"));
        assert_eq!(watched(b"/usr/bin/ls"), Some("programs"));
        for path in [&b"/etc/mtab"[..], b"/var/www/html/wp-content/cache/x.html", b"/home/user/file"] {
            assert_eq!(watched(path), None);
        }
    }

    #[test]
    fn a_finding_becomes_an_event_that_explains_itself() {
        let attribute = sakimori_integrity::AttributeChange {
            attribute: Attribute::Mode,
            before: Some("0644".to_owned()),
            after: Some("4755".to_owned()),
        };
        let finding = Finding {
            set: "programs".to_owned(),
            severity: Severity::High,
            path: b"/usr/bin/x\x1b[2J".to_vec(),
            change: Change { path: b"x".to_vec(), kind: ChangeKind::Changed, attributes: vec![attribute] },
            trigger: Trigger::RealTime,
            actor: Some(Arc::new(Actor { pid: 1, program: "/bin/chmod".to_owned(), user: Some(0) })),
        };
        let event = event(&finding);
        assert_eq!(
            (event.kind.as_str(), event.severity.as_str(), event.action.as_str()),
            ("integrity", "high", "detected")
        );
        let about =
            sakimori_modules::About { computer: "web-1", action: &event.action, severity: &event.severity };
        let said = sakimori_modules::explain(&event.kind, &about, &event.detail);
        assert!(
            said.en.contains("/usr/bin/x\\x1b[2J on web-1 was changed by /bin/chmod (mode)"),
            "{}",
            said.en
        );
        let detail: IntegrityEvent = event.read().unwrap();
        assert_eq!((detail.trigger.as_str(), detail.user.as_str()), ("real-time", "0"));
        assert_eq!(
            (detail.attributes[0].before.as_str(), detail.attributes[0].after.as_str()),
            ("0644", "4755")
        );
    }
}
