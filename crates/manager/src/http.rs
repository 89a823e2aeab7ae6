//! The REST interface under `/api/v1`, and what both listeners answer.
mod admission;
mod agent_packages;
mod alert_conditions;
mod alerts;
mod api_keys;
mod audit;
mod auth;
mod auto_tag_rules;
mod channels;
mod common_objects;
mod computer_list;
mod computer_search;
mod computer_settings;
pub(crate) mod computers;
mod coverage;
mod event_based_tasks;
mod event_counts;
pub(crate) mod event_export;
mod event_notes;
pub(crate) mod event_search;
pub(crate) mod events;
mod extract;
mod firewall;
mod firewall_changes;
mod fleet_settings;
mod groups;
mod idempotency;
mod inventory;
mod kept_filters;
mod openapi;
mod operations;
mod policies;
mod policy_document;
mod policy_dry_run;
mod policy_history;
mod rule_groups;
mod rules;
mod saved_searches;
mod sessions;
mod tasks;
mod tokens;
mod upgrades;
mod waf_exclusions;
mod waf_rule_sets;

pub(crate) use extract::{Message, too_large};
pub(crate) use sessions::LogInFailures;

use crate::app::App;
use crate::metrics::count;
use crate::problem::Refused;
use crate::{api_docs, clock, console, deploy, gateway};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use sakimori_api::Problem;
use sakimori_protocol::paths;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::Instant;
use tracing::Instrument as _;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where a list begins and how long its parts are.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// At most so many, 1 to 500; 100 where absent.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<u32>,
    /// The `nextCursor` of the part before.
    pub(crate) cursor: Option<String>,
}

/// Schemas that no handler names.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(Problem, sakimori_api::FieldError)))]
struct Extra;

fn api() -> OpenApiRouter<Arc<App>> {
    let mut document = openapi::base();
    document.merge(Extra::openapi());
    OpenApiRouter::with_openapi(document).nest(
        "/api/v1",
        OpenApiRouter::new()
            .routes(routes!(sessions::log_in))
            .routes(routes!(sessions::current, sessions::log_out))
            .routes(routes!(sessions::users))
            .routes(routes!(sessions::change_password))
            .routes(routes!(api_keys::list, api_keys::create))
            .routes(routes!(api_keys::delete))
            .routes(routes!(computer_list::list))
            .routes(routes!(computer_list::count))
            .routes(routes!(computers::get, computers::update, computers::delete))
            .routes(routes!(computers::deactivate))
            .routes(routes!(computers::reactivate))
            .routes(routes!(coverage::of_computer))
            .routes(routes!(firewall_changes::state))
            .routes(routes!(firewall_changes::confirm))
            .routes(routes!(firewall_changes::revert))
            .routes(routes!(firewall_changes::retry))
            .routes(routes!(firewall_changes::let_in))
            .routes(routes!(coverage::of_fleet))
            .routes(routes!(groups::list, groups::create))
            .routes(routes!(groups::get, groups::update, groups::delete))
            .routes(routes!(event_based_tasks::list, event_based_tasks::create))
            .routes(routes!(event_based_tasks::get, event_based_tasks::update, event_based_tasks::delete))
            .routes(routes!(event_based_tasks::test))
            .routes(routes!(fleet_settings::get, fleet_settings::update))
            .routes(routes!(fleet_settings::release))
            .routes(routes!(inventory::inventory))
            .routes(routes!(inventory::recommendations))
            .routes(routes!(inventory::scan))
            .routes(routes!(policies::list, policies::create))
            .routes(routes!(policies::get, policies::update, policies::delete))
            .routes(routes!(policy_history::versions))
            .routes(routes!(policy_history::get))
            .routes(routes!(policy_history::roll_back))
            .routes(routes!(policy_history::diff))
            .routes(routes!(policy_dry_run::dry_run))
            .routes(routes!(firewall::explain_policy))
            .routes(routes!(firewall::explain_computer))
            .routes(routes!(firewall::explain_settings))
            .routes(routes!(firewall::lint_policy))
            .routes(routes!(firewall::lint_computer))
            .routes(routes!(firewall::lint_settings))
            .routes(routes!(policy_document::export, policy_document::apply))
            .routes(routes!(computer_settings::get, computer_settings::update))
            .routes(routes!(computer_settings::dry_run))
            .routes(routes!(common_objects::list, common_objects::create))
            .routes(routes!(common_objects::get, common_objects::update, common_objects::delete))
            .routes(routes!(rule_groups::list))
            .routes(routes!(rules::list))
            .routes(routes!(rules::get))
            .routes(routes!(rules::content))
            .routes(routes!(waf_rule_sets::list, waf_rule_sets::import))
            .routes(routes!(waf_rule_sets::get, waf_rule_sets::delete))
            .routes(routes!(waf_exclusions::of_event))
            .routes(routes!(waf_exclusions::effect))
            .routes(routes!(events::list))
            .routes(routes!(events::get))
            .routes(routes!(events::stream))
            .routes(routes!(event_counts::counts))
            .routes(routes!(event_export::export))
            .routes(routes!(operations::export_events))
            .routes(routes!(event_notes::tag, event_notes::untag))
            .routes(routes!(event_notes::comments, event_notes::comment))
            .routes(routes!(saved_searches::list, saved_searches::create))
            .routes(routes!(saved_searches::get, saved_searches::update, saved_searches::delete))
            .routes(routes!(auto_tag_rules::list, auto_tag_rules::create))
            .routes(routes!(auto_tag_rules::get, auto_tag_rules::update, auto_tag_rules::delete))
            .routes(routes!(alerts::list))
            .routes(routes!(alerts::summary))
            .routes(routes!(alerts::get, alerts::update))
            .routes(routes!(alert_conditions::list, alert_conditions::create))
            .routes(routes!(alert_conditions::get, alert_conditions::update, alert_conditions::delete))
            .routes(routes!(channels::list, channels::create))
            .routes(routes!(channels::get, channels::update, channels::delete))
            .routes(routes!(channels::test))
            .routes(routes!(tasks::list, tasks::create))
            .routes(routes!(tasks::get, tasks::update, tasks::delete))
            .routes(routes!(tasks::runs, tasks::run))
            .routes(routes!(tasks::computers))
            .routes(routes!(operations::list))
            .routes(routes!(operations::get))
            .routes(routes!(operations::result))
            .routes(routes!(operations::back_up))
            .routes(routes!(operations::scan))
            .routes(routes!(agent_packages::list, agent_packages::upload))
            .routes(routes!(agent_packages::delete))
            .routes(routes!(upgrades::list, upgrades::create))
            .routes(routes!(upgrades::get, upgrades::delete))
            .routes(routes!(upgrades::pause))
            .routes(routes!(upgrades::resume))
            .routes(routes!(upgrades::abort))
            .routes(routes!(upgrades::roll_back))
            .routes(routes!(upgrades::computers))
            .routes(routes!(tokens::list, tokens::create))
            .routes(routes!(tokens::delete))
            .routes(routes!(audit::list)),
    )
}

/// The `OpenAPI` document, as JSON with a final line feed.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    let document = openapi::with_names(openapi::with_problems(api().into_openapi()));
    let document = openapi::with_numbers_as_names(openapi::with_marked_variants(document));
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}

/// What the public listener answers.
pub(crate) fn public(app: &Arc<App>) -> Router {
    let (api, _document) = api().split_for_parts();
    let router = api
        .route_layer(from_fn_with_state(Arc::clone(app), admission::admit))
        .route("/api/v1/openapi.json", get(document))
        .merge(api_docs::routes())
        .route(paths::ENROLL, post(gateway::enrol))
        .route(paths::RENEW, post(gateway::renew))
        .route(&format!("{}/{{hash}}", paths::BLOBS), get(gateway::blob))
        .route("/deploy/linux.sh", get(deploy::linux_script))
        .route("/packages/{name}", get(deploy::package))
        .route("/health/live", get(async || "live\n"))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(console::serve);
    finish(router, app)
}

/// What the gateway answers.
pub(crate) fn gateway(app: &Arc<App>) -> Router {
    let batches = post(gateway::events).layer(DefaultBodyLimit::max(paths::EVENT_BATCH_COMPRESSED_BYTES));
    let router = Router::new()
        .route(paths::CHECK_IN, post(gateway::check_in))
        .route(paths::EVENTS, batches)
        .route(
            paths::INVENTORY,
            post(gateway::inventory).layer(DefaultBodyLimit::max(paths::INVENTORY_BYTES)),
        )
        .route(paths::ORDERS, post(gateway::order_done))
        .route(&format!("{}/{{hash}}", paths::BLOBS), get(gateway::blob))
        .fallback(async || Refused::not_found("resource"));
    finish(router, app)
}

fn finish(router: Router<Arc<App>>, app: &Arc<App>) -> Router {
    router
        .method_not_allowed_fallback(async || {
            let detail = "The OpenAPI document at /api/v1/openapi.json says which methods there are.";
            Refused::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "The path does not take this method.",
                detail,
            )
        })
        .layer(DefaultBodyLimit::max(paths::MESSAGE_BYTES))
        .layer(from_fn_with_state(Arc::clone(app), outermost))
        .with_state(Arc::clone(app))
}

/// Gives every request an id, every answer its headers, and every refusal its form.
async fn outermost(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let span =
        tracing::info_span!("request", id = %id, method = %request.method(), path = %request.uri().path());
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let problem = Problem { request_id: id.clone(), ..problem };
        let mut written = (response.status(), Json(problem)).into_response();
        for (name, value) in response.headers() {
            if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
                written.headers_mut().append(name, value.clone());
            }
        }
        let kind = HeaderValue::from_static("application/problem+json");
        written.headers_mut().insert(header::CONTENT_TYPE, kind);
        response = written;
    }
    let status = response.status();
    app.metrics.requests.fetch_add(1, Ordering::Relaxed);
    count(&app.metrics.failures, usize::from(status.is_server_error()));
    span.in_scope(|| tracing::debug!(status = status.as_u16(), "answered"));
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    for (name, value) in SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if is_api {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

/// On every answer. No inline script or style runs in the console, and nobody frames it.
const SECURITY_HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self' data:; \
         connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
];

async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], sakimori_api::OPENAPI)
}

async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Refused> {
    if *app.stopping.borrow() {
        return Err(Refused::busy(StatusCode::SERVICE_UNAVAILABLE, 10));
    }
    app.store.ping().await.map_err(|_e| Refused::busy(StatusCode::SERVICE_UNAVAILABLE, 10))?;
    Ok("ready\n")
}

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let (held, known) = app.fleet.counts();
    let per_second = u64::from(app.rollout.per_second());
    let ahead = app.rollout.pace().ahead(Instant::now());
    let nodes = u64::try_from(app.nodes.count()).unwrap_or_default() + 1;
    let consoles = u64::try_from(app.news.receiver_count()).unwrap_or_default();
    let content = app.content.now();
    let info = content.info.as_ref();
    let released = info.and_then(|info| clock::parse(&format!("{}T00:00:00Z", info.date)));
    let text = app.metrics.text(&[
        ("sakimori_check_ins_held", "Check-ins held now.", held),
        ("sakimori_computers_known", "Computers in contact since the start.", known),
        ("sakimori_nodes", "Managers of the same database that are there, with this one.", nodes),
        ("sakimori_content_version", "Version of the rules in force.", info.map_or(0, |info| info.version)),
        (
            "sakimori_content_released_timestamp_seconds",
            "When the rules in force were released, in seconds since 1970; 0 where it is not known.",
            released.map_or(0, |at| u64::try_from(at.as_millis() / 1000).unwrap_or_default()),
        ),
        ("sakimori_streams_open", "Consoles that listen now.", consoles),
        (
            "sakimori_bundles_per_second",
            "Bundles handed out a second when a change concerns many.",
            per_second,
        ),
        ("sakimori_bundles_waiting", "Computers whose turn to be handed a new bundle has not come.", ahead),
        (
            "sakimori_check_ins_waiting",
            "Check-ins that wait to be worked on.",
            app.classes.check_ins.waiting(),
        ),
        (
            "sakimori_activations_waiting",
            "Activations that wait to be worked on.",
            app.classes.activations.waiting(),
        ),
    ]);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}
