//! `flow`, `stream_size`, `dsize` and `sameip`: what is asked of a flow and of a segment.
use super::{Builder, Direction, Finding, Range, RawOption, Word, shown, value, words};
use crate::condition::{Check, StreamSide};

impl Builder<'_> {
    pub(super) fn flow(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        if std::mem::replace(&mut self.flow_seen, true) {
            return Err(Finding::error(
                "S018",
                option.name.at,
                "flow is written twice",
                "keep one, with its words joined by commas",
            ));
        }
        for part in words(word) {
            self.flow_word(part)?;
        }
        Ok(())
    }

    fn flow_word(&mut self, part: Word<'_>) -> Result<(), Finding> {
        let bad = |text: &str, help: &str| Finding::error("S050", part.at, text.to_owned(), help);
        let text = part.text.to_ascii_lowercase();
        match text.as_str() {
            "to_server" | "from_client" | "to_client" | "from_server" => {
                let to_server = matches!(text.as_str(), "to_server" | "from_client");
                let direction = if to_server { Direction::ToServer } else { Direction::ToClient };
                if self.flow.direction.replace(direction).is_some_and(|before| before != direction) {
                    return Err(bad(
                        "the flow cannot go both to the server and to the client",
                        "keep one of the two",
                    ));
                }
            }
            "established" | "not_established" => {
                let wanted = text == "established";
                if self.flow.established.replace(wanted).is_some_and(|before| before != wanted) {
                    return Err(bad("the flow cannot be both established and not", "keep one of the two"));
                }
            }
            "only_stream" | "no_stream" => {
                let wanted = text == "only_stream";
                if self.flow.stream.replace(wanted).is_some_and(|before| before != wanted) {
                    return Err(bad(
                        "a rule cannot look at the stream alone and at packets alone",
                        "keep one",
                    ));
                }
            }
            "stateless" => {}
            "no_frag" | "only_frag" => {
                return Err(Finding::error(
                    "S012",
                    part.at,
                    format!(
                        "flow:{text} is not supported: packets are put together before they are looked at"
                    ),
                    "leave it out",
                ));
            }
            _ => {
                return Err(bad(
                    &format!("unknown word in flow: {}", shown(part.text)),
                    "known are to_server, to_client, from_client, from_server, established, not_established, stateless, only_stream and no_stream",
                ));
            }
        }
        Ok(())
    }

    /// `stream_size:server,<,5`
    pub(super) fn stream_size(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let mut parts = words(word);
        let bad = || {
            Finding::error(
                "S014",
                word.at,
                format!("not a size of a stream: {}", shown(word.text)),
                "write stream_size:client|server|both|either,<|>|=|<=|>=|!=,bytes",
            )
        };
        let (Some(side), Some(operator), Some(number), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        let side = match side.text {
            "client" => StreamSide::Client,
            "server" => StreamSide::Server,
            "both" => StreamSide::Both,
            "either" => StreamSide::Either,
            _ => return Err(bad()),
        };
        if !matches!(operator.text, "<" | ">" | "=" | "<=" | ">=" | "!=") {
            return Err(bad());
        }
        let text = format!("{}{}", operator.text, number.text);
        let range = Range::parse(Word { text: &text, at: operator.at })?;
        self.checks.push(Check::StreamSize { side, range });
        Ok(())
    }

    pub(super) fn segment_size(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        self.checks.push(Check::Segment(Range::parse(value(option)?)?));
        Ok(())
    }

    pub(super) fn same_address(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        Self::no_value(option)?;
        self.checks.push(Check::SameAddress);
        Ok(())
    }
}
