//! The REST interface under `/api/v1`.
mod api_keys;
mod audit;
mod computers;
mod events;
mod openapi;
mod policies;
mod rules;
mod sessions;
mod tokens;

use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where a list begins and how long its parts are.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// At most so many, 1 to 500; 100 where absent.
    pub(crate) limit: Option<u32>,
    /// The `nextCursor` of the part before.
    pub(crate) cursor: Option<String>,
}

/// Schemas that no handler names.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(sakimori_api::Problem, sakimori_api::FieldError)))]
struct Extra;

fn api() -> OpenApiRouter<()> {
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
            .routes(routes!(computers::list))
            .routes(routes!(computers::get, computers::update, computers::delete))
            .routes(routes!(policies::list, policies::create))
            .routes(routes!(policies::get, policies::update, policies::delete))
            .routes(routes!(rules::list))
            .routes(routes!(rules::get))
            .routes(routes!(events::list))
            .routes(routes!(events::get))
            .routes(routes!(events::stream))
            .routes(routes!(tokens::list, tokens::create))
            .routes(routes!(tokens::delete))
            .routes(routes!(audit::list)),
    )
}

/// The OpenAPI document, as JSON with a final line feed.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    let document = openapi::with_problems(api().into_openapi());
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}
