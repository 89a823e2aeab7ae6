//! From an event to narrow exclusions, and what exclusions would have made of events.

use sakimori_modules::web_application_firewall::{Exclusion, WebAttack, WebAttackRule};
use std::collections::BTreeMap;

/// What is left of an event with exclusions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Rules that would still match.
    pub rules: usize,
    /// Whether a blocking policy would still stop it.
    pub would_block: bool,
}

/// Exclusions for what rules found in an event, by name: each rule (or `only` one) for each variable, on its path. A variable
/// that an exclusion cannot name gives the collection without the name, or the rule as a whole.
pub fn propose(event: &WebAttack, only: Option<u64>) -> BTreeMap<String, Exclusion> {
    let mut proposed = BTreeMap::new();
    let path = if Exclusion::path_fits(&event.path) { event.path.as_str() } else { "" };
    for rule in event.rules.iter().filter(|rule| only.is_none_or(|only| rule.id == only)) {
        let mut variables: Vec<String> = rule.targets.iter().map(|target| named(&target.variable)).collect();
        if variables.is_empty() || variables.iter().any(String::is_empty) {
            variables = vec![String::new()];
        }
        for variable in variables {
            let mut name = rule.id.to_string();
            if !variable.is_empty() {
                name = format!("{name} {variable}");
            }
            if !path.is_empty() {
                name = format!("{name} {path}");
            }
            let exclusion = Exclusion {
                rule: rule.id,
                tag: String::new(),
                variable,
                path: path.to_owned(),
                note: format!("{} {}", event.incident, rule.message).chars().take(200).collect(),
            };
            proposed.insert(name, exclusion);
        }
    }
    proposed
}

/// A variable as an exclusion names it; empty where it cannot.
fn named(variable: &str) -> String {
    let collection = variable.split(':').next().unwrap_or_default();
    [variable, collection]
        .into_iter()
        .find(|name| Exclusion::variable_fits(name))
        .map(str::to_owned)
        .unwrap_or_default()
}

/// What is left of an event with these exclusions, as far as it says what matched.
pub fn left(event: &WebAttack, exclusions: &[&Exclusion]) -> Left {
    let here: Vec<&&Exclusion> =
        exclusions.iter().filter(|exclusion| covers_path(&exclusion.path, &event.path)).collect();
    let falls = |rule: &WebAttackRule| {
        let named: Vec<&&&Exclusion> = here
            .iter()
            .filter(|exclusion| match exclusion.rule {
                0 => rule.tags.contains(&exclusion.tag),
                id => id == rule.id,
            })
            .collect();
        let off = |variable: &str| named.iter().any(|exclusion| covers(&exclusion.variable, variable));
        named.iter().any(|exclusion| exclusion.variable.is_empty())
            || !rule.targets.is_empty() && rule.targets.iter().all(|target| off(&target.variable))
    };
    let mut score = event.score;
    let mut rules = usize::try_from(event.more_rules).unwrap_or(usize::MAX);
    let mut decided = event.decided_by != 0;
    for rule in &event.rules {
        if !falls(rule) {
            rules += 1;
            continue;
        }
        if rule.paranoia_level <= event.paranoia_level {
            score = score.saturating_sub(points(&rule.severity));
        }
        decided &= rule.id != event.decided_by;
    }
    // Where no score counts, a rule has decided by itself.
    let scored = event.threshold > 0 && event.score >= event.threshold;
    let would_block =
        event.would_block && if scored { score >= event.threshold } else { decided || event.decided_by == 0 };
    Left { rules, would_block }
}

/// What a rule adds to the score, by the rule set's own numbers.
fn points(severity: &str) -> u32 {
    match severity {
        "critical" => 5,
        "error" => 4,
        "warning" => 3,
        "notice" => 2,
        _ => 0,
    }
}

fn covers_path(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(stem) => path.starts_with(stem),
        None => pattern.is_empty() || pattern == path,
    }
}

/// Whether an excluded variable is this one: the name is compared without case, as the engine does.
fn covers(excluded: &str, variable: &str) -> bool {
    excluded.eq_ignore_ascii_case(variable)
        || !excluded.contains(':')
            && variable.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case(excluded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sakimori_modules::intrusion_prevention::HttpSummary;
    use sakimori_modules::web_application_firewall::WebAttackTarget;

    fn event() -> WebAttack {
        let rule = |id, severity: &str, variables: &[&str]| WebAttackRule {
            id,
            message: "found".into(),
            severity: severity.into(),
            paranoia_level: 1,
            tags: vec!["attack-sqli".into()],
            file: String::new(),
            line: 1,
            targets: variables
                .iter()
                .map(|variable| WebAttackTarget {
                    variable: (*variable).into(),
                    value: String::new(),
                    data: String::new(),
                })
                .collect(),
        };
        WebAttack {
            incident: "SKM-1".into(),
            message: String::new(),
            seen_in: "request".into(),
            would_block: true,
            decided_by: 949_110,
            score: 8,
            threshold: 5,
            detection_score: 8,
            paranoia_level: 1,
            rule_ids: vec![],
            rules: vec![
                rule(942_100, "critical", &["ARGS:q", "ARGS:it's"]),
                rule(920_350, "warning", &["REQUEST_HEADERS:Host"]),
            ],
            more_rules: 0,
            rule_set: String::new(),
            path: "/search".into(),
            client: String::new(),
            client_port: 1,
            server: String::new(),
            server_port: 80,
            http: HttpSummary {
                method: String::new(),
                host: String::new(),
                target: String::new(),
                user_agent: String::new(),
            },
        }
    }

    #[test]
    fn what_is_proposed_takes_exactly_that_away() {
        let event = event();
        let proposed = propose(&event, Some(942_100));
        let names: Vec<&str> = proposed.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["942100 ARGS /search", "942100 ARGS:q /search"],
            "a name that no rule can have widens it"
        );
        let all: Vec<&Exclusion> = proposed.values().collect();
        assert_eq!(left(&event, &all), Left { rules: 1, would_block: false });
        let narrow: Vec<&Exclusion> = proposed.values().filter(|one| one.variable == "ARGS:q").collect();
        assert_eq!(left(&event, &narrow), Left { rules: 2, would_block: true }, "the other argument stays");
        let elsewhere = Exclusion { path: "/other".into(), variable: String::new(), ..all[0].clone() };
        assert_eq!(left(&event, &[&elsewhere]), Left { rules: 2, would_block: true });
        let by_tag = Exclusion { tag: "attack-sqli".into(), ..Exclusion::default() };
        assert_eq!(left(&event, &[&by_tag]), Left { rules: 0, would_block: false });
    }
}
