//! Addresses, ports and the variables that stand for them.
use std::collections::BTreeMap;

/// Values of `$HOME_NET`, `$HTTP_PORTS` and the like, as Suricata's `vars` section writes them.
///
/// A variable that is not set stands for `any`: a host protects itself whatever its address is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, String>,
}

impl Variables {
    /// Sets a variable (`HOME_NET`) to a text of the rule language: `[10.0.0.0/8,!10.1.0.0/16]`.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), value.into());
    }

    /// The text of a variable, where it was set.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}
