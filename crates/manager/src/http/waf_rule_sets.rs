//! Rule sets of the web application firewall: imported as their makers release them, checked at once, never changed.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Query, name};
use crate::app::App;
use crate::clock;
use crate::outgoing::causes;
use crate::policy_tree::Tree;
use crate::problem::{Refused, field_error};
use crate::store::{Change, WafRuleSetRow};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use sakimori_api::{FieldError, Page, WafFinding, WafRuleSet};
use sakimori_model::{Diagnostic, Level};
use sakimori_modules::Mode;
use sakimori_modules::web_application_firewall::WebApplicationFirewall;
use sakimori_protocol::Hash;
use sakimori_waf::{RuleFiles, Upload, configure, unpack};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// Most rule sets of a tenant.
const RULE_SETS: usize = 20;
/// Bytes of an upload: a release with its tests has less than one million.
const UPLOAD_BYTES: usize = 16 << 20;
/// Findings that are told.
const FINDINGS: usize = 100;

/// How a rule set is imported.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportQuery {
    /// The name by which policies will call it; else one is made of its version.
    #[param(max_length = 128)]
    name: Option<String>,
    /// The uploaded file's name: `coreruleset-4.29.0.tar.gz`, `own.conf`.
    #[param(max_length = 255)]
    file: Option<String>,
    /// A rule set whose files the new one has beside these; a file of the same name counts in place of the older one.
    base: Option<Uuid>,
}

fn shown(tree: &Tree, row: &WafRuleSetRow) -> WafRuleSet {
    let uses = |policy: &&crate::store::PolicyRow| {
        let in_force = tree.in_force(policy, None);
        let off = in_force.modules.get("web-application-firewall").is_none_or(|waf| {
            waf.values.get("mode").and_then(serde_json::Value::as_str).is_none_or(|mode| mode == "off")
        });
        let named = Tree::named_rule_set(&in_force);
        named == row.name || !off && tree.rule_set(named).is_some_and(|used| used.id == row.id)
    };
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    WafRuleSet {
        id: row.id,
        name: row.name.clone(),
        version: row.version.clone(),
        rules: number(row.rules),
        files: row.files.clone(),
        sha256: row.hash.clone(),
        size: number(row.size),
        warnings: row.warnings.clone(),
        policies: tree.policies.iter().filter(uses).map(|policy| policy.name.clone()).collect(),
        imported_at: clock::text(row.imported_at),
    }
}

fn change<'a>(action: &'a str, row: &WafRuleSetRow, now_there: bool) -> Change<'a> {
    let value = serde_json::json!({
        "name": row.name, "version": row.version, "rules": row.rules, "sha256": row.hash,
    });
    let (before, after) = if now_there { (None, Some(value)) } else { (Some(value), None) };
    Change { action, object_kind: "waf-rule-set", object_id: row.id.to_string(), before, after }
}

/// The rule sets of the web application firewall, the newest first.
#[utoipa::path(get, path = "/waf-rule-sets", tag = "waf", operation_id = "listWafRuleSets",
    responses((status = 200, body = Page<WafRuleSet>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<Page<WafRuleSet>>, Refused> {
    let ctx = caller.may(Resource::Rules, Access::Read)?;
    let tree = Tree::read(&app.store, ctx).await?;
    let items = tree.rule_sets.iter().map(|row| shown(&tree, row)).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// One rule set.
#[utoipa::path(get, path = "/waf-rule-sets/{id}", tag = "waf", operation_id = "getWafRuleSet",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = WafRuleSet)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<WafRuleSet>, Refused> {
    let ctx = caller.may(Resource::Rules, Access::Read)?;
    let tree = Tree::read(&app.store, ctx).await?;
    let row = tree.rule_sets.iter().find(|row| row.id == id);
    row.map(|row| Json(shown(&tree, row))).ok_or_else(|| Refused::not_found("rule set"))
}

/// Imports a rule set: an archive of rules (`.tar.gz`, `.tgz`, `.tar`, `.zip`) or one file of them as the body. Everything
/// compiles, or nothing is kept and every finding is named.
#[utoipa::path(post, path = "/waf-rule-sets", tag = "waf", operation_id = "importWafRuleSet", params(ImportQuery),
    request_body(content = String, description = "The file.", content_type = "application/octet-stream"),
    responses((status = 201, body = WafRuleSet)))]
pub(super) async fn import(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ImportQuery>,
    body: Body,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Rules, Access::Write)?;
    let asked = query.name.as_deref().map(|text| name("/name", text)).transpose()?;
    // Each takes memory and the work of compiling.
    let _one =
        app.uploads.try_acquire().map_err(|_full| Refused::busy(StatusCode::SERVICE_UNAVAILABLE, 30))?;
    let content = read(body).await?;
    let base = match query.base {
        None => None,
        Some(id) => {
            let rows = app.store.waf_rule_sets(ctx).await?;
            let missing = || {
                Refused::field("/base", "no-such-rule-set", "There is no such rule set; read the list again.")
            };
            let row = rows.iter().find(|row| row.id == id).ok_or_else(missing)?;
            let document = app.store.blob(&row.hash).await?.ok_or_else(missing)?;
            Some(RuleFiles::from_text(&document).map_err(|_form| missing())?)
        }
    };
    let checked =
        tokio::task::spawn_blocking(move || check(query.file.as_deref().unwrap_or("rules"), &content, base))
            .await;
    let checked = checked.map_err(|error| Refused::invalid(causes(&error)))??;
    let now = app.clock.now();
    let document = checked.files.to_text()?;
    let hash = Hash::of(document.as_bytes()).to_string();
    app.store.put_blob(&hash, document.as_bytes(), now).await?;
    let mut write = app.store.begin(ctx, now).await?;
    let mut tree = Tree::of(&mut write).await?;
    if tree.rule_sets.len() >= RULE_SETS {
        let remedy = "Delete those that no policy uses.";
        return Err(Refused::conflict("too-many", "There are as many rule sets as there may be.", remedy));
    }
    let version = checked.files.version().unwrap_or_default().chars().take(64).collect::<String>();
    let row = WafRuleSetRow {
        id: Uuid::now_v7(),
        name: asked.unwrap_or_else(|| free_name(&tree, &version)),
        version,
        hash,
        size: i64::try_from(document.len()).unwrap_or(i64::MAX),
        rules: i64::try_from(checked.rules).unwrap_or(i64::MAX),
        files: checked.files.files.iter().map(|file| file.name.clone()).collect(),
        warnings: checked.warnings,
        imported_at: now,
    };
    write.insert_waf_rule_set(&row).await?;
    write.audit(change("waf-rule-set.import", &row, true)).await?;
    write.commit().await?;
    app.refresh_bundles(ctx.tenant).await?;
    tree.rule_sets.insert(0, row.clone());
    Ok((StatusCode::CREATED, Json(shown(&tree, &row))).into_response())
}

/// Deletes a rule set that no policy uses.
#[utoipa::path(delete, path = "/waf-rule-sets/{id}", tag = "waf", operation_id = "deleteWafRuleSet",
    params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Rules, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let tree = Tree::of(&mut write).await?;
    let row = tree.rule_sets.iter().find(|row| row.id == id);
    let row = row.ok_or_else(|| Refused::not_found("rule set"))?;
    let mut users = shown(&tree, row).policies;
    let own = tree.computers.iter().filter(|own| {
        let policy = tree.policy(own.policy);
        policy.is_some_and(|policy| Tree::named_rule_set(&tree.in_force(policy, Some(own))) == row.name)
    });
    users.extend(own.map(|own| own.name.clone()));
    users.truncate(20);
    if !users.is_empty() {
        let detail = format!("{} uses it. Name another one there first.", users.join(", "));
        return Err(Refused::conflict("in-use", "The rule set is still in use.", detail));
    }
    write.delete_waf_rule_set(id).await?;
    write.audit(change("waf-rule-set.delete", row, false)).await?;
    write.commit().await?;
    app.store.forget_waf_document(&row.hash).await?;
    app.refresh_bundles(ctx.tenant).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The body, as far as it may be.
async fn read(body: Body) -> Result<Vec<u8>, Refused> {
    let mut body = std::pin::pin!(body.into_data_stream());
    let (mut content, mut length) = (Vec::new(), 0usize);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_broken| Refused::invalid("The request broke off."))?;
        length = length.saturating_add(piece.len());
        // Who still sends does not listen: the refusal is heard once some of the rest has come.
        if length > 4 * UPLOAD_BYTES {
            break;
        }
        if length <= UPLOAD_BYTES {
            content.extend_from_slice(&piece);
        }
    }
    if length > UPLOAD_BYTES {
        let detail = format!("An upload has at most {} MiB: leave out what is no rule.", UPLOAD_BYTES >> 20);
        return Err(Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The file is too large.",
            detail,
        ));
    }
    Ok(content)
}

struct Checked {
    files: RuleFiles,
    rules: usize,
    warnings: Vec<WafFinding>,
}

/// Unpacks and compiles; findings are told all at once.
fn check(file: &str, content: &[u8], base: Option<RuleFiles>) -> Result<Checked, Refused> {
    let wrong = |error: &dyn std::error::Error| Refused::field("/file", "not-rules", &sentence(error));
    let mut files = unpack(&[Upload { name: file, content }]).map_err(|error| wrong(&error))?;
    if let Some(base) = base {
        let new: BTreeSet<String> = files.files.iter().map(|file| file.name.clone()).collect();
        let kept: Vec<_> = base.files.into_iter().filter(|file| !new.contains(&file.name)).collect();
        let uploads: Vec<Upload<'_>> = kept
            .iter()
            .chain(&files.files)
            .map(|file| Upload { name: &file.name, content: file.text.as_bytes() })
            .collect();
        files = unpack(&uploads).map_err(|error| wrong(&error))?;
    }
    let settings = WebApplicationFirewall { mode: Mode::Prevent, ..WebApplicationFirewall::default() };
    let compiled = configure(&settings, &files).compiled;
    let Some(ruleset) = compiled.ruleset else {
        let errors = compiled.diagnostics.iter().filter(|finding| finding.level == Level::Error);
        let mut refused = Refused::fields(errors.clone().take(FINDINGS).map(error).collect());
        refused.detail =
            format!("{} errors: correct the rules at the lines named in `errors`.", errors.count());
        return Err(refused);
    };
    let warnings = compiled.diagnostics.iter().take(FINDINGS).map(finding).collect();
    Ok(Checked { files, rules: ruleset.rules(), warnings })
}

/// An error with its causes, as a sentence.
fn sentence(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(" ({cause})")).unwrap_or_default();
    format!("{error}{cause}.")
}

fn finding(found: &Diagnostic) -> WafFinding {
    WafFinding {
        code: found.code.to_owned(),
        file: found.source.clone(),
        line: found.line,
        title: found.title.clone(),
        help: found.help.clone(),
    }
}

fn error(found: &Diagnostic) -> FieldError {
    let WafFinding { code, file, line, title, help } = finding(found);
    let message = format!("{file}, line {line}: {title}. Remedy: {help}.");
    let args = BTreeMap::from([
        ("file".to_owned(), file),
        ("line".to_owned(), line.to_string()),
        ("title".to_owned(), title),
        ("help".to_owned(), help),
    ]);
    FieldError { args, ..field_error("/file", &code, &message) }
}

/// A name of the version that no other rule set has.
fn free_name(tree: &Tree, version: &str) -> String {
    let stem = if version.is_empty() { "rules".to_owned() } else { format!("crs-{version}") };
    let taken = |name: &str| tree.rule_sets.iter().any(|row| row.name == name);
    let numbered = (2..=RULE_SETS + 2).map(|number| format!("{stem}-{number}"));
    std::iter::once(stem.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(stem)
}
