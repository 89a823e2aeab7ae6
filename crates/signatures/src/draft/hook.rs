//! Hooks: `tls:client_hello_done`, `http1:response_body`, `tcp:flow_start`. They say how far a protocol has come when a rule is asked.
//!
//! Rules are asked as soon as what they look at is there; of a hook its direction counts, and that it was reached.
use super::{Builder, Finding, Word, shown};
use crate::buffer::Direction;
use crate::condition::Check;
use crate::fact::Fact;
use crate::pattern::Range;
use crate::protocol::Protocol;

impl Builder<'_> {
    /// The protocol of the header, with its hook.
    pub(super) fn protocol(&mut self, word: Word<'_>) -> Result<Protocol, Finding> {
        if let Some(protocol) = Protocol::named(word.text) {
            return Ok(protocol);
        }
        let hooked = word.text.split_once(':');
        let Some((protocol, hook)) =
            hooked.and_then(|(name, hook)| Some((Protocol::named(name)?, hook.trim_ascii())))
        else {
            return Err(Finding::error(
                "S004",
                word.at,
                format!("unknown protocol: {}", shown(word.text)),
                "write http, dns, tls, tcp, udp, icmp, ip, or another protocol of the language",
            ));
        };
        let direction = match hook {
            "flow_start" if !protocol.is_application() => {
                for (fact, count) in [(Fact::FlowPacketsToServer, 1), (Fact::FlowPacketsToClient, 0)] {
                    self.checks.push(Check::Number {
                        fact,
                        ranges: vec![Range::Equal(count)],
                        negated: false,
                    });
                }
                self.flow.stream = Some(false);
                return Ok(protocol);
            }
            "all" if !protocol.is_application() => return Ok(protocol),
            _ if !protocol.is_application() => None,
            hook if hook.starts_with("request_") || hook.starts_with("client_") => Some(Direction::ToServer),
            hook if hook.starts_with("response_") || hook.starts_with("server_") => Some(Direction::ToClient),
            _ => None,
        };
        let Some(direction) = direction else {
            return Err(Finding::error(
                "S005",
                word.at,
                format!("this hook of a protocol is not supported: {}", shown(word.text)),
                "write the protocol alone; a rule is asked as soon as what it looks at is there",
            ));
        };
        if self.flow.direction.replace(direction).is_some_and(|before| before != direction) {
            return Err(Finding::error(
                "S050",
                word.at,
                "the hook and flow name different directions",
                "leave flow out",
            ));
        }
        self.hooked = true;
        Ok(protocol)
    }
}
