//! Policies and lists as a document: what is exported, kept in Git, and applied.
use crate::common_object::ObjectKind;
use crate::policy::LocalSettingsView;
use crate::policy_model::DryRun;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Policies and lists, by their names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyDocument {
    /// Version of this form: 1.
    #[schema(minimum = 1, maximum = 1)]
    pub sakimori: u32,
    /// The lists that settings refer to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 2000)]
    pub lists: Vec<DocumentList>,
    /// The policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub policies: Vec<DocumentPolicy>,
}

/// A list in a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentList {
    /// What it is a list of.
    pub kind: ObjectKind,
    /// The name by which settings refer to it.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its items.
    pub items: Vec<String>,
}

/// A policy in a document: what is not named here is inherited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentPolicy {
    /// Its name; a policy of this name is changed, else made.
    pub name: String,
    /// The name of the policy it inherits from; none where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// All that it sets itself.
    #[serde(default)]
    pub settings: LocalSettingsView,
}

/// Makes policies and lists what a document says, all or nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyDocument {
    /// The document.
    pub document: PolicyDocument,
    /// Whether only to say what would change.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether policies and lists that the document does not name are deleted, those of the product excepted.
    #[serde(default)]
    pub prune: bool,
    /// What to remember of it in the history of the policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub comment: Option<String>,
}

/// What a document changed, or would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Whether nothing was saved.
    pub dry_run: bool,
    /// Each policy and list that the document names, and what is deleted.
    pub objects: Vec<AppliedObject>,
    /// Which computers enforce something else, and how.
    pub effect: DryRun,
}

/// What became of a policy or a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedObject {
    /// `policy`, or the kind of the list.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub outcome: ApplyOutcome,
    /// Its id; nothing where it would be made.
    #[schema(required)]
    pub id: Option<Uuid>,
}

/// What became of a member of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApplyOutcome {
    /// It was as the document says.
    Unchanged,
    /// It was made.
    Created,
    /// It was changed.
    Changed,
    /// It was deleted: the document does not name it.
    Deleted,
}
