//! The first argument of a rule: `ARGS|!ARGS:token|&TX:score`.

use sakimori_expressions::Expression;

use crate::diagnose::{Finding, shown};
use crate::pattern;
use crate::variable::{Kind, Variable};

/// Which values of a variable.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// All.
    All,
    /// Those with this name, in small letters.
    Name(Vec<u8>),
    /// Those whose name matches.
    Pattern(Expression),
    /// What an `XPath` selects.
    Path(String),
}

impl PartialEq for What {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) => true,
            (Self::Name(one), Self::Name(two)) => one == two,
            (Self::Pattern(one), Self::Pattern(two)) => one.as_str() == two.as_str(),
            (Self::Path(one), Self::Path(two)) => one == two,
            _ => false,
        }
    }
}

/// One part of a rule's first argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) variable: Variable,
    pub(crate) what: What,
    /// `!`: these values are left out.
    pub(crate) excluded: bool,
    /// `&`: how many there are, instead of the values.
    pub(crate) counted: bool,
}

/// Reads a list of targets.
pub(crate) fn targets(text: &str) -> Result<Vec<Target>, Finding> {
    let mut found = Vec::new();
    for part in split(text) {
        let part = part.trim();
        if !part.is_empty() {
            found.push(target(part)?);
        }
    }
    if found.is_empty() {
        return Err(Finding::error(
            "W030",
            "a rule without a variable",
            "name what it looks at, as in ARGS|REQUEST_HEADERS",
        ));
    }
    Ok(found)
}

/// Reads one target.
pub(crate) fn target(part: &str) -> Result<Target, Finding> {
    let (excluded, rest) = part.strip_prefix('!').map_or((false, part), |rest| (true, rest));
    let (counted, rest) = rest.strip_prefix('&').map_or((false, rest), |rest| (true, rest));
    let (name, key) = match rest.split_once([':', '.']) {
        Some((name, key)) => (name, Some(key)),
        None => (rest, None),
    };
    let variable = Variable::by_name(name.trim()).ok_or_else(|| {
        Finding::error(
            "W031",
            format!("unknown variable {}", shown(name)),
            "the names are those of ModSecurity's reference, such as ARGS, REQUEST_HEADERS, TX",
        )
    })?;
    let what = match key.map(unquoted) {
        None | Some("") => What::All,
        Some(path) if variable == Variable::Xml => What::Path(path.to_owned()),
        Some(_) if variable.is_single() => {
            return Err(Finding::error(
                "W032",
                format!("{} has one value and takes no name", variable.name()),
                format!("write {} alone", variable.name()),
            ));
        }
        Some(key) => match key.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(text) => What::Pattern(pattern::compile(text, true)?),
            None => What::Name(key.to_ascii_lowercase().into_bytes()),
        },
    };
    if variable.kind() == Kind::Persistent && counted && what == What::All {
        return Err(Finding::error(
            "W033",
            format!("&{} counts nothing", variable.name()),
            format!("name what it counts, as in &{}:key", variable.name()),
        ));
    }
    Ok(Target { variable, what, excluded, counted })
}

fn unquoted(key: &str) -> &str {
    key.strip_prefix('\'').and_then(|key| key.strip_suffix('\'')).unwrap_or(key)
}

/// Splits at `|`, and at `,` as `ctl` does, outside of quotes and of patterns.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut pattern, mut quoted, mut before) = (false, false, ' ');
    for (at, c) in text.char_indices() {
        match c {
            '\'' if before != '\\' => quoted = !quoted,
            '/' if !quoted && !pattern && before == ':' => {
                let name = text.get(start..at).unwrap_or_default();
                pattern = !name.to_ascii_uppercase().contains("XML:");
            }
            '/' if pattern && before != '\\' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                pattern = !(rest.is_empty() || rest.starts_with(['|', ',', ' ']));
            }
            '|' | ',' if !pattern && !quoted => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
        before = if before == '\\' && c == '\\' { ' ' } else { c };
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::{What, targets};
    use crate::variable::Variable;

    #[test]
    fn patterns_with_bars_and_quotes_hold_together() {
        let found = targets("ARGS|!REQUEST_COOKIES:/^a|b$/|&TX:X|XML:/*|XML://@*|ARGS:'/x,y/'").unwrap();
        assert_eq!(found.len(), 6);
        assert!(matches!(found[1].what, What::Pattern(_)) && found[1].excluded);
        assert!(found[2].counted && found[2].what == What::Name(b"x".to_vec()));
        assert_eq!(found[3].what, What::Path("/*".to_owned()));
        assert_eq!(found[4].what, What::Path("//@*".to_owned()));
        assert_eq!(found[5].variable, Variable::Args);
    }

    #[test]
    fn unknown_names_are_said() {
        assert!(targets("ARGZ").is_err());
        assert!(targets("REQUEST_METHOD:x").is_err());
    }
}
