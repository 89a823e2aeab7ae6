//! What the engine says of a packet, in both languages.
use crate::answer::{By, Question, Verdict, Whoever};
use sakimori_firewall::{Action, AddressRanges, Condition, Counter, Decider, Interface, Side, Step};
use sakimori_modules::firewall::{Direction, FirewallAction, Protocol};
use sakimori_modules::{Explanation, Text};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

pub(crate) const MODULE_OFF: Text = Text {
    en: "The firewall is off: everything passes.",
    ja: "ファイアウォールはオフで、すべて通過します。",
};
pub(crate) const OFF: Text = Text { en: "The rule is off.", ja: "ルールはオフです。" };
pub(crate) const NOT_NOW: Text = Text {
    en: "The rule does not count at this time: none of its times of the week fits.",
    ja: "この時刻は、ルールのスケジュールの範囲外です。",
};
pub(crate) const NOT_HERE: Text = Text {
    en: "The rule does not count here: none of its contexts holds.",
    ja: "ルールのコンテキストがいずれも成立していません。",
};
pub(crate) const DECIDED: Text =
    Text { en: "It matches and decides.", ja: "一致し、このルールが決定します。" };
pub(crate) const COUNTED: Text = Text {
    en: "It matches, only counts and reports, and the next rules are asked.",
    ja: "一致しますが、記録のみ行い、次のルールの判定に進みます。",
};
const NOT_ROUTED: Text = Text {
    en: "The packet passes: what the computer only routes is not filtered, and no rule is asked.",
    ja: "通過します。転送のみの通信は対象外で、ルールは適用されません。",
};

fn both(en: String, ja: String) -> Explanation {
    Explanation::new(en, ja)
}

pub(crate) const fn action_word(action: FirewallAction) -> &'static str {
    match action {
        FirewallAction::Bypass => "bypass",
        FirewallAction::LogOnly => "log-only",
        FirewallAction::ForceAllow => "force-allow",
        FirewallAction::Deny => "deny",
        FirewallAction::Allow => "allow",
    }
}

pub(crate) const fn engine_action(action: Action) -> &'static str {
    match action {
        Action::Bypass => "bypass",
        Action::LogOnly => "log-only",
        Action::ForceAllow => "force-allow",
        Action::Deny => "deny",
        Action::Allow => "allow",
    }
}

fn list(labels: &[String], mark: &str) -> String {
    labels.join(mark)
}

pub(crate) fn if_holds(contexts: &[String], text: &Explanation) -> Explanation {
    both(
        format!("If one of these contexts holds: {}. {}", list(contexts, ", "), text.en),
        format!("コンテキスト（{}）のいずれかが成立する場合: {}", list(contexts, "、"), text.ja),
    )
}

pub(crate) fn context_unknown(contexts: &[String]) -> Explanation {
    both(
        format!(
            "Whether it counts is not known: only the computer sees whether one of these contexts holds: {}.",
            list(contexts, ", ")
        ),
        format!(
            "適用されるかどうかは不明です。コンテキスト（{}）の成否はコンピュータ側でのみ判定できます。",
            list(contexts, "、")
        ),
    )
}

pub(crate) fn too_late(by: &By) -> Explanation {
    match (&by.rule, by.who) {
        (Some(rule), _) => both(
            format!("It matches as well, but the rule “{rule}” is asked earlier and decides."),
            format!("一致しますが、先に判定されるルール「{rule}」が決定します。"),
        ),
        (None, Whoever::AlwaysOpen) => both(
            "It matches as well, but such packets are let through before any rule is asked.".to_owned(),
            "一致しますが、ルールの判定より前に許可される通信です。".to_owned(),
        ),
        (None, _) => both(
            "It would match, but it is not asked about this packet.".to_owned(),
            "一致しますが、このパケットでは判定されません。".to_owned(),
        ),
    }
}

pub(crate) fn decision(verdict: Verdict, by: Option<&Decider<'_>>, direction: Direction) -> Explanation {
    let (does, does_ja) = match verdict {
        Verdict::Passes => ("The packet passes", "通過します"),
        Verdict::Bypasses => ("The packet passes without being inspected", "検査なしで通過します"),
        Verdict::WouldBeDropped => (
            "The packet passes, but would be dropped in Prevent",
            "検出モードのため通過しますが、防御モードでは破棄されます",
        ),
        Verdict::Dropped => ("The packet is dropped", "破棄されます"),
    };
    let (way, way_ja) = match direction {
        Direction::In => ("inbound", "受信"),
        Direction::Out => ("outbound", "送信"),
    };
    match by {
        Some(Decider::Counter(Counter { rule: Some(rule), action, .. })) => both(
            format!("{does}: the rule “{rule}” ({}) decides.", engine_action(*action)),
            format!("{does_ja}。ルール「{rule}」（{}）が決定します。", engine_action(*action)),
        ),
        Some(Decider::Counter(Counter { check: Some(check), .. })) => {
            let found = crate::stateful::found(*check);
            both(format!("{does}: {}.", found.en), format!("{}、{does_ja}。", found.ja))
        }
        Some(Decider::Counter(_)) => both(
            format!("{does}: no rule decides, and the default for {way} traffic denies."),
            format!("{does_ja}。一致するルールがなく、{way_ja}の既定の動作は拒否です。"),
        ),
        Some(Decider::Default(_)) => both(
            format!("{does}: no rule decides, and the default for {way} traffic allows."),
            format!("{does_ja}。一致するルールがなく、{way_ja}の既定の動作は許可です。"),
        ),
        Some(Decider::AlwaysOpen(step)) => {
            let what = always_open(step);
            both(
                format!("{does}: always let through before any rule: {}.", what.en),
                format!("{does_ja}。ルールより前に常に許可される通信です（{}）。", what.ja),
            )
        }
        None if verdict == Verdict::Passes => NOT_ROUTED.into(),
        None => both(format!("{does}."), format!("{does_ja}。")),
    }
}

/// What a step that stands before the rules is for.
fn always_open(step: &Step) -> Explanation {
    let text = step.conditions.iter().find_map(|condition| {
        Some(match condition {
            Condition::Injected => {
                Text { en: "what the product itself sends", ja: "本製品自身の通信" }
            }
            Condition::Established => Text {
                en: "an established connection, or what is related to one",
                ja: "確立済みの接続と関連する通信",
            },
            Condition::Interface(_, Interface::Loopback) => Text { en: "loopback", ja: "ループバック" },
            Condition::Icmp(_) => Text {
                en: "neighbour discovery and multicast membership of IPv6",
                ja: "IPv6 の近隣探索とマルチキャスト管理",
            },
            Condition::Port(_, ports) if ports.iter().any(|range| *range.start() == 53) => {
                Text { en: "DNS queries", ja: "DNS の問い合わせ" }
            }
            Condition::Port(_, ports)
                if ports.iter().any(|range| matches!(range.start(), 67 | 68 | 546 | 547)) =>
            {
                Text { en: "the DHCP client", ja: "DHCP クライアント" }
            }
            Condition::Address(..) => Text {
                en: "the agent's way to its manager",
                ja: "エージェントからマネージャーへの通信",
            },
            _ => return None,
        })
    });
    text.map_or_else(|| both(step.to_string(), step.to_string()), Into::into)
}

/// Why a rule does not match: the code of the first condition that is not met, and a sentence on all of them.
pub(crate) fn unmet(conditions: &[&Condition], question: &Question) -> (&'static str, Explanation) {
    let each: Vec<(&'static str, Explanation)> =
        conditions.iter().map(|condition| condition_text(condition, question)).collect();
    let code = each.first().map_or("unmet", |(code, _)| *code);
    let sentence = |of: fn(&Explanation) -> &String, between: &str| {
        each.iter().map(|(_, text)| of(text).as_str()).collect::<Vec<_>>().join(between)
    };
    let text = both(
        format!("It does not match: {}.", sentence(|text| &text.en, "; ")),
        format!("一致しません: {}。", sentence(|text| &text.ja, "、")),
    );
    (code, text)
}

fn condition_text(condition: &Condition, question: &Question) -> (&'static str, Explanation) {
    let end = |side: &Side| match side {
        Side::Source => ("source", "送信元", question.source),
        Side::Destination => ("destination", "宛先", question.destination),
    };
    match condition {
        Condition::Address(side, ranges) => {
            let (name, name_ja, address) = end(side);
            let (named, other_family) = match ranges {
                AddressRanges::V4(ranges) => (shown(ranges, addresses_v4), address.is_ipv6()),
                AddressRanges::V6(ranges) => (shown(ranges, addresses_v6), address.is_ipv4()),
            };
            let code = if other_family { "ip-version" } else { "address" };
            (
                code,
                both(
                    format!("the {name} address {address} is not in {named}"),
                    format!("{name_ja}アドレス {address} が {named} に含まれない"),
                ),
            )
        }
        Condition::Port(side, ranges) => {
            let (name, name_ja, _) = end(side);
            let named = shown(ranges, range);
            let port = question.ports.map(
                |(source, destination)| {
                    if *side == Side::Source { source } else { destination }
                },
            );
            let text = match port {
                Some(port) => both(
                    format!("the {name} port {port} is not in {named}"),
                    format!("{name_ja}ポート {port} が {named} に含まれない"),
                ),
                None => both(
                    format!("the packet has no {name} port, wanted is {named}"),
                    format!("{name_ja}ポートがない（対象は {named}）"),
                ),
            };
            ("port", text)
        }
        Condition::Protocol(numbers) => {
            let name = |number: &u8| Protocol::Number(*number).to_string();
            let named = numbers.iter().map(name).collect::<Vec<_>>().join(", ");
            let own = name(&question.protocol);
            (
                "protocol",
                both(
                    format!("the protocol is {own}, not {named}"),
                    format!("プロトコルが {named} ではなく {own}"),
                ),
            )
        }
        Condition::Family { v4 } => {
            let version = if *v4 { "IPv4" } else { "IPv6" };
            ("ip-version", both(format!("it is not {version}"), format!("{version} ではない")))
        }
        Condition::FromCard { .. } => match question.card {
            None => (
                "mac",
                both(
                    "the sender's MAC address is not known".to_owned(),
                    "送信元の MAC アドレスが不明".to_owned(),
                ),
            ),
            Some(card) => {
                let card = sakimori_firewall::Mac::new(card);
                (
                    "mac",
                    both(
                        format!("the MAC address {card} is not one of the rule's"),
                        format!("MAC アドレス {card} がルールの対象外"),
                    ),
                )
            }
        },
        Condition::InterfaceName(..) => match &question.interface {
            None => (
                "interface",
                both("the interface is not known".to_owned(), "インターフェースが不明".to_owned()),
            ),
            Some(name) => (
                "interface",
                both(
                    format!("the interface {name} is not one of the rule's"),
                    format!("インターフェース {name} がルールの対象外"),
                ),
            ),
        },
        Condition::TcpFlags { .. } => {
            ("flags", both("the TCP flags are others".to_owned(), "TCP フラグが一致しない".to_owned()))
        }
        Condition::EtherType(_) => (
            "frame",
            both("the frame's number is another".to_owned(), "フレームの番号が一致しない".to_owned()),
        ),
        Condition::Icmp(_) => {
            ("icmp-type", both("the ICMP type is another".to_owned(), "ICMP タイプが一致しない".to_owned()))
        }
        other => ("other", both(format!("not {other}"), format!("条件を満たさない（{other}）"))),
    }
}

/// Ranges of a list that are shown; the others are only counted.
const SHOWN: usize = 4;

fn shown<T: Copy>(ranges: &[RangeInclusive<T>], one: impl Fn(T, T) -> String) -> String {
    let mut text: Vec<String> =
        ranges.iter().take(SHOWN).map(|range| one(*range.start(), *range.end())).collect();
    if ranges.len() > SHOWN {
        text.push(format!("… (+{})", ranges.len() - SHOWN));
    }
    text.join(", ")
}

fn range(first: u16, last: u16) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

fn addresses_v4(first: u32, last: u32) -> String {
    network(Ipv4Addr::from(first).into(), Ipv4Addr::from(last).into())
}

fn addresses_v6(first: u128, last: u128) -> String {
    network(Ipv6Addr::from(first).into(), Ipv6Addr::from(last).into())
}

/// As a network where it is one.
fn network(first: std::net::IpAddr, last: std::net::IpAddr) -> String {
    sakimori_firewall::Network::range(first, last)
        .map_or_else(|| format!("{first}-{last}"), |one| one.to_string())
}
