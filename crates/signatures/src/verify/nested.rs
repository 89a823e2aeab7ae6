//! Bytes inside the bytes: what is decoded, elements of ASN.1, an address in a command.
use super::{Conditions, Outcome, Run, View};
use crate::asn1::Asn1;
use crate::base64;
use crate::pattern::{Decode, Step};
use std::net::{IpAddr, Ipv4Addr};

/// Takes what is looked for in decoded bytes out of the step that decodes.
pub(super) fn split(step: Step) -> (Step, Option<Box<Conditions>>) {
    match step {
        Step::Decode(mut decode) => {
            let steps = std::mem::take(&mut decode.steps);
            let nested = (!steps.is_empty()).then(|| Box::new(Conditions::new(steps)));
            (Step::Decode(decode), nested)
        }
        step => (step, None),
    }
}

impl Run<'_, '_> {
    /// Whether something is decoded, and in it is what is looked for.
    pub(super) fn decode(&mut self, decode: &Decode, nested: Option<&Conditions>, cursor: usize) -> bool {
        let from = if decode.relative { cursor } else { 0 }.saturating_add(decode.offset);
        let Some(text) = self.view.bytes.get(from..) else { return false };
        let text = decode.bytes.map_or(text, |count| text.get(..count).unwrap_or(text));
        if !self.spend(text.len().min(base64::TEXT_BYTES)) {
            return false;
        }
        let mut bytes = Vec::new();
        base64::decode(text, decode.mode, &mut bytes);
        if bytes.is_empty() {
            return false;
        }
        let Some(nested) = nested else { return true };
        let lower = if nested.needs_lower { bytes.to_ascii_lowercase() } else { Vec::new() };
        let view = View { bytes: &bytes, lower: &lower, ..self.view };
        match nested.verify(view, self.sets) {
            Outcome::Holds(_) => true,
            Outcome::Fails => false,
            Outcome::Exhausted => {
                self.exhausted = true;
                false
            }
        }
    }

    pub(super) fn asn1(&self, asn1: Asn1, cursor: usize) -> bool {
        let from = if asn1.relative { i64::try_from(cursor).unwrap_or(i64::MAX) } else { 0 };
        usize::try_from(from.saturating_add(asn1.offset.into()))
            .ok()
            .and_then(|from| self.view.bytes.get(from..))
            .is_some_and(|bytes| asn1.finds(bytes))
    }

    /// Whether `PORT a,b,c,d,e,f` names another address than its sender's.
    pub(super) fn ftp_bounce(&self) -> bool {
        let IpAddr::V4(sender) = self.view.sender else { return false };
        let bytes = self.view.bytes.trim_ascii_start();
        let Some((command, rest)) = bytes.split_at_checked(5) else { return false };
        if !command.eq_ignore_ascii_case(b"PORT ") {
            return false;
        }
        let end = rest.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(rest.len());
        let text = rest.get(..end).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
        let mut octets = [0_u8; 4];
        let mut parts = text.split(',');
        for octet in &mut octets {
            let Some(value) = parts.next().and_then(|part| part.trim_ascii().parse().ok()) else {
                return false;
            };
            *octet = value;
        }
        Ipv4Addr::from(octets) != sender
    }
}
