//! The module's settings → directives before and behind a rule set, and the whole as a configuration of the engine.

use crate::files::{RuleFiles, is_directives, rank};
use sakimori_modules::Mode;
use sakimori_modules::web_application_firewall::{BeyondLimit, Exclusion, WebApplicationFirewall};
use sakimori_seclang::{Compiled, Loader, RECOMMENDED, SourceFile, compile, profiles};
use std::fmt::Write as _;

/// Numbers of the rules that are made here begin behind this one: of the range that is kept for local use.
const OWN_RULES: u64 = 98_000;
/// What the made files are called in findings.
const POLICY_FILE: &str = "policy.conf";
const LIMITS_FILE: &str = "policy-limits.conf";

/// A rule set with what the policy says of it.
#[derive(Debug)]
pub struct Configuration {
    /// What became of it.
    pub compiled: Compiled,
}

/// Compiles a rule set as the policy says.
pub fn configure(settings: &WebApplicationFirewall, rules: &RuleFiles) -> Configuration {
    let (before, behind) = generated(settings, rules);
    let file = |name: &str, text: &str| SourceFile { name: name.to_owned(), text: text.as_bytes().to_vec() };
    let mut files = vec![file("recommended.conf", RECOMMENDED)];
    // The rule set's own settings go first: the policy has the last word on what both say.
    let (own, others): (Vec<_>, Vec<_>) =
        rules.directives().partition(|rule_file| rank(&rule_file.name, false) <= 1);
    files.extend(own.into_iter().map(|rule_file| file(&rule_file.name, &rule_file.text)));
    files.push(file(POLICY_FILE, &before));
    if has_profile(settings, "wordpress") {
        files.push(file("profile-wordpress.conf", profiles::WORDPRESS));
    }
    files.extend(others.into_iter().map(|rule_file| file(&rule_file.name, &rule_file.text)));
    files.push(file(LIMITS_FILE, &behind));
    Configuration { compiled: compile(&files, &Lists(rules)) }
}

/// The directives that the policy comes to: those before the rules, and those behind them.
pub fn generated(settings: &WebApplicationFirewall, rules: &RuleFiles) -> (String, String) {
    let mut before = String::new();
    let mut id = OWN_RULES;
    let mut next = || {
        id += 1;
        id
    };
    let mut sets: Vec<String> = [
        // of version 4, and of version 3
        ("blocking_paranoia_level", settings.paranoia_level.into()),
        ("paranoia_level", settings.paranoia_level.into()),
        ("detection_paranoia_level", settings.detection_paranoia_level.into()),
        ("executing_paranoia_level", settings.detection_paranoia_level.into()),
        ("inbound_anomaly_score_threshold", settings.inbound_threshold),
        ("outbound_anomaly_score_threshold", settings.outbound_threshold),
    ]
    .into_iter()
    .map(|(name, value): (&str, u32)| format!("setvar:tx.{name}={value}"))
    .collect();
    if !rules.has_setup() {
        // Rules without their settings refuse every request.
        sets.push("setvar:tx.crs_setup_version=400".to_owned());
    }
    if has_profile(settings, "wordpress") {
        // version 3 has a profile of its own
        sets.push("setvar:tx.crs_exclusions_wordpress=1".to_owned());
    }
    let _infallible =
        writeln!(before, "SecAction \"id:{},phase:1,pass,t:none,nolog,{}\"", next(), sets.join(","));
    for exclusion in settings.exclusions.values() {
        rule(&mut before, next(), &exclusion.path, &control(exclusion));
    }
    // How much of which request is handed over is decided by whoever does so.
    let most = settings
        .body_limits
        .values()
        .copied()
        .chain([settings.request_body_bytes, settings.upload_bytes])
        .max();
    let most = most.unwrap_or_default();
    let engine = if settings.mode == Mode::Prevent { "On" } else { "DetectionOnly" };
    let beyond = match settings.beyond_limit {
        BeyondLimit::Reject => "Reject",
        BeyondLimit::Partial => "ProcessPartial",
    };
    let responses = if settings.inspect_responses { "On" } else { "Off" };
    let behind = format!(
        "SecRuleEngine {engine}\nSecRequestBodyAccess On\nSecRequestBodyLimit {most}\nSecRequestBodyNoFilesLimit {most}\n\
         SecRequestBodyLimitAction {beyond}\nSecResponseBodyAccess {responses}\nSecResponseBodyLimit {}\n\
         SecResponseBodyLimitAction ProcessPartial\n",
        settings.response_body_bytes
    );
    (before, behind)
}

fn has_profile(settings: &WebApplicationFirewall, name: &str) -> bool {
    settings.profiles.get(name).copied().unwrap_or_default()
}

/// A rule that does something on a path, or everywhere.
fn rule(text: &mut String, id: u64, path: &str, action: &str) {
    let _infallible = match (path, path.strip_suffix('*')) {
        ("", _) => writeln!(text, "SecAction \"id:{id},phase:1,pass,t:none,nolog,{action}\""),
        (_, Some(stem)) => writeln!(
            text,
            "SecRule REQUEST_FILENAME \"@beginsWith {stem}\" \"id:{id},phase:1,pass,t:none,nolog,{action}\""
        ),
        _ => writeln!(
            text,
            "SecRule REQUEST_FILENAME \"@streq {path}\" \"id:{id},phase:1,pass,t:none,nolog,{action}\""
        ),
    };
}

fn control(exclusion: &Exclusion) -> String {
    let variable = &exclusion.variable;
    match exclusion.rule {
        0 if variable.is_empty() => format!("ctl:ruleRemoveByTag={}", exclusion.tag),
        0 => format!("ctl:ruleRemoveTargetByTag={};{variable}", exclusion.tag),
        rule if variable.is_empty() => format!("ctl:ruleRemoveById={rule}"),
        rule => format!("ctl:ruleRemoveTargetById={rule};{variable}"),
    }
}

/// Lists by their names; rules write them with or without folders.
struct Lists<'a>(&'a RuleFiles);

impl Loader for Lists<'_> {
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let found = self.0.files.iter().find(|file| file.name == name && !is_directives(name));
        found.map(|file| file.text.clone().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::RuleFile;

    #[test]
    fn what_a_policy_may_say_compiles_before_and_behind_the_rules() {
        let exclusion = |rule: u64, tag: &str, variable: &str, path: &str| Exclusion {
            rule,
            tag: tag.to_owned(),
            variable: variable.to_owned(),
            path: path.to_owned(),
            ..Exclusion::default()
        };
        let exclusions = [
            exclusion(7, "", "", ""),
            exclusion(7, "", "ARGS:a[0].b-c", "/x"),
            exclusion(0, "attack-sqli", "", "/wp-admin/*"),
            exclusion(0, "attack-sqli", "REQUEST_COOKIES:s", "/緑茶/*"),
            exclusion(7, "", "ARGS", ""),
        ];
        let settings = WebApplicationFirewall {
            mode: Mode::Prevent,
            profiles: [("wordpress".to_owned(), true)].into(),
            exclusions: exclusions.into_iter().enumerate().map(|(n, one)| (n.to_string(), one)).collect(),
            ..WebApplicationFirewall::default()
        };
        assert_eq!(sakimori_modules::Settings::check(&settings), []);
        let text = "SecRule ARGS \"@contains tea\" \"id:7,phase:2,deny,tag:'attack-sqli'\"".to_owned();
        let rules = RuleFiles { files: vec![RuleFile { name: "a.conf".to_owned(), text }] };
        let compiled = configure(&settings, &rules).compiled;
        assert_eq!(compiled.diagnostics, []);
        assert!(compiled.ruleset.is_some());
    }
}
