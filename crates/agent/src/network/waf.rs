//! The web application firewall's part of a plan: from documents to what the worker judges by, and its status and events.
use super::RuleFile;
use sakimori_inspection::{WebAttack, WebFirewall};
use sakimori_model::{Diagnostic, Level, Mode};
use sakimori_modules::web_application_firewall::{self, WebApplicationFirewall as Settings};
use sakimori_protocol::Event;
use sakimori_waf::{RuleFiles, configure, detail, enforce};

/// What a plan asks of the web application firewall.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WafPlan {
    /// The module's settings, resolved for this computer.
    pub settings: Settings,
    /// The rule set, as one document.
    pub rules: Vec<RuleFile>,
}

impl WafPlan {
    /// Whether there is anything to judge by.
    pub(super) fn judges(&self) -> bool {
        Mode::from(self.settings.mode) != Mode::Off && !self.rules.is_empty()
    }
}

/// What came of the rule set.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) web: Option<WebFirewall>,
    /// How many rules it has.
    pub(super) rules: u32,
    pub(super) findings: Vec<Diagnostic>,
}

/// Compiles a rule set with what the policy says of it. Nothing is read while the module is off.
pub(super) fn compile(settings: &Settings, documents: &[RuleFile]) -> Compiled {
    let mode = Mode::from(settings.mode);
    let (false, Some(document)) = (mode == Mode::Off, documents.first()) else { return Compiled::default() };
    let files = match RuleFiles::from_text(&document.text) {
        Ok(files) => files,
        Err(_form) => {
            let finding = Diagnostic {
                code: "W100",
                level: Level::Error,
                title: "the rule set cannot be read".to_owned(),
                source: document.name.clone(),
                line: 0,
                column: 0,
                help: "import it anew with a manager of this version".to_owned(),
            };
            return Compiled { findings: vec![finding], ..Compiled::default() };
        }
    };
    let compiled = configure(settings, &files).compiled;
    let rules = compiled.ruleset.as_ref().map_or(0, |rules| u32::try_from(rules.rules()).unwrap_or(u32::MAX));
    let web = compiled.ruleset.map(|rules| enforce(settings, rules));
    Compiled { web, rules, findings: compiled.diagnostics }
}

/// The event of an attack.
pub(super) fn event(attack: &WebAttack, rule_set: &str) -> Event {
    let module = web_application_firewall::MODULE.id;
    Event::new(attack.at, module, attack.severity, attack.action, &detail(attack, rule_set))
}
