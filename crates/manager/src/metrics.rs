//! Counters for Prometheus, in its text format.
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $metric:literal, $help:literal;)*) => {
        /// What the manager has done since its start.
        #[derive(Debug, Default)]
        pub(crate) struct Metrics {
            $($(#[$doc])* pub(crate) $name: AtomicU64,)*
        }

        impl Metrics {
            /// The counters and the gauges given, in the text format.
            pub(crate) fn text(&self, gauges: &[(&str, &str, u64)]) -> String {
                let mut text = String::new();
                $(line(&mut text, $metric, $help, "counter", self.$name.load(Ordering::Relaxed));)*
                for (name, help, value) in gauges {
                    line(&mut text, name, help, "gauge", *value);
                }
                text
            }
        }
    };
}

counters! {
    /// Requests answered.
    requests = "sakimori_http_requests_total", "Requests answered.";
    /// Requests answered with 5xx.
    failures = "sakimori_http_failures_total", "Requests answered with a status of 5xx.";
    /// TLS handshakes that failed.
    handshakes_failed = "sakimori_tls_handshakes_failed_total", "TLS handshakes that failed.";
    /// Log-ins that failed.
    log_ins_failed = "sakimori_log_ins_failed_total", "Log-ins that failed.";
    /// Computers activated.
    enrolments = "sakimori_enrolments_total", "Computers activated.";
    /// Certificates renewed.
    renewals = "sakimori_renewals_total", "Certificates renewed.";
    /// Check-ins answered.
    check_ins = "sakimori_check_ins_total", "Check-ins answered.";
    /// Bundles handed out.
    bundles_sent = "sakimori_bundles_sent_total", "Bundles handed out.";
    /// Events kept.
    events = "sakimori_events_total", "Events kept.";
    /// Events that came again.
    events_repeated = "sakimori_events_repeated_total", "Events that came again and were left out.";
    /// Batches refused.
    batches_refused = "sakimori_event_batches_refused_total", "Event batches refused.";
    /// Clones seen.
    clones = "sakimori_clones_total", "Uses of an identity by another machine.";
}

fn line(text: &mut String, name: &str, help: &str, kind: &str, value: u64) {
    // Writing to a String never fails.
    let _never = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(u64::try_from(by).unwrap_or_default(), Ordering::Relaxed);
}
