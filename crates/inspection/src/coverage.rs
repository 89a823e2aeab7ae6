//! What of the rule language the pipeline feeds today: a rule may be loaded, and yet look at traffic that nobody shows it.
use sakimori_signatures::{Protocol, Rule};

/// Whether the pipeline shows the rule everything that it looks at.
pub fn is_fed(rule: &Rule) -> bool {
    match rule.protocol {
        Protocol::Http | Protocol::Tcp | Protocol::Ip => true,
    }
}
