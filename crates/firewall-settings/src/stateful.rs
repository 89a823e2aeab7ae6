//! Stateful checks: settings → policy, and what is said of them.
use crate::answer::Question;
use sakimori_firewall::{self as engine, Check, Timeout};
use sakimori_modules::firewall::{Direction, Firewall, Stateful};
use sakimori_modules::{Explanation, Mode, Text};

pub(crate) fn translate(stateful: &Stateful) -> engine::Stateful {
    let timeouts = [
        (Timeout::SynSent, stateful.tcp_syn_sent_secs),
        (Timeout::SynReceived, stateful.tcp_syn_received_secs),
        (Timeout::Established, stateful.tcp_established_secs),
        (Timeout::FinWait, stateful.tcp_fin_wait_secs),
        (Timeout::CloseWait, stateful.tcp_close_wait_secs),
        (Timeout::LastAck, stateful.tcp_last_ack_secs),
        (Timeout::TimeWait, stateful.tcp_time_wait_secs),
        (Timeout::Close, stateful.tcp_close_secs),
        (Timeout::Udp, stateful.udp_secs),
        (Timeout::UdpStream, stateful.udp_stream_secs),
        (Timeout::Icmp, stateful.icmp_secs),
    ];
    engine::Stateful {
        invalid: stateful.invalid.into(),
        out_of_connection: stateful.out_of_connection.into(),
        congestion_flags: stateful.congestion_flags.into(),
        fragments: stateful.fragments.into(),
        short_fragments: stateful.short_fragments.into(),
        // What is beyond is beyond the bounds as well.
        min_fragment: u16::try_from(stateful.min_fragment_bytes).unwrap_or(u16::MAX),
        from_one_source: stateful.max_from_one_source,
        to_one_destination: stateful.max_to_one_destination,
        outgoing: stateful.max_outgoing,
        half_open: stateful.max_half_open,
        ftp: stateful.ftp_ports.iter().map(|ports| ports.0).collect(),
        timeouts: timeouts.into_iter().filter(|(_, seconds)| *seconds > 0).collect(),
    }
}

/// What a check has found, to be read behind "because".
pub(crate) const fn found(check: Check) -> Text {
    match check {
        Check::InvalidFlags => Text {
            en: "its TCP flags go together in no state of a connection",
            ja: "TCP フラグの組み合わせが不正なため",
        },
        Check::InvalidPacket => Text {
            en: "it fits no state of any connection",
            ja: "どの接続の状態にも当てはまらないため",
        },
        Check::OutOfConnection => Text {
            en: "it opens no TCP connection and belongs to none",
            ja: "TCP 接続を開始せず、既存の接続にも属さないため",
        },
        Check::CongestionFlags => Text {
            en: "it has the TCP flag CWR or ECE",
            ja: "TCP フラグ CWR または ECE を含むため",
        },
        Check::Fragment => Text { en: "it is a fragment", ja: "断片であるため" },
        Check::ShortFragment => Text {
            en: "it is a fragment such as no honest sender makes",
            ja: "正規の送信者が作らない短い断片であるため",
        },
        Check::FromOneSource => Text {
            en: "its source has too many connections",
            ja: "送信元からの接続数が上限を超えるため",
        },
        Check::ToOneDestination => Text {
            en: "its destination has too many connections",
            ja: "宛先への接続数が上限を超えるため",
        },
        Check::Outgoing => Text {
            en: "too many connections go out",
            ja: "送信方向の接続数が上限を超えるため",
        },
        Check::HalfOpen => Text {
            en: "too many connections are half open",
            ja: "ハーフオープン接続数が上限を超えるため",
        },
        Check::CookieAnswer => {
            Text { en: "it answers a SYN cookie", ja: "SYN Cookie への応答であるため" }
        }
    }
}

/// What of stateful checks one packet does not tell.
pub(crate) fn unknown(settings: &Firewall, question: &Question) -> Vec<Explanation> {
    let stateful = &settings.stateful;
    let opens = question.protocol == 6
        && !question.established
        && question.tcp_flags.is_none_or(|flags| flags & 0x17 == 2)
        && settings.mode != Mode::Off;
    let inward = question.direction == Direction::In;
    let limits = [
        (inward, stateful.max_from_one_source, "its source has no more than", "送信元からの接続が"),
        (
            inward && !question.container,
            stateful.max_half_open,
            "half open are no more than",
            "ハーフオープン接続が",
        ),
        (!inward, stateful.max_to_one_destination, "its destination has no more than", "宛先への接続が"),
        (!inward, stateful.max_outgoing, "out go no more than", "送信方向の接続が"),
    ];
    let limits = limits.into_iter().filter(|(asked, most, ..)| opens && *asked && *most > 0);
    let mut unknown: Vec<Explanation> = limits
        .map(|(_, most, en, ja)| {
            Explanation::new(
                format!("One packet does not say whether {en} {most} connections; with more it does not pass."),
                format!("{ja} {most} 件以下かどうかは、1 個のパケットからは判断できません。超える場合は通過しません。"),
            )
        })
        .collect();
    if question.established && inward && stateful.invalid != Mode::Off && settings.mode != Mode::Off {
        unknown.push(Explanation::new(
            "One packet does not say whether it is within its connection's window; outside of it, it is invalid.".to_owned(),
            "接続のウィンドウ内かどうかは、1 個のパケットからは判断できません。範囲外であれば不正なパケットです。".to_owned(),
        ));
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, Whoever, explain};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn asked(flags: u8, fragment: bool) -> Question {
        Question {
            direction: Direction::In,
            container: false,
            source: "203.0.113.9".parse().unwrap(),
            destination: "192.0.2.1".parse().unwrap(),
            protocol: 6,
            ports: Some((40_000, 443)),
            tcp_flags: Some(flags),
            icmp: None,
            established: false,
            card: None,
            interface: None,
            at_micros: 0,
            contexts: BTreeMap::new(),
            fragment,
            frame: sakimori_modules::firewall::Frame::Ip,
        }
    }

    #[test]
    fn of_a_packet_it_is_said_what_a_check_finds_and_what_nobody_can_know() {
        let settings: Firewall = serde_json::from_value(json!({"mode": "prevent", "stateful": {
            "invalid": "prevent", "outOfConnection": "detect", "fragments": "prevent", "maxFromOneSource": 20,
            "maxOutgoing": 5}}))
        .unwrap();
        let of = |question: &Question| {
            let answered = explain(&settings, &[], question).unwrap();
            (answered.decision.verdict, answered.decision.who, answered.decision.text, answered.unknown)
        };
        let (verdict, who, text, _) = of(&asked(0x29, false));
        assert_eq!((verdict, who), (Verdict::Dropped, Whoever::Check), "{text:?}");
        assert!(text.en.contains("TCP flags") && text.ja.contains("TCP フラグ"), "{text:?}");
        let (verdict, who, text, unknown) = of(&asked(0x10, false));
        assert_eq!((verdict, who, unknown), (Verdict::WouldBeDropped, Whoever::Check, vec![]), "{text:?}");
        let (verdict, who, text, _) = of(&asked(0x02, true));
        assert_eq!((verdict, who), (Verdict::Dropped, Whoever::Check), "{text:?}");
        let (verdict, _, _, unknown) = of(&asked(0x02, false));
        assert_eq!(verdict, Verdict::Passes);
        let [limit] = &unknown[..] else { panic!("{unknown:?}") };
        assert!(limit.en.contains("20 connections") && limit.ja.contains("20 件"), "{limit:?}");
        let answered = Question { established: true, ..asked(0x10, false) };
        let (verdict, _, _, unknown) = of(&answered);
        assert_eq!((verdict, unknown.len()), (Verdict::Passes, 1));
    }
}
