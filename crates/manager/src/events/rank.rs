//! How much an event matters: its severity's value times what its computer is worth.
use sakimori_model::Severity;

/// The least and the greatest rank are 1 and 10,000. An attack that matters on a computer of little worth stays above
/// small things on a dear one: one step of severity is a quarter of the whole, and what is merely noted is next to nothing.
const fn value(severity: Severity) -> u32 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 25,
        Severity::Medium => 50,
        Severity::High => 75,
        Severity::Critical => 100,
    }
}

/// The rank of an event; of a severity that is not known as of one that is merely noted.
pub(super) fn rank(severity: &str, asset_value: u32) -> u32 {
    value(severity.parse().unwrap_or(Severity::Info)).saturating_mul(asset_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_grows_with_severity_and_worth() {
        let of = |asset_value| {
            ["info", "low", "medium", "high", "critical"].map(|severity| rank(severity, asset_value))
        };
        assert_eq!(of(1), [1, 25, 50, 75, 100]);
        assert_eq!(of(100), [100, 2_500, 5_000, 7_500, 10_000]);
        assert_eq!(rank("never heard of", 100), 100);
    }
}
