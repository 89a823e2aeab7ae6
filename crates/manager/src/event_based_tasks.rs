//! Which event-based tasks fit a computer, and what they come to: a pure function of tasks and facts.
//!
//! Tasks are asked in the order of their places. Of each thing (policy, group, each tag, whether it keeps its
//! identity) the first task that fits and says something decides; what later ones say of it is overruled.
//! Of a computer's policy, a task counts more than the deployment script, which counts more than the default.
use crate::network::Network;
use sakimori_api::{
    CloudFacts, ConditionTried, TaskAction, TaskActionKind, TaskCondition, TaskField, TaskOutcome,
    TaskPattern, TaskTried, TaskVerdict, Trigger,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Most tasks of a tenant: each is asked of each computer that comes.
pub const MAX_TASKS: usize = 500;
/// Bound of a compiled expression, in bytes: expressions of the field take a tenth.
const REGEX_BYTES: usize = 256 << 10;

/// What a task waits for, asks and does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What it waits for, any of these.
    pub triggers: Vec<Trigger>,
    /// All of which have to be met.
    pub conditions: Vec<TaskCondition>,
    /// What is done.
    pub actions: Vec<TaskAction>,
}

/// A task that is in force.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// Id.
    pub id: Uuid,
    /// Its name.
    pub name: &'a str,
    /// What it says.
    pub rule: &'a Rule,
}

/// What conditions look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Host name.
    pub host_name: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Operating system.
    pub platform: String,
    /// Names of its group and of those above.
    pub groups: Vec<String>,
    /// What the cloud says.
    pub cloud: Option<CloudFacts>,
    /// Addresses of its interfaces.
    pub addresses: Vec<String>,
    /// The address from which it reached the manager.
    pub source: String,
    /// Id and name of the token.
    pub token: Vec<String>,
}

/// Why a condition cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// The expression.
    #[error("The expression is not valid: {0}")]
    Regex(String),
    /// The network.
    #[error("Write an address or a network: 10.0.0.0/8, 2001:db8::/32.")]
    Network,
    /// A network of something that is no address.
    #[error("A network is asked of address and source-address alone.")]
    NotAnAddress,
    /// The key is missing, or is one too much.
    #[error("A key is given for tag and cloud-tag, and for nothing else.")]
    Key,
}

/// Whether a condition can be asked.
///
/// # Errors
/// Why not.
pub fn check(condition: &TaskCondition) -> Result<(), ConditionError> {
    let keyed = matches!(condition.field, TaskField::Tag | TaskField::CloudTag);
    if keyed != condition.key.as_ref().is_some_and(|key| !key.is_empty()) {
        return Err(ConditionError::Key);
    }
    match condition.pattern {
        TaskPattern::Glob => Ok(()),
        TaskPattern::Regex => expression(&condition.value).map(drop),
        TaskPattern::Network if !matches!(condition.field, TaskField::Address | TaskField::SourceAddress) => {
            Err(ConditionError::NotAnAddress)
        }
        TaskPattern::Network => {
            condition.value.parse::<Network>().map(drop).map_err(|_not| ConditionError::Network)
        }
    }
}

/// Which tasks fit, and what they come to.
pub fn evaluate(tasks: &[Task<'_>], trigger: Trigger, facts: &Facts) -> TaskVerdict {
    let mut outcome = TaskOutcome::default();
    let waiting = tasks.iter().filter(|task| task.rule.triggers.contains(&trigger));
    let tasks = waiting.map(|task| tried(*task, facts, &mut outcome)).collect();
    TaskVerdict { tasks, outcome }
}

fn tried(task: Task<'_>, facts: &Facts, outcome: &mut TaskOutcome) -> TaskTried {
    let conditions: Vec<ConditionTried> =
        task.rule.conditions.iter().map(|condition| asked(condition, facts)).collect();
    let fits = conditions.iter().all(|condition| condition.met);
    let (mut decides, mut overruled) = (Vec::new(), Vec::new());
    for action in task.rule.actions.iter().filter(|_| fits) {
        if decide(action, outcome) { &mut decides } else { &mut overruled }.push(action.action);
    }
    TaskTried { id: task.id, name: task.name.to_owned(), fits, conditions, decides, overruled }
}

/// Lays an action into the outcome; false where something before it has decided the same.
fn decide(action: &TaskAction, outcome: &mut TaskOutcome) -> bool {
    match action.action {
        TaskActionKind::AssignPolicy => first(&mut outcome.policy_id, action.policy_id),
        TaskActionKind::AssignGroup => first(&mut outcome.group_id, action.group_id),
        TaskActionKind::AddTags => {
            let mut added = false;
            for (key, value) in action.tags.iter().flatten() {
                if !outcome.tags.contains_key(key) {
                    outcome.tags.insert(key.clone(), value.clone());
                    added = true;
                }
            }
            added
        }
        TaskActionKind::MarkEphemeral => !std::mem::replace(&mut outcome.ephemeral, true),
        kind @ (TaskActionKind::Activate | TaskActionKind::Deactivate | TaskActionKind::Delete) => {
            first(&mut outcome.identity, Some(kind))
        }
    }
}

fn first<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    if slot.is_some() || value.is_none() {
        return false;
    }
    *slot = value;
    true
}

fn asked(condition: &TaskCondition, facts: &Facts) -> ConditionTried {
    let values = values(condition, facts);
    let fits = match condition.pattern {
        TaskPattern::Glob => values.iter().any(|value| glob(&condition.value, value)),
        TaskPattern::Regex => {
            expression(&condition.value).is_ok_and(|regex| values.iter().any(|value| regex.is_match(value)))
        }
        TaskPattern::Network => condition.value.parse::<Network>().is_ok_and(|network| {
            values.iter().filter_map(|value| value.parse().ok()).any(|address| network.contains(address))
        }),
    };
    ConditionTried { condition: condition.clone(), met: fits != condition.negate, values }
}

fn values(condition: &TaskCondition, facts: &Facts) -> Vec<String> {
    let key = condition.key.as_deref().unwrap_or_default();
    let said = |text: &str| if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
    let cloud = |text: fn(&CloudFacts) -> &String| {
        facts.cloud.as_ref().map_or_else(Vec::new, |cloud| said(text(cloud)))
    };
    match condition.field {
        TaskField::HostName => said(&facts.host_name),
        TaskField::Tag => facts.tags.get(key).cloned().into_iter().collect(),
        TaskField::Platform => said(&facts.platform),
        TaskField::Group => facts.groups.clone(),
        TaskField::CloudProvider => cloud(|c| &c.provider),
        TaskField::CloudAccount => cloud(|c| &c.account),
        TaskField::CloudRegion => cloud(|c| &c.region),
        TaskField::CloudName => cloud(|c| &c.name),
        TaskField::CloudScaleSet => cloud(|c| &c.scale_set),
        TaskField::CloudImage => cloud(|c| &c.image),
        TaskField::CloudTag => {
            facts.cloud.as_ref().and_then(|cloud| cloud.tags.get(key)).cloned().into_iter().collect()
        }
        TaskField::Address => facts.addresses.clone(),
        TaskField::SourceAddress => said(&facts.source),
        TaskField::Token => facts.token.clone(),
    }
}

fn expression(text: &str) -> Result<regex::Regex, ConditionError> {
    let built = regex::RegexBuilder::new(text).size_limit(REGEX_BYTES).nest_limit(50).build();
    built.map_err(|error| ConditionError::Regex(error.to_string()))
}

/// `*` any characters, `?` one. Goes back at most to the last `*`: length of pattern times length of text at worst.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t, mut star) = (0, 0, None);
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(q) if *q == '?' || q == c => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(field: TaskField, key: &str, pattern: TaskPattern, value: &str) -> TaskCondition {
        let key = (!key.is_empty()).then(|| key.to_owned());
        TaskCondition { field, key, pattern, value: value.to_owned(), negate: false }
    }

    fn action(action: TaskActionKind, policy: Option<u128>, tags: &[(&str, &str)]) -> TaskAction {
        let tags: BTreeMap<String, String> =
            tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        TaskAction {
            action,
            policy_id: policy.map(Uuid::from_u128),
            group_id: None,
            tags: (!tags.is_empty()).then_some(tags),
        }
    }

    fn facts() -> Facts {
        Facts {
            host_name: "Web-17".to_owned(),
            tags: BTreeMap::from([
                ("role".to_owned(), "web".to_owned()),
                ("canary".to_owned(), String::new()),
            ]),
            addresses: vec!["10.1.2.3".to_owned(), "2001:db8::1".to_owned()],
            source: "192.0.2.9".to_owned(),
            cloud: Some(CloudFacts {
                region: "japaneast".to_owned(),
                tags: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
                ..CloudFacts::default()
            }),
            ..Facts::default()
        }
    }

    #[test]
    fn each_pattern_fits_what_it_says_and_nothing_else() {
        use TaskField::{Address, CloudProvider, CloudTag, HostName, SourceAddress, Tag};
        use TaskPattern::{Glob, Network, Regex};
        for (field, key, pattern, value, fits) in [
            (HostName, "", Glob, "web-*", true),
            (HostName, "", Glob, "web-1?", true),
            (HostName, "", Glob, "web", false),
            (HostName, "", Glob, "*-*7", true),
            (HostName, "", Regex, r"^Web-\d+$", true),
            (HostName, "", Regex, r"^\d+$", false),
            (Tag, "role", Glob, "web", true),
            (Tag, "canary", Glob, "", true),
            (Tag, "none", Glob, "*", false),
            (CloudTag, "env", Glob, "pro*", true),
            (CloudProvider, "", Glob, "*", false),
            (Address, "", Network, "10.0.0.0/8", true),
            (Address, "", Network, "2001:db8::/32", true),
            (Address, "", Network, "10.2.0.0/16", false),
            (SourceAddress, "", Network, "192.0.2.9", true),
            (SourceAddress, "", Network, "0.0.0.0/0", true),
        ] {
            let condition = condition(field, key, pattern, value);
            assert_eq!(check(&condition), Ok(()));
            assert_eq!(asked(&condition, &facts()).met, fits, "{condition:?}");
            let negated = TaskCondition { negate: true, ..condition };
            assert_eq!(asked(&negated, &facts()).met, !fits, "{negated:?}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused_before_it_is_kept() {
        use TaskField::{Address, HostName, Tag};
        use TaskPattern::{Glob, Network, Regex};
        let refused = |field, key: &str, pattern, value: &str| {
            check(&condition(field, key, pattern, value)).unwrap_err()
        };
        assert!(matches!(refused(HostName, "", Regex, "("), ConditionError::Regex(_)));
        assert!(matches!(refused(HostName, "", Regex, "(a{1000}){1000}"), ConditionError::Regex(_)));
        assert_eq!(refused(HostName, "", Network, "10.0.0.0/8"), ConditionError::NotAnAddress);
        assert_eq!(refused(Address, "", Network, "10.0.0.0/33"), ConditionError::Network);
        assert_eq!(refused(Tag, "", Glob, "x"), ConditionError::Key);
        assert_eq!(refused(HostName, "k", Glob, "x"), ConditionError::Key);
    }

    #[test]
    fn of_each_thing_the_first_task_that_fits_decides() {
        use TaskActionKind::{Activate, AddTags, AssignPolicy, Deactivate};
        let rule = |host: &str, actions: Vec<TaskAction>| Rule {
            triggers: vec![Trigger::Activated],
            conditions: vec![condition(TaskField::HostName, "", TaskPattern::Glob, host)],
            actions,
        };
        let rules = [
            rule("db-*", vec![action(AssignPolicy, Some(1), &[])]),
            rule("web-*", vec![action(AssignPolicy, Some(2), &[]), action(AddTags, None, &[("a", "1")])]),
            rule(
                "*",
                vec![
                    action(AssignPolicy, Some(3), &[]),
                    action(AddTags, None, &[("a", "2"), ("b", "2")]),
                    action(Activate, None, &[]),
                    action(Deactivate, None, &[]),
                ],
            ),
        ];
        let tasks: Vec<Task<'_>> =
            (1..).zip(&rules).map(|(id, rule)| Task { id: Uuid::from_u128(id), name: "t", rule }).collect();
        let verdict = evaluate(&tasks, Trigger::Activated, &facts());
        let fits: Vec<bool> = verdict.tasks.iter().map(|task| task.fits).collect();
        assert_eq!(fits, [false, true, true]);
        assert_eq!(verdict.outcome.policy_id, Some(Uuid::from_u128(2)));
        let tags: Vec<(&str, &str)> =
            verdict.outcome.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(tags, [("a", "1"), ("b", "2")]);
        assert_eq!(verdict.outcome.identity, Some(Activate));
        let last = verdict.tasks.last().unwrap();
        assert_eq!(last.overruled, [AssignPolicy, Deactivate]);
        assert!(evaluate(&tasks, Trigger::Returned, &facts()).tasks.is_empty());
    }
}
