//! REST types of the manager: what `/api/v1` takes and gives, and nothing of how the manager does it.
//!
//! camelCase, RFC 3339 times in UTC, UUIDs as text, enums as words, explicit `null`. A request with a
//! member that is not named here is refused (400), so a misspelt setting is never silently ignored.
//! Every refusal is a [`Problem`]. The `OpenAPI` document made from these types is `openapi.json`.
#![forbid(unsafe_code)]

pub mod access;
pub mod alert;
pub mod audit;
pub mod channel;
pub mod common_object;
pub mod computer;
mod content;
pub mod event;
pub mod event_based_task;
pub mod firewall;
pub mod firewall_change;
pub mod fleet;
pub mod group;
pub mod inventory;
pub mod operation;
pub mod patch;
pub mod policy;
pub mod policy_document;
pub mod policy_model;
pub mod problem;
pub mod rule;
pub mod rule_group;
pub mod search;
pub mod session;
pub mod task;
pub mod token;
pub mod upgrade;
pub mod waf;

pub use access::{Access, NotAScope, Resource, Scope};
pub use alert::{
    Alert, AlertCondition, AlertConditionPatch, AlertPatch, AlertState, AlertSummary, NewAlertCondition,
    ThresholdUnit,
};
pub use audit::AuditRecord;
pub use channel::{
    Channel, ChannelPatch, ChannelSecrets, ChannelTarget, ChannelTest, EmailTarget, HttpTarget, MailLanguage,
    MailSecurity, NewChannel, SyslogFormat, SyslogTarget, SyslogTransport,
};
pub use common_object::{CommonObject, CommonObjectPatch, NewCommonObject, ObjectKind, ObjectUse};
pub use computer::{
    BundleState, Computer, ComputerCount, ComputerCounts, ComputerModule, ComputerPatch, ComputerPort,
    ComputerStatus, CountComputersBy, Coverage, FingerprintState, ModuleState, StatusReason,
};
pub use content::ContentInForce;
pub use event::{Event, EventDetail};
pub use event_based_task::{
    CloudFacts, ConditionTried, EventBasedTask, EventBasedTaskPatch, NewEventBasedTask, TaskAction,
    TaskActionKind, TaskCondition, TaskFacts, TaskField, TaskOutcome, TaskPattern, TaskTrial, TaskTried,
    TaskVerdict, Trigger,
};
pub use firewall::{
    FirewallAnswer, FirewallDecider, FirewallDecision, FirewallFinding, FirewallFindings, FirewallLint,
    FirewallQuestion, FirewallRuleAnswer, FirewallVerdict,
};
pub use firewall_change::{
    FirewallChangeRef, FirewallChangeState, FirewallOrder, FirewallSource, FirewallStanding,
};
pub use fleet::{
    ComputerCoverage, CoverageFinding, CoverageState, FleetBrake, FleetCoverage, FleetFinding,
    FleetModuleCoverage, FleetSettings, FleetSettingsPatch, ModuleCoverage,
};
pub use group::{ComputerGroup, ComputerGroupPatch, NewComputerGroup};
pub use inventory::{
    Inventory, InventoryApplication, InventoryCloud, InventoryPackage, InventoryProcess, InventoryTag,
    RecommendationReason, Recommendations, RecommendedRule, ScanRequest,
};
pub use operation::{ExportFormat, NewEventExport, Operation, OperationKind, OperationState};
pub use patch::Patch;
pub use policy::{LocalSettingsView, Mode, NewPolicy, Policy, PolicyPatch, SettingsInForce, SettingsPatch};
pub use policy_document::{
    Applied, AppliedObject, ApplyDocument, ApplyOutcome, DocumentList, DocumentPolicy, PolicyDocument,
};
pub use policy_model::{
    ChangeKind, ComputerDryRun, ComputerSettings, ComputerSettingsPatch, DiffSide, DryRun, DryRunGroup,
    ModuleChanges, NamedComputer, OriginKind, PolicyDiff, PolicyVersion, PolicyVersionDetail, RollBack,
    SettingChange, ValueOrigin,
};
pub use problem::{FieldError, Page, Problem};
pub use rule::Rule;
pub use rule_group::FirewallRuleGroup;
pub use sakimori_modules::Explanation;
pub use search::{
    AutoTagRule, AutoTagRulePatch, CountBy, EventComment, EventCount, EventCounts, NewAutoTagRule,
    NewEventComment, NewSavedSearch, SavedSearch, SavedSearchPatch, SearchSubject, SortEventsBy,
};
pub use session::{
    ApiKey, CreatedApiKey, Credentials, NewApiKey, PasswordChange, Role, Session, SessionUser, User,
};
pub use task::{NewTask, Task, TaskKind, TaskPatch, TaskRun, TaskRunComputer, TaskRunState};
pub use token::{ActivationToken, CreatedActivationToken, NewActivationToken};
pub use upgrade::{
    AgentPackage, NewUpgrade, NewUpgradeRing, Upgrade, UpgradeComputer, UpgradePlan, UpgradeRing,
    UpgradeRollBack, UpgradeState, UpgradeWindow,
};
pub use waf::{
    NewWafExclusion, WafEffect, WafEffectExample, WafEffectQuestion, WafExclusionMade, WafFinding, WafRuleSet,
};

/// The committed `OpenAPI` document.
pub const OPENAPI: &str = include_str!("../openapi.json");
