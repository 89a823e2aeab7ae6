//! Rules of the content pack.
use crate::Explanation;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A rule of the content pack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Signature id.
    pub sid: u32,
    /// Revision.
    pub rev: u32,
    /// What it finds.
    pub message: String,
    /// Its name for people.
    pub title: Explanation,
    /// The hole and what the rule stops.
    pub description: Explanation,
    /// `CVE-2017-1001000`.
    pub cves: Vec<String>,
    /// CVSS base score.
    #[schema(required)]
    pub cvss: Option<f64>,
    /// `info`, `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// What it protects: `Web Application`.
    pub application_type: String,
    /// Versions that have the hole.
    pub affected: String,
    /// Day the rule was first published.
    pub published: String,
    /// Day the rule was last changed.
    pub updated: String,
    /// Where to read about it.
    pub references: Vec<String>,
    /// The rule as written in its language.
    pub text: String,
    /// The pack it came with.
    pub pack: String,
}
