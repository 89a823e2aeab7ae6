//! The `OpenAPI` document: made from the handlers, committed, compared by a test.
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    ResponseBuilder, SecurityRequirement,
};

/// What is the same for all operations.
pub(super) fn base() -> OpenApi {
    let mut components = Components::new();
    components.add_security_scheme(
        "session",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            "sakimori_session",
            "Session of the console; changes also need the header X-CSRF-Token.",
        ))),
    );
    components.add_security_scheme(
        "apiKey",
        SecurityScheme::Http(
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("sak_<id>_<secret>")).build(),
        ),
    );
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Sakimori manager")
                .version("1")
                .description(Some("Everything the console does, for scripts."))
                .license(Some(
                    LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
                )),
        )
        .components(Some(components))
        .security(Some([
            SecurityRequirement::new::<_, [&str; 0], &str>("session", []),
            SecurityRequirement::new::<_, [&str; 0], &str>("apiKey", []),
        ]))
        .build()
}

/// Adds to every operation that a refusal is a problem.
pub(super) fn with_problems(mut document: OpenApi) -> OpenApi {
    let problem = ResponseBuilder::new()
        .description("Refused; `code` and `detail` say why and what to do.")
        .content(
            "application/problem+json",
            ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build(),
        )
        .build();
    for item in document.paths.paths.values_mut() {
        if let Some(post) = &mut item.post {
            let key = ParameterBuilder::new()
                .name("Idempotency-Key")
                .parameter_in(ParameterIn::Header)
                .description(Some(
                    "A text of your own, such as a random UUID: the same request sent again with it within 24 hours is \
                     not carried out again and gets the same answer.",
                ))
                .schema(Some(
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .pattern(Some("^[!#-~]{1,255}$"))
                        .build(),
                ))
                .build();
            post.parameters.get_or_insert_default().push(key.into());
        }
        let operations = [&mut item.get, &mut item.post, &mut item.patch, &mut item.put, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            // A description is part of every answer; what is done is the best one there is.
            let done = operation.summary.clone().unwrap_or_default();
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    response.description.clone_from(&done);
                }
            }
            operation.responses.responses.insert("default".to_owned(), problem.clone().into());
        }
    }
    document
}
