//! The `OpenAPI` document: made from the handlers, committed, compared by a test.
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, ObjectBuilder, Schema, SchemaType, Type};
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

/// What a name that a person gives may be made of (`extract::name`).
pub(super) fn with_names(mut document: OpenApi) -> OpenApi {
    const NAME: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";
    for schema in document.components.iter_mut().flat_map(|components| components.schemas.values_mut()) {
        let RefOr::T(Schema::Object(object)) = schema else { continue };
        if let Some(RefOr::T(Schema::Object(name))) = object.properties.get_mut("name")
            && (name.min_length, name.max_length) == (Some(1), Some(128))
        {
            name.pattern = Some(NAME.to_owned());
        }
    }
    document
}

/// Names of members are texts: where numbers are keys, those in digits.
pub(super) fn with_numbers_as_names(mut document: OpenApi) -> OpenApi {
    for schema in document.components.iter_mut().flat_map(|components| components.schemas.values_mut()) {
        numbers_as_names(schema);
    }
    document
}

fn numbers_as_names(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            if let Some(Schema::Object(names)) = object.property_names.as_deref_mut()
                && names.schema_type == SchemaType::Type(Type::Integer)
            {
                *names =
                    ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,10}$")).build();
            }
            object.properties.values_mut().for_each(numbers_as_names);
            if let Some(AdditionalProperties::RefOr(others)) = object.additional_properties.as_deref_mut() {
                numbers_as_names(others);
            }
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                numbers_as_names(items);
            }
        }
        Schema::OneOf(parts) => parts.items.iter_mut().for_each(numbers_as_names),
        Schema::AllOf(parts) => parts.items.iter_mut().for_each(numbers_as_names),
        Schema::AnyOf(parts) => parts.items.iter_mut().for_each(numbers_as_names),
        _ => {}
    }
}

/// Says of each variant that is marked by a member which members it has, in one object. As it is derived, a variant is all
/// of its members without the mark, others forbidden, and of the mark: nothing is both.
pub(super) fn with_marked_variants(mut document: OpenApi) -> OpenApi {
    let Some(components) = &mut document.components else { return document };
    let schemas = components.schemas.clone();
    let closed = |name: &str| match schemas.get(name)? {
        RefOr::T(Schema::Object(object))
            if matches!(
                object.additional_properties.as_deref(),
                Some(AdditionalProperties::FreeForm(false))
            ) =>
        {
            Some(object)
        }
        _ => None,
    };
    for schema in components.schemas.values_mut() {
        let RefOr::T(Schema::OneOf(variants)) = schema else { continue };
        for variant in &mut variants.items {
            let RefOr::T(Schema::AllOf(parts)) = &*variant else { continue };
            let [RefOr::Ref(members), RefOr::T(Schema::Object(mark))] = parts.items.as_slice() else {
                continue;
            };
            let name = members.ref_location.rsplit('/').next().unwrap_or_default();
            let Some(members) = closed(name) else { continue };
            let mut whole = members.clone();
            whole.properties.extend(mark.properties.clone());
            whole.required.extend(mark.required.iter().cloned());
            whole.description.clone_from(&parts.description);
            *variant = whole.into();
        }
    }
    document
}
