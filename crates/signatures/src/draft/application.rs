//! What is asked of an application's protocol: its name, its oddities, an address' reputation, texts of old keywords.
use super::{Aim, Buffer, Builder, Content, Finding, Item, Range, RawOption, Step, Target, Word};
use super::{content_bytes, quoted, shown, value, words};
use crate::condition::{Check, Whose};
use crate::event::EventName;
use crate::protocol::Protocol;

impl Builder<'_> {
    /// `app-layer-event:http.request_auth_unrecognized`, `decode-event:ipv4.trunc_pkt`, `stream-event:pkt_invalid_ack`
    pub(super) fn event(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let stream = option.name.text == "stream-event";
        let name = if stream { format!("stream.{}", word.text) } else { word.text.to_owned() };
        let Some((event, _)) = EventName::named(&name) else {
            return Err(Finding::error(
                "S056",
                word.at,
                format!("no such event is known here: {}", shown(word.text)),
                "leave the rule out: it would never match",
            ));
        };
        self.checks.push(Check::Event(event));
        Ok(())
    }

    /// `app-layer-protocol:!tls`
    pub(super) fn application_protocol(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let (negated, text) = match word.text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, word.text),
        };
        let (names, mode) = text.split_once(',').unwrap_or((text, ""));
        let bad = |title: String| {
            Finding::error(
                "S014",
                word.at,
                title,
                "write app-layer-protocol:http; or with !, several joined by |",
            )
        };
        if !matches!(mode.trim_ascii(), "" | "either" | "final") {
            return Err(bad(format!("a form of app-layer-protocol that is not known here: {}", shown(mode))));
        }
        let (mut protocols, mut unknown) = (Vec::new(), false);
        for name in names.split('|').map(str::trim_ascii) {
            match Protocol::named(name).filter(|p| p.is_application()) {
                Some(protocol) => protocols.push(protocol),
                None if matches!(name, "unknown" | "failed") => unknown = true,
                None => return Err(bad(format!("no protocol of applications: {}", shown(name)))),
            }
        }
        self.checks.push(Check::Application { protocols, unknown, negated });
        Ok(())
    }

    /// `iprep:src,CnC,>,30`
    pub(super) fn reputation(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let mut parts = words(word);
        let bad = || {
            Finding::error(
                "S014",
                word.at,
                format!("not a form of iprep: {}", shown(word.text)),
                "write iprep:src|dst|any|both,category,>|<|=|>=|<=|!=,0 to 127; or isset in place of the comparison",
            )
        };
        let (Some(whose), Some(category), Some(operator)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        let whose = match whose.text {
            "src" => Whose::Source,
            "dst" => Whose::Destination,
            "any" => Whose::Any,
            "both" => Whose::Both,
            _ => return Err(bad()),
        };
        let range = match (operator.text, parts.next()) {
            ("isset", None) => Range::GreaterOrEqual(0),
            ("<" | ">" | "=" | "<=" | ">=" | "!=", Some(number)) => {
                let text = format!("{}{}", operator.text, number.text);
                Range::parse(Word { text: &text, at: operator.at })?
            }
            _ => return Err(bad()),
        };
        self.checks.push(Check::Reputation { whose, category: category.text.to_owned(), range });
        Ok(())
    }

    /// `dcerpc.iface:UUID` with an optional comparison of the version, which is refused.
    pub(super) fn dcerpc_interface(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let mut parts = words(value(option)?);
        let uuid = parts.next().unwrap_or(option.name);
        let digits = uuid.text.bytes().filter(|b| *b != b'-').count();
        let valid = digits == 32 && uuid.text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
        if !valid {
            return Err(Finding::error(
                "S014",
                uuid.at,
                format!("not the UUID of an interface: {}", shown(uuid.text)),
                "write dcerpc.iface:367abb81-9844-35f1-ad32-98f038001003;",
            ));
        }
        if let Some(part) = parts.find(|part| part.text != "any_frag") {
            return Err(Finding::error(
                "S012",
                part.at,
                format!("versions of interfaces are not compared: {}", shown(part.text)),
                "leave the comparison out",
            ));
        }
        let bytes = uuid.text.to_ascii_lowercase().into_bytes();
        let content =
            Content { bytes, startswith: true, endswith: true, at: option.name.at, ..Content::default() };
        self.at(Buffer::DcerpcInterface, Step::Content(content));
        Ok(())
    }

    /// Keywords of old that say in one what a buffer and a content say now: `filename:"x"`, `tls.subject:!"CN=x"`.
    pub(super) fn text_of_buffer(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let written = value(option)?;
        let name = option.name.text;
        let (negated, word) = if written.text.contains('"') {
            quoted(written)?
        } else {
            match written.text.strip_prefix('!') {
                Some(rest) => (true, Word { text: rest.trim_ascii(), at: written.at + 1 }),
                None => (false, written),
            }
        };
        let mut content =
            Content { bytes: content_bytes(word)?, negated, at: option.name.at, ..Content::default() };
        let buffer = match name {
            "filename" => Buffer::FileName,
            "fileext" => {
                content.bytes.insert(0, b'.');
                content.bytes.make_ascii_lowercase();
                (content.nocase, content.endswith) = (true, true);
                Buffer::FileName
            }
            "tls.subject" => Buffer::TlsCertSubject,
            "tls.issuerdn" => Buffer::TlsCertIssuer,
            "tls.fingerprint" => {
                content.bytes.make_ascii_lowercase();
                content.nocase = true;
                Buffer::TlsCertFingerprint
            }
            "ssh.protoversion" if word.text == "2_compat" => {
                // version 2, and 1.99, which says that both are spoken
                let parsed = super::pcre::parse(Word { text: r"/^(?:2|1\.99)/", at: word.at }, negated)?;
                self.at(Buffer::SshProto, Step::Pcre(parsed.pcre));
                return Ok(());
            }
            "ssh.protoversion" => {
                content.startswith = true;
                Buffer::SshProto
            }
            "ftpdata_command" => {
                content.bytes.make_ascii_lowercase();
                (content.nocase, content.startswith, content.endswith) = (true, true, true);
                Buffer::FtpDataCommand
            }
            _ => Buffer::SshSoftware,
        };
        self.at(buffer, Step::Content(content));
        Ok(())
    }

    fn at(&mut self, buffer: Buffer, step: Step) {
        self.items.push(Item { aim: Aim::At(Target { buffer, transforms: Vec::new() }), step });
    }
}
