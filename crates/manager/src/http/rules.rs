//! Rules of the content pack.
use sakimori_api::{Page, Rule};

/// Filter of a list of rules.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RuleQuery {
    /// Only rules whose message, CVE or sid contains this text.
    pub(super) q: Option<String>,
    /// At most so many, 1 to 500; 100 where absent.
    pub(super) limit: Option<u32>,
    /// The `nextCursor` of the part before.
    pub(super) cursor: Option<String>,
}

/// The rules, by sid.
#[utoipa::path(get, path = "/rules", tag = "rules", operation_id = "listRules", params(RuleQuery),
    responses((status = 200, body = Page<Rule>)))]
pub(super) async fn list() {}

/// One rule.
#[utoipa::path(get, path = "/rules/{sid}", tag = "rules", operation_id = "getRule", params(("sid" = u32, Path)),
    responses((status = 200, body = Rule)))]
pub(super) async fn get() {}
