//! What a release of rules consists of.

use serde::{Deserialize, Serialize};

/// Bytes of all files together: ten times the Core Rule Set.
pub const TEXT_BYTES: usize = 8 << 20;

/// Most files: the Core Rule Set has fifty.
pub const FILES: usize = 512;

/// The files of a rule set: directives (`.conf`) and what they name (`.data`). The document that the manager keeps and
/// agents are given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFiles {
    /// In the order of a configuration.
    pub files: Vec<RuleFile>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// Its name without folders: `REQUEST-901-INITIALIZATION.conf`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The document is not one of rule files.
#[derive(Debug, thiserror::Error)]
#[error("this is not a document of rule files")]
pub struct FormError(#[source] serde_json::Error);

// === impl RuleFiles ===

impl RuleFiles {
    /// Reads the document.
    pub fn from_text(text: &[u8]) -> Result<Self, FormError> {
        serde_json::from_slice(text).map_err(FormError)
    }

    /// The document; the same files always give the same text.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The files of directives in their order.
    pub fn directives(&self) -> impl Iterator<Item = &RuleFile> {
        self.files.iter().filter(|file| is_directives(&file.name))
    }

    /// The version of the Core Rule Set that these are, as its files say it: `4.29.0-dev`.
    pub fn version(&self) -> Option<&str> {
        self.directives().find_map(|file| {
            let at = file
                .text
                .find("OWASP ModSecurity Core Rule Set ver.")
                .or_else(|| file.text.find("OWASP CRS ver."))?;
            let rest = file.text.get(at..)?.split_once("ver.")?.1;
            rest.split_whitespace().next()
        })
    }

    /// Whether the set has the Core Rule Set's own settings.
    pub(crate) fn has_setup(&self) -> bool {
        self.directives().any(|file| is_setup(&file.name))
    }
}

/// Whether the file holds directives; else it is named by one.
pub(crate) fn is_directives(name: &str) -> bool {
    has_ending(name, "conf") || is_setup(name)
}

/// Whether a name ends so, behind its last dot.
pub(crate) fn has_ending(name: &str, ending: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, its)| its == ending)
}

/// The Core Rule Set's own settings: the example, where nothing was made of it.
pub(crate) fn is_setup(name: &str) -> bool {
    matches!(name, "crs-setup.conf" | "crs-setup.conf.example")
}

/// Where a file stands in a configuration: settings of the engine, the rule set's own settings, plug-ins' settings, what
/// comes before the rules, rules in the order of their names, what comes after them.
pub(crate) fn rank(name: &str, in_plugins: bool) -> u8 {
    match name {
        "modsecurity.conf" => 0,
        name if is_setup(name) => 1,
        name if in_plugins && name.ends_with("-config.conf") => 2,
        name if in_plugins && name.ends_with("-before.conf") => 3,
        name if in_plugins && name.ends_with("-after.conf") => 5,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back_and_says_its_version() {
        let file = |name: &str, text: &str| RuleFile { name: name.to_owned(), text: text.to_owned() };
        let files = RuleFiles {
            files: vec![
                file("crs-setup.conf", "# OWASP CRS ver.4.29.0-dev\n"),
                file("a.data", "OWASP CRS ver.9\n"),
            ],
        };
        assert_eq!(files.version(), Some("4.29.0-dev"));
        let text = files.to_text().unwrap();
        assert_eq!(RuleFiles::from_text(text.as_bytes()).unwrap(), files);
        assert!(RuleFiles::from_text(b"{}").is_err());
        let debian =
            RuleFiles { files: vec![file("x.conf", "# OWASP ModSecurity Core Rule Set ver.3.3.4\n")] };
        assert_eq!(debian.version(), Some("3.3.4"));
    }
}
