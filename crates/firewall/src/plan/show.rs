//! A plan in words.
use super::{AddressRanges, ChainName, Condition, Plan, Side, Step, Then};
use crate::address::show_interfaces;
use crate::stateful::{Crowd, Effect, Fragments, Timeouts, Watch};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chain in &self.chains {
            writeln!(
                f,
                "{}{}",
                chain.name,
                chain.hook.map_or(String::new(), |hook| format!(" at {hook:?}"))
            )?;
            for step in &chain.steps {
                writeln!(f, "  {step}")?;
            }
        }
        for (name, steps) in [("frames in", &self.frames.inward), ("frames out", &self.frames.outward)] {
            if !steps.is_empty() {
                writeln!(f, "{name}")?;
                steps.iter().try_for_each(|step| writeln!(f, "  {step}"))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { of, block: 0 } => f.write_str(of),
            Self { of, block } => write!(f, "{of}_{block}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for condition in &self.conditions {
            write!(f, "{condition} ")?;
        }
        if let Some(counter) = &self.counter {
            write!(f, "count {counter} ")?;
        }
        if let Some(outcome) = self.sample {
            write!(f, "sample{} ", outcome.letter())?;
        }
        match self.then {
            Then::Next => f.write_str("next"),
            Then::Jump(chain) => write!(f, "jump {chain}"),
            Then::Accept => f.write_str("accept"),
            Then::Drop => f.write_str("drop"),
            Then::Bypass => f.write_str("bypass"),
            Then::Effect(effect) => write!(f, "{effect}"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display + PartialEq>(
            f: &mut fmt::Formatter<'_>,
            ranges: impl Iterator<Item = (T, T)>,
        ) -> fmt::Result {
            f.write_str("{")?;
            for (first, last) in ranges {
                if first == last { write!(f, " {first}")? } else { write!(f, " {first}-{last}")? }
            }
            f.write_str(" }")
        }
        let side = |side: &Side| if *side == Side::Source { "from" } else { "to" };
        match self {
            Self::Watch(watch) => write!(f, "{watch}"),
            Self::Injected => f.write_str("injected"),
            Self::Established => f.write_str("established"),
            Self::Interface(at, kind) => write!(f, "{} interface {kind:?}", side(at)),
            Self::InterfaceName(at, names) => {
                write!(f, "{} interface {{", side(at))?;
                names.iter().try_for_each(|r| write!(f, " {}", show_interfaces(*r.start(), *r.end())))?;
                f.write_str(" }")
            }
            Self::Family { v4 } => f.write_str(if *v4 { "IPv4" } else { "IPv6" }),
            Self::Protocol(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(u8::to_string).collect();
                write!(f, "protocol {}", numbers.join(" or "))
            }
            Self::Address(at, AddressRanges::V4(ranges)) => {
                write!(f, "{} ", side(at))?;
                list(f, ranges.iter().map(|r| (Ipv4Addr::from(*r.start()), Ipv4Addr::from(*r.end()))))
            }
            Self::Address(at, AddressRanges::V6(ranges)) => {
                write!(f, "{} ", side(at))?;
                list(f, ranges.iter().map(|r| (Ipv6Addr::from(*r.start()), Ipv6Addr::from(*r.end()))))
            }
            Self::Port(at, ranges) => {
                write!(f, "{} port ", side(at))?;
                list(f, ranges.iter().map(|r| (*r.start(), *r.end())))
            }
            Self::FromCard { macs, not } => {
                write!(f, "{}from card ", if *not { "not " } else { "" })?;
                list(f, macs.iter().map(|mac| (*mac, *mac)))
            }
            Self::TcpFlags { any, not } => {
                let any: Vec<String> = any.iter().map(ToString::to_string).collect();
                write!(f, "{}flags {}", if *not { "not " } else { "" }, any.join(" or "))
            }
            Self::EtherType(ranges) => {
                f.write_str("frame ")?;
                let text = |number: &u16| format!("0x{number:04x}");
                list(f, ranges.iter().map(|r| (text(r.start()), text(r.end()))))
            }
            Self::Icmp(ranges) => {
                let text = |number: u16| {
                    let [kind, code] = number.to_be_bytes();
                    format!("{kind}/{code}")
                };
                f.write_str("type ")?;
                list(f, ranges.iter().map(|r| (text(*r.start()), text(*r.end()))))
            }
        }
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = |v4: bool| if v4 { "IPv4" } else { "IPv6" };
        match *self {
            Self::NotAsked => f.write_str("not asked about"),
            Self::New => f.write_str("new"),
            Self::Invalid => f.write_str("invalid"),
            Self::NewOrInvalid => f.write_str("new or invalid"),
            Self::ForHere => f.write_str("to this host"),
            Self::Fragment { v4, which } => {
                write!(f, "{} fragment", version(v4))?;
                match which {
                    Fragments::All => Ok(()),
                    Fragments::Shorter(least) => write!(f, " shorter than {least}"),
                    Fragments::Before(offset) => write!(f, " before {offset}"),
                }
            }
            Self::Crowded { of, v4, most } => {
                let of = match of {
                    Crowd::Source => "from its source",
                    Crowd::Destination => "to its destination",
                    Crowd::Outgoing => "to the outside",
                };
                write!(f, "more than {most} {} connections {of}", version(v4))
            }
            Self::HalfOpenRoom { v4, most } => {
                write!(f, "at most {most} {} connections half open", version(v4))
            }
            Self::CookiesSent => f.write_str("to a port with cookies"),
            Self::AnswersInPlace => f.write_str("in place of a server"),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { .. } => f.write_str("half open no more"),
            Self::CookieSent => f.write_str("note the port"),
            Self::SynCookie => f.write_str("SYN cookie"),
            Self::Own => f.write_str("our own"),
            Self::Ftp => f.write_str("follow FTP"),
            Self::Timeouts(Timeouts { protocol, seconds }) => {
                write!(f, "timeouts of protocol {protocol} {seconds:?}")
            }
        }
    }
}
