//! Ready groups of firewall rules.
use super::auth::{Access, Caller, Resource};
use crate::problem::Refused;
use axum::Json;
use sakimori_api::{Explanation, FirewallRuleGroup, Page};
use sakimori_modules::firewall::{GROUPS, RuleGroup};
use sakimori_modules::words::Text;

/// The ready groups of firewall rules.
#[utoipa::path(get, path = "/firewall/rule-groups", tag = "policies", operation_id = "listFirewallRuleGroups",
    responses((status = 200, body = Page<FirewallRuleGroup>)))]
pub(super) async fn list(caller: Caller) -> Result<Json<Page<FirewallRuleGroup>>, Refused> {
    caller.may(Resource::Policies, Access::Read)?;
    Ok(Json(Page { items: GROUPS.iter().map(shown).collect(), next_cursor: None }))
}

fn shown(group: &RuleGroup) -> FirewallRuleGroup {
    let words = |text: &Text| Explanation::new(text.en.to_owned(), text.ja.to_owned());
    FirewallRuleGroup {
        id: group.id.to_owned(),
        title: words(&group.title),
        about: words(&group.about),
        asks_remote: group.asks_remote,
        rules: group.rules(&[]),
    }
}
