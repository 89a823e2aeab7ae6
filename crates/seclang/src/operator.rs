//! Operators: what makes a value a match. One file each.

mod compare;
mod detect;
mod ip_match;
mod numeric;
mod pm;
mod rx;
mod validate_byte_range;
mod validate_nid;
mod validate_url_encoding;
mod validate_utf8_encoding;
mod verify;
mod verify_cc;
mod verify_cpf;
mod verify_ssn;
mod verify_svnr;

use std::borrow::Cow;

use crate::Loader;
use crate::diagnose::{Finding, shown};
use crate::template::Template;

pub(crate) use numeric::integer;

/// What an operator may know beside the value, and where it leaves what it captured.
pub(crate) struct Context<'c> {
    /// Fills in macros.
    pub(crate) expand: &'c dyn Fn(&Template) -> Vec<u8>,
    /// Whether captures are wanted.
    pub(crate) capture: bool,
    /// The whole match and its groups.
    pub(crate) captured: Vec<Vec<u8>>,
    /// Patterns that go back have taken their share of this transaction.
    pub(crate) tired: bool,
    /// A pattern was given up.
    pub(crate) exhausted: bool,
}

impl Context<'_> {
    fn text<'t>(&self, template: &'t Template) -> Cow<'t, [u8]> {
        match template.constant() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned((self.expand)(template)),
        }
    }

    /// Notes the match alone.
    fn note(&mut self, text: &[u8]) {
        if self.capture {
            self.captured = vec![text.to_vec()];
        }
    }
}

/// A compiled operator.
pub(crate) trait Operator: std::fmt::Debug + Send + Sync {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool;

    /// The pattern, where it is one: then the shared automaton can say that it does not match.
    fn needs(&self) -> Option<crate::prefilter::Needs> {
        None
    }

    /// Variables that its argument reads.
    fn argument(&self) -> Option<&Template> {
        None
    }
}

/// What is to be said of an operator that asks for something that is not there.
pub(crate) fn remark(name: &str) -> Option<Finding> {
    let what = match name {
        "geolookup" => "a database of countries, and none is there",
        "rbl" => "name servers, and an engine asks nobody",
        _ => return None,
    };
    Some(Finding::warning(
        "W065",
        format!("the operator @{name} asks for {what}: it never matches"),
        "the rule may stay; it does nothing here",
    ))
}

/// Bounds of what a file of phrases or addresses may hold.
pub(crate) const FILE_BYTES: usize = 16 << 20;

/// Compiles an operator by its name.
pub(crate) fn compile(name: &str, argument: &str, loader: &dyn Loader) -> Result<Box<dyn Operator>, Finding> {
    Ok(match name {
        "rx" if argument.contains("%{") => Box::new(rx::Expanded::new(argument)?),
        "rx" => Box::new(rx::Rx::new(argument)?),
        "rxglobal" => Box::new(rx::Rx::global(argument)?),
        "pm" => Box::new(pm::Pm::inline(argument)?),
        "pmf" | "pmfromfile" => Box::new(pm::Pm::from_file(argument, loader)?),
        "beginswith" | "endswith" | "contains" | "containsword" | "streq" | "strmatch" | "within" => {
            Box::new(compare::Compare::new(name, Template::parse(argument)?))
        }
        "eq" | "ge" | "gt" | "le" | "lt" => Box::new(numeric::Numeric::new(name, Template::parse(argument)?)),
        "ipmatch" => Box::new(ip_match::IpMatch::inline(argument)?),
        "ipmatchf" | "ipmatchfromfile" => Box::new(ip_match::IpMatch::from_file(argument, loader)?),
        "detectsqli" => Box::new(detect::Sqli),
        "detectxss" => Box::new(detect::Xss),
        "unconditionalmatch" => Box::new(compare::Always(true)),
        // of the last two `remark` says why
        "nomatch" | "geolookup" | "rbl" => Box::new(compare::Always(false)),
        "validatebyterange" => Box::new(validate_byte_range::ValidateByteRange::new(argument)?),
        "validateurlencoding" => Box::new(validate_url_encoding::ValidateUrlEncoding),
        "validateutf8encoding" => Box::new(validate_utf8_encoding::ValidateUtf8Encoding),
        "verifycc" => Box::new(verify::Verify::new(argument, verify_cc::luhn)?),
        "verifycpf" => Box::new(verify::Verify::new(argument, verify_cpf::is_right)?),
        "verifyssn" => Box::new(verify::Verify::new(argument, verify_ssn::is_possible)?),
        "verifysvnr" => Box::new(verify::Verify::new(argument, verify_svnr::is_right)?),
        "validatenid" => Box::new(validate_nid::ValidateNid::new(argument)?),
        "gsblookup" | "inspectfile" | "fuzzyhash" | "validatedtd" | "validateschema" | "validatehash"
        | "rsub" | "verifysig" => {
            return Err(Finding::error(
                "W060",
                format!(
                    "the operator @{name} is not offered: it asks the network or other programs, or changes bodies"
                ),
                "leave the rule out, for example with SecRuleRemoveById",
            ));
        }
        _ => {
            return Err(Finding::error(
                "W061",
                format!("unknown operator @{}", shown(name)),
                "the names are those of ModSecurity's reference, such as @rx, @pm, @within",
            ));
        }
    })
}

/// A file of lines: comments and empty lines left out.
fn lines_of(argument: &str, loader: &dyn Loader) -> Result<Vec<String>, Finding> {
    let mut lines = Vec::new();
    for name in argument.split_whitespace() {
        let bytes = loader.load(name).ok_or_else(|| {
            Finding::error(
                "W062",
                format!("the file {} is not there", shown(name)),
                "put it beside the file with the rule, or correct its name",
            )
        })?;
        if bytes.len() > FILE_BYTES {
            return Err(Finding::error(
                "W063",
                format!("the file {} has more than 16 MiB", shown(name)),
                "split it",
            ));
        }
        let text = String::from_utf8_lossy(&bytes);
        let kept = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.extend(kept.map(str::to_owned));
    }
    Ok(lines)
}
