//! Bytes inside the bytes: `base64_decode` with `base64_data`, `asn1`, `ftpbounce`; and back to the packet: `pkt_data`.
use super::content::{signed, unsigned};
use super::{Aim, Builder, Finding, RawOption, Step, Word, shown, value, words};
use crate::asn1::Asn1;
use crate::base64::Mode;
use crate::pattern::Decode;

impl Builder<'_> {
    pub(super) fn packet_data(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        Self::no_value(option)?;
        self.look_at(Aim::Open, option.name);
        Ok(())
    }

    /// `base64_decode:bytes 12, offset 1, relative`
    pub(super) fn base64_decode(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let mut decode =
            Decode { bytes: None, offset: 0, relative: false, mode: Mode::Lenient, steps: Vec::new() };
        for part in option.value.into_iter().flat_map(words).filter(|part| !part.text.is_empty()) {
            let (key, argument) = part.text.split_once(' ').unwrap_or((part.text, ""));
            let number = Word { text: argument.trim_ascii(), at: part.at + key.len() };
            let number = || unsigned(number).map(|number| usize::try_from(number).unwrap_or(usize::MAX));
            match key {
                "bytes" => decode.bytes = Some(number()?),
                "offset" => decode.offset = number()?,
                "relative" if argument.is_empty() => decode.relative = true,
                _ => {
                    return Err(Finding::error(
                        "S014",
                        part.at,
                        format!("unexpected in base64_decode: {}", shown(part.text)),
                        "write bytes 12, offset 1 or relative",
                    ));
                }
            }
        }
        self.push(Step::Decode(decode), option.name)
    }

    pub(super) fn base64_data(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        Self::no_value(option)?;
        if !self.items.iter().any(|item| matches!(item.step, Step::Decode(_))) {
            return Err(Finding::error(
                "S022",
                option.name.at,
                "base64_data follows no base64_decode",
                "say first what is decoded",
            ));
        }
        self.look_at(Aim::Decoded, option.name);
        Ok(())
    }

    /// `asn1:double_overflow, bitstring_overflow, relative_offset 54, oversize_length 2048`
    pub(super) fn asn1(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let mut asn1 = Asn1::default();
        for part in words(value(option)?) {
            let (key, argument) = part.text.split_once(' ').unwrap_or((part.text, ""));
            let number = Word { text: argument.trim_ascii(), at: part.at + key.len() };
            match key {
                "double_overflow" => asn1.double_overflow = true,
                "bitstring_overflow" => asn1.bitstring_overflow = true,
                "oversize_length" => asn1.oversize = Some(unsigned(number)?.into()),
                "absolute_offset" => asn1.offset = signed(number)?,
                "relative_offset" => {
                    asn1.offset = signed(number)?;
                    asn1.relative = true;
                }
                _ => {
                    return Err(Finding::error(
                        "S014",
                        part.at,
                        format!("unexpected in asn1: {}", shown(part.text)),
                        "write double_overflow, bitstring_overflow, oversize_length, absolute_offset or relative_offset",
                    ));
                }
            }
        }
        self.push(Step::Asn1(asn1), option.name)
    }

    pub(super) fn ftp_bounce(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        Self::no_value(option)?;
        self.push(Step::FtpBounce, option.name)
    }
}
