//! The policy of the story: all six modules on, and nothing of the machine outside the lab's own folders looked at.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::fleet::text;
use crate::rest::Api;
use crate::{blog, fleet, wait};

/// The policy's name.
pub(crate) const NAME: &str = "Blog";
/// The modules that have to be on.
pub(crate) const MODULES: [&str; 6] = [
    "firewall",
    "intrusion-prevention",
    "anti-malware",
    "integrity-monitoring",
    "log-inspection",
    "web-reputation",
];
/// A port that is open to the blog's own machines alone.
pub(crate) const DATABASE: u16 = 5432;
/// How long scans of a few files and the way to the manager may take on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Makes the policy, as a child of "Web server".
pub(crate) fn create(api: &Api<'_>) -> anyhow::Result<()> {
    let policies = api.list("/policies")?;
    let parent = policies.iter().find(|policy| text(policy, "/name") == "Web server");
    let parent = parent.context("the policy 'Web server' comes with the product")?;
    // What is watched by default lies on the machine itself: left out, one by one.
    let without = |pointer: &str| -> Map<String, Value> {
        let keys = parent.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        keys.map(|(key, _)| (key.clone(), json!("excluded"))).collect()
    };
    let mut sets = without("/settings/integrity-monitoring/sets");
    let page = json!({"base": blog::FOLDER, "include": ["about.html", "*.php"], "severity": "high", "realTime": true});
    sets.insert("pages".to_owned(), page);
    let mut sources = without("/settings/log-inspection/sources");
    sources.insert("access".to_owned(), json!({"path": blog::ACCESS_LOG, "format": "plain"}));
    let settings = json!({
        "firewall": {"mode": "prevent", "defaultInbound": "deny",
            "rules": {"website": {"action": "allow", "direction": "in", "protocol": "tcp", "ports": ["80"]}}},
        "intrusion-prevention": {"mode": "prevent", "defaultRuleMode": "prevent", "assignRecommended": true},
        "anti-malware": {"mode": "prevent", "action": "quarantine", "realTime": true,
            "roots": {"/": false, blog::FOLDER: true}},
        "integrity-monitoring": {"mode": "detect", "sets": sets},
        "log-inspection": {"mode": "detect", "sources": sources},
        "web-reputation": {"mode": "prevent"},
        "recommendation": {"mode": "detect", "webRoots": [blog::FOLDER]},
    });
    let description = "The blog's server: every module on.";
    let wish = json!({"name": NAME, "description": description, "parentId": text(parent, "/id"), "settings": settings});
    api.post("/policies", &wish)?;
    Ok(())
}

/// Waits until something is recommended, and what is recommended is enforced. Gives the computer and its recommendations.
pub(crate) fn recommended_and_enforced(api: &Api<'_>) -> anyhow::Result<(Value, Value)> {
    wait::until("the recommended rules to be enforced", PATIENCE, || {
        let computer = fleet::computer_enforcing(api, NAME)?;
        let found = api.get(&format!("/computers/{}/recommendations", text(&computer, "/id")))?;
        let rules = found.get("rules").and_then(Value::as_array).map_or(0, Vec::len);
        let enforced = module(&computer, "intrusion-prevention")
            .and_then(|module| module.get("rules")?.as_u64())
            .unwrap_or_default();
        if rules == 0 || usize::try_from(enforced).unwrap_or_default() != rules {
            bail!("{rules} rules recommended, {enforced} enforced");
        }
        Ok(Some((computer, found)))
    })
}

/// Waits until every module does what it should and knows its files. Gives the computer.
pub(crate) fn all_on(api: &Api<'_>) -> anyhow::Result<Value> {
    wait::until("all modules to be on", PATIENCE, || {
        let computer = fleet::computer_enforcing(api, NAME)?;
        for name in MODULES {
            let module = module(&computer, name).with_context(|| format!("no status of {name}"))?;
            let building =
                module.get("reasons").is_some_and(|reasons| reasons.to_string().contains("building"));
            if !matches!(text(module, "/state"), "active" | "degraded") || building {
                bail!("{name}: {module}");
            }
        }
        Ok(Some(computer))
    })
}

/// How a module of a computer is.
fn module<'json>(computer: &'json Value, name: &str) -> Option<&'json Value> {
    computer.get("modules")?.as_array()?.iter().find(|module| text(module, "/module") == name)
}
