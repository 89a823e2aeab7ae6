//! Who looks for ways in: scans and probes, what is done about them, and the event that tells of one.
use super::{Firewall, WrongAddresses, wrong_addresses};
use crate::event::{About, Column, EventDetail};
use crate::settings::{Finding, pointer};
use crate::words::Explanation;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use utoipa::ToSchema;

/// For how long a source may be blocked.
const MINUTES: RangeInclusive<u32> = 1..=1440;
/// How many places make a scan. Fewer are found by chance, more are not remembered.
const TARGETS: RangeInclusive<u32> = 5..=60;
/// In how many seconds.
const SECONDS: RangeInclusive<u32> = 10..=3600;
/// Most entries of a list of addresses, those of lists included: each becomes an element of a kernel set.
const ENTRIES: usize = 10_000;

/// What a source does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// It asks for many ports or addresses that nothing answers at, by TCP or UDP.
    Scan,
    /// It sends what finds out the operating system.
    Fingerprint,
    /// TCP segments without any flag.
    Null,
    /// TCP segments with FIN alone.
    Fin,
    /// TCP segments with FIN, PSH and URG.
    Xmas,
    /// TCP segments with SYN together with FIN or RST.
    SynFin,
}

impl Probe {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Scan, Self::Fingerprint, Self::Null, Self::Fin, Self::Xmas, Self::SynFin];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Fingerprint => "fingerprint",
            Self::Null => "null",
            Self::Fin => "fin",
            Self::Xmas => "xmas",
            Self::SynFin => "syn-fin",
        }
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Scan => (
                "looks for open ports or addresses (scan)",
                "ポートまたはアドレスを探索しています（スキャン）",
            ),
            Self::Fingerprint => ("probes for the operating system", "OS を特定する探索を行っています"),
            Self::Null => (
                "sends TCP packets without flags (null scan)",
                "フラグのない TCP パケットを送信しています（NULL スキャン）",
            ),
            Self::Fin => (
                "sends TCP packets with FIN alone (FIN scan)",
                "FIN のみの TCP パケットを送信しています（FIN スキャン）",
            ),
            Self::Xmas => (
                "sends TCP packets with FIN, PSH and URG (Xmas scan)",
                "FIN・PSH・URG の TCP パケットを送信しています（Xmas スキャン）",
            ),
            Self::SynFin => (
                "sends TCP packets with SYN together with FIN or RST (SYN+FIN scan)",
                "SYN と FIN または RST を同時に立てた TCP パケットを送信しています（SYN+FIN スキャン）",
            ),
        }
    }
}

/// What is done about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ProbeResponse)]
pub enum Response {
    /// Nothing: it is not looked for.
    Off,
    /// It is reported.
    #[default]
    Report,
    /// It is reported, and nothing new from its source is let in for a time.
    Block,
}

/// What is done about one kind of probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(as = ProbeReaction)]
pub struct Reaction {
    /// Nothing, report, or report and block its source.
    pub response: Response,
    /// For how many minutes a source is blocked.
    #[schema(minimum = 1, maximum = 1440)]
    pub block_minutes: u32,
}

impl Default for Reaction {
    fn default() -> Self {
        Self { response: Response::Report, block_minutes: 10 }
    }
}

impl Firewall {
    /// What is done about this kind of probe.
    pub fn reaction(&self, probe: Probe) -> Reaction {
        let off = Reaction { response: Response::Off, ..Reaction::default() };
        self.reconnaissance.get(&probe).copied().unwrap_or(off)
    }

    /// Whether any kind of probe is looked for.
    pub fn looks_for_probes(&self) -> bool {
        Probe::ALL.iter().any(|probe| self.reaction(*probe).response != Response::Off)
    }
}

/// What the settings have wrong.
pub(super) fn check(settings: &Firewall, findings: &mut Vec<Finding>) {
    let mut bounded = |at: String, number: u32, bounds: &RangeInclusive<u32>, of: &str| {
        if !bounds.contains(&number) {
            let message = format!("Write {} to {} {of}.", bounds.start(), bounds.end());
            findings.push(Finding::at(at, "out-of-range", message, &number.to_string()));
        }
    };
    for (probe, reaction) in &settings.reconnaissance {
        let at = format!("/reconnaissance{}/blockMinutes", pointer(probe.as_str()));
        bounded(at, reaction.block_minutes, &MINUTES, "minutes");
    }
    bounded("/reconnaissanceTargets".to_owned(), settings.reconnaissance_targets, &TARGETS, "places");
    bounded("/reconnaissanceWithinSecs".to_owned(), settings.reconnaissance_within_secs, &SECONDS, "seconds");
    for (member, entries) in [
        ("reconnaissanceExcept", &settings.reconnaissance_except),
        ("reconnaissanceOnly", &settings.reconnaissance_only),
    ] {
        if entries.len() > ENTRIES {
            let message = format!("At most {ENTRIES}, those of lists included.");
            findings.push(Finding::at(pointer(member), "too-many", message, &entries.len().to_string()));
        }
        for (index, text) in entries.iter().enumerate() {
            if let Some((code, message)) = wrong_addresses(text).map(WrongAddresses::words) {
                findings.push(Finding::at(format!("/{member}/{index}"), code, message, text));
            }
        }
    }
}

/// Somebody looks for ways in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReconnaissanceDetail)]
pub struct Reconnaissance {
    /// What it does.
    pub probe: Probe,
    /// Who: the address that the packets came from, or claim to.
    pub source: String,
    /// `tcp`, `udp`, `icmp`; several with commas between.
    pub protocols: String,
    /// How many different ports of addresses it asked for, as far as they were remembered: at least so many.
    pub targets: u64,
    /// How many different addresses were among them.
    pub addresses: u64,
    /// Some of the ports, ascending.
    #[schema(max_items = 32)]
    pub ports: Vec<u16>,
    /// The interface that the last of its packets came in by.
    pub interface: String,
    /// How many of its packets were looked at.
    pub sampled: u64,
    /// When the first of them came, in RFC 3339.
    pub first: String,
    /// When the last of them came.
    pub last: String,
    /// Until when nothing new from the source is let in, RFC 3339; empty where it is not blocked.
    pub blocked_until: String,
    /// Why the source is not blocked although the policy says so: `detect`, `spared`, `connected`, `too-many`, `refused`;
    /// empty otherwise.
    pub not_blocked: String,
}

impl Reconnaissance {
    /// Why it is not blocked, in words.
    fn spared(&self) -> Option<(&'static str, &'static str)> {
        match self.not_blocked.as_str() {
            "detect" => Some((
                "The firewall only detects, so the source is not blocked.",
                "検出モードのため、送信元は遮断していません。",
            )),
            "spared" => Some((
                "The source is not blocked: the computer depends on this address (its own, the manager's, a gateway's or a \
                 name server's).",
                "この送信元は、コンピュータ自身、マネージャー、ゲートウェイ、または DNS サーバーのアドレスのため、遮断していません。",
            )),
            "connected" => Some((
                "The source is not blocked: it has an established connection with the computer, and what was seen of it now \
                 could have been sent by somebody else under its address.",
                "この送信元とは確立済みの接続があり、今回のパケットは第三者がアドレスを詐称して送信した可能性もあるため、遮断していません。",
            )),
            "too-many" => Some((
                "The source is not blocked: so many were blocked lately that their addresses are likely forged.",
                "短時間に多数の送信元を遮断しており、送信元アドレスが詐称されている可能性が高いため、遮断していません。",
            )),
            "refused" => Some((
                "The source is not blocked: the kernel refused it.",
                "カーネルが拒否したため、送信元を遮断できませんでした。",
            )),
            _ => None,
        }
    }
}

impl EventDetail for Reconnaissance {
    const KIND: &'static str = "reconnaissance";
    const COLUMNS: &'static [Column] = &[
        Column::text("probe"),
        Column::address("source"),
        Column::text("protocols"),
        Column::number("targets"),
        Column::number("addresses"),
        Column::text("blockedUntil"),
    ];

    fn explain(&self, about: &About<'_>) -> Explanation {
        let Self { source, targets, addresses, blocked_until, .. } = self;
        let computer = about.computer;
        let (does, does_ja) = self.probe.words();
        let (places, places_ja) = if self.probe == Probe::Scan {
            (
                format!(
                    ": at least {targets} different ports on {addresses} addresses where nothing answers"
                ),
                format!("。応答のない {targets} 個以上のポート（アドレス {addresses} 個）"),
            )
        } else {
            Default::default()
        };
        let (end, end_ja) = match (self.spared(), blocked_until.is_empty()) {
            (Some((why, why_ja)), _) => (format!(" {why}"), why_ja.to_owned()),
            (None, false) => (
                format!(" Nothing new from it is let in until {blocked_until}."),
                format!("{blocked_until} まで、この送信元からの新しい通信を遮断します。"),
            ),
            (None, true) => Default::default(),
        };
        let en = format!("{source} {does} at {computer}{places}.{end}");
        let ja = format!("{source} が {computer} に対して{does_ja}{places_ja}。{end_ja}");
        Explanation::new(en, ja)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings as _;

    #[test]
    fn settings_are_read_and_mistakes_are_named() {
        let read = |json: serde_json::Value| serde_json::from_value::<Firewall>(json).unwrap();
        let firewall = read(
            serde_json::json!({"reconnaissance": {"scan": {"response": "block"}, "null": {"response": "off"}, "xmas": {}}}),
        );
        assert_eq!(firewall.check(), []);
        assert_eq!(firewall.reaction(Probe::Scan), Reaction { response: Response::Block, block_minutes: 10 });
        assert_eq!(firewall.reaction(Probe::Null).response, Response::Off);
        assert_eq!(firewall.reaction(Probe::Xmas).response, Response::Report);
        assert_eq!(firewall.reaction(Probe::Fin).response, Response::Off);
        assert!(firewall.looks_for_probes() && !Firewall::default().looks_for_probes());
        let wrong = read(serde_json::json!({
            "reconnaissance": {"syn-fin": {"response": "block", "blockMinutes": 0}},
            "reconnaissanceTargets": 4, "reconnaissanceWithinSecs": 3601,
            "reconnaissanceExcept": ["192.0.2.7", "here"], "reconnaissanceOnly": ["192.0.2.9-192.0.2.1"]}));
        let found: Vec<(String, &str)> =
            wrong.check().into_iter().map(|finding| (finding.pointer, finding.code)).collect();
        let expected = [
            ("/reconnaissance/syn-fin/blockMinutes", "out-of-range"),
            ("/reconnaissanceTargets", "out-of-range"),
            ("/reconnaissanceWithinSecs", "out-of-range"),
            ("/reconnaissanceExcept/1", "not-a-network"),
            ("/reconnaissanceOnly/0", "not-a-range"),
        ];
        assert_eq!(found, expected.map(|(at, code)| (at.to_owned(), code)));
        let unknown = serde_json::json!({"reconnaissance": {"heavy": {}}});
        assert!(serde_json::from_value::<Firewall>(unknown).is_err());
    }

    #[test]
    fn every_kind_has_a_sentence_in_both_languages() {
        let about = About { computer: "web-1", action: "detected", severity: "medium" };
        for probe in Probe::ALL {
            assert_eq!(serde_json::to_value(probe).unwrap(), probe.as_str());
            for not_blocked in ["", "detect", "spared", "connected", "too-many", "refused"] {
                let detail = Reconnaissance {
                    probe,
                    source: "192.0.2.9".to_owned(),
                    protocols: "tcp".to_owned(),
                    targets: 20,
                    addresses: 1,
                    ports: vec![22],
                    interface: "eth0".to_owned(),
                    sampled: 31,
                    first: String::new(),
                    last: String::new(),
                    blocked_until: if not_blocked.is_empty() { "2026-12-01T00:00:00Z" } else { "" }
                        .to_owned(),
                    not_blocked: not_blocked.to_owned(),
                };
                let words = detail.explain(&about);
                assert!(words.en.contains("192.0.2.9") && words.ja.contains("web-1"), "{words:?}");
                assert_eq!(words.en.contains("until"), not_blocked.is_empty(), "{words:?}");
                assert_eq!(words.en.contains("not blocked"), !not_blocked.is_empty(), "{words:?}");
            }
        }
    }
}
