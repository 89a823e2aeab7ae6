//! What rules are not to look at.
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One rule, or all with a tag, that does not look at a variable, or at nothing, on some paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(as = WafExclusion)]
pub struct Exclusion {
    /// The rule, by its number; 0 where a tag is named.
    #[schema(minimum = 0, maximum = 99_999_999_999_i64)]
    pub rule: u64,
    /// Or all rules with this tag: `attack-sqli`.
    pub tag: String,
    /// What they do not look at: `ARGS:content`, `REQUEST_COOKIES:session`; empty is everything, that is, they do not
    /// count at all.
    pub variable: String,
    /// Where: a path, `/wp-admin/*` for all that begins so, empty for everywhere.
    pub path: String,
    /// Why.
    pub note: String,
}

/// Variables that an exclusion may name.
const VARIABLES: &[&str] = &[
    "ARGS",
    "ARGS_GET",
    "ARGS_GET_NAMES",
    "ARGS_NAMES",
    "ARGS_POST",
    "ARGS_POST_NAMES",
    "FILES",
    "FILES_NAMES",
    "MULTIPART_PART_HEADERS",
    "QUERY_STRING",
    "REQUEST_BASENAME",
    "REQUEST_BODY",
    "REQUEST_COOKIES",
    "REQUEST_COOKIES_NAMES",
    "REQUEST_FILENAME",
    "REQUEST_HEADERS",
    "REQUEST_HEADERS_NAMES",
    "REQUEST_LINE",
    "REQUEST_METHOD",
    "REQUEST_PROTOCOL",
    "REQUEST_URI",
    "REQUEST_URI_RAW",
    "RESPONSE_BODY",
    "RESPONSE_HEADERS",
    "XML",
];

/// Longest tag, name of a variable, path and note, in characters.
const LONGEST: usize = 256;

impl Exclusion {
    /// Whether an exclusion can name this variable.
    pub fn variable_fits(variable: &str) -> bool {
        !variable.is_empty() && wrong_variable(variable).is_none()
    }

    /// Whether an exclusion can name this path.
    pub fn path_fits(path: &str) -> bool {
        wrong_path(path).is_none()
    }

    /// What is wrong: member, code, what to write, what was written.
    pub(super) fn wrong(&self) -> Vec<(&'static str, &'static str, String, String)> {
        let mut found = Vec::new();
        let mut wrong = |member, code, message: String, value: &str| {
            found.push((member, code, message, value.to_owned()));
        };
        match (self.rule, self.tag.as_str()) {
            (0, "") => {
                wrong("/rule", "no-rule", "Name a rule by its number, or a tag.".into(), "");
            }
            (1.., tag) if !tag.is_empty() => {
                wrong("/tag", "two-choices", "Name either a rule or a tag.".into(), tag);
            }
            _ => {}
        }
        let tag_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.');
        if !self.tag.chars().all(tag_char) || self.tag.len() > LONGEST {
            let message = "A tag has letters, digits, and - _ / . only: attack-sqli.";
            wrong("/tag", "not-a-tag", message.into(), &self.tag);
        }
        if let Some(message) = wrong_variable(&self.variable) {
            wrong("/variable", "not-a-variable", message, &self.variable);
        }
        if !self.path.is_empty()
            && let Some(message) = wrong_path(&self.path)
        {
            wrong("/path", "not-a-path", message.into(), &self.path);
        }
        if self.note.chars().count() > LONGEST {
            let message = format!("A note has at most {LONGEST} characters.");
            wrong("/note", "too-long", message, &self.note);
        }
        found
    }
}

fn wrong_variable(variable: &str) -> Option<String> {
    if variable.is_empty() {
        return None;
    }
    let (collection, name) = variable.split_once(':').unwrap_or((variable, "x"));
    if !VARIABLES.contains(&collection) {
        return Some(format!(
            "Name one of {}, with a name behind a colon: ARGS:content.",
            VARIABLES.join(", ")
        ));
    }
    // What would end the name in a rule, or begin something else.
    let plain = |c: char| {
        c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | ',' | ';' | '|' | '%' | '/' | '&' | '!')
    };
    let fits = !name.is_empty() && name.len() <= LONGEST && name.chars().all(plain);
    (!fits).then(|| {
        "Such a name cannot be written in a rule: name the collection alone, ARGS, for example with a path.".to_owned()
    })
}

/// Paths go into rules as they are written.
pub(super) fn wrong_path(path: &str) -> Option<&'static str> {
    let plain = |c: char| {
        (c.is_ascii_graphic() || !c.is_ascii())
            && !c.is_control()
            && !matches!(c, '"' | '\'' | '\\' | '%' | '*')
    };
    let stem = path.strip_suffix('*').unwrap_or(path);
    let fits = stem.starts_with('/') && path.len() <= LONGEST && stem.chars().all(plain);
    (!fits).then_some(
        "A path begins with /, is written decoded, without quotes, spaces and per cents; * may be its end: /wp-admin/*.",
    )
}
