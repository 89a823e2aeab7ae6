//! Which events a check means: fields by dotted paths, with what is compared behind two underscores.

use serde_json::{Map, Value};

/// How many of the events meet all that `wanted` says.
pub(crate) fn count(events: &[Value], wanted: &Map<String, Value>) -> usize {
    events.iter().filter(|event| wanted.iter().all(|(key, value)| meets(event, key, value))).count()
}

fn meets(event: &Value, key: &str, wanted: &Value) -> bool {
    match key {
        "has-key" => wanted.as_str().is_some_and(|path| find(event, path).is_some()),
        "not-has-key" => wanted.as_str().is_some_and(|path| find(event, path).is_none()),
        _ => {
            let (path, how) = key.split_once("__").unwrap_or((key, ""));
            find(event, path).is_some_and(|found| compare(found, how, wanted))
        }
    }
}

fn compare(found: &Value, how: &str, wanted: &Value) -> bool {
    let numbers = || found.as_f64().zip(wanted.as_f64());
    match how {
        "" => same(found, wanted),
        "len" => match found {
            Value::Array(list) => same(&list.len().into(), wanted),
            Value::String(text) => same(&text.chars().count().into(), wanted),
            Value::Object(object) => same(&object.len().into(), wanted),
            _ => false,
        },
        "contains" => match found {
            Value::Array(list) => list.iter().any(|one| same(one, wanted)),
            found => plain(found).contains(&plain(wanted)),
        },
        "find" => plain(found).contains(&plain(wanted)),
        "startswith" => plain(found).starts_with(&plain(wanted)),
        "endswith" => plain(found).ends_with(&plain(wanted)),
        "gt" => numbers().is_some_and(|(found, wanted)| found > wanted),
        "gte" => numbers().is_some_and(|(found, wanted)| found >= wanted),
        "lt" => numbers().is_some_and(|(found, wanted)| found < wanted),
        "lte" => numbers().is_some_and(|(found, wanted)| found <= wanted),
        _ => false,
    }
}

/// Equal, or written alike: tests write some numbers as text.
fn same(found: &Value, wanted: &Value) -> bool {
    found == wanted || (!found.is_object() && !found.is_array() && plain(found) == plain(wanted))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The value at `alert.metadata.tag[0]`.
fn find<'e>(event: &'e Value, path: &str) -> Option<&'e Value> {
    path.split('.').try_fold(event, |value, part| {
        let (name, places) = part.split_once('[').map_or((part, ""), |(name, rest)| (name, rest));
        let value = if name.is_empty() { Some(value) } else { value.get(name) }?;
        places
            .split('[')
            .filter(|place| !place.is_empty())
            .try_fold(value, |value, place| value.get(place.trim_end_matches(']').parse::<usize>().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_found_and_compared() {
        let event =
            json!({"event_type": "alert", "alert": {"signature_id": 1, "tags": ["a", "bc"]}, "age": 20});
        for (key, wanted, meets) in [
            ("event_type", json!("alert"), true),
            ("alert.signature_id", json!("1"), true),
            ("alert.tags[1]", json!("bc"), true),
            ("alert.tags[2]", json!("bc"), false),
            ("alert.tags__len", json!(2), true),
            ("alert.tags__contains", json!("a"), true),
            ("alert.tags[1]__find", json!("c"), true),
            ("age__gt", json!(19), true),
            ("age__lte", json!(19), false),
            ("has-key", json!("alert.tags"), true),
            ("not-has-key", json!("alert.engine"), true),
            ("nothing", json!("there"), false),
        ] {
            assert_eq!(super::meets(&event, key, &wanted), meets, "{key} {wanted}");
        }
    }
}
