//! `@rx`, `@rxGlobal`: a pattern.

use std::sync::{Arc, Mutex, PoisonError};

use sakimori_expressions::{Exhausted, Expression};

use super::{Context, Operator};
use crate::diagnose::Finding;
use crate::pattern;
use crate::prefilter::Needs;
use crate::template::Template;

/// Groups that are kept, as `TX:0` to `TX:9`.
const GROUPS: usize = 10;

#[derive(Debug)]
pub(super) struct Rx {
    pattern: Expression,
    needs: Needs,
    global: bool,
}

impl Rx {
    pub(super) fn new(text: &str) -> Result<Self, Finding> {
        let pattern = pattern::compile(text, false)?;
        let needs = pattern.parse_gate().map_or(Needs::Nothing, |hir| Needs::of_pattern(&hir));
        Ok(Self { pattern, needs, global: false })
    }

    pub(super) fn global(text: &str) -> Result<Self, Finding> {
        Ok(Self { global: true, ..Self::new(text)? })
    }

    fn search(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        if self.pattern.backtracks() && context.tired {
            context.exhausted = true;
            return false;
        }
        let found = if context.capture {
            self.captures(input, &mut context.captured)
        } else {
            self.pattern.is_match(input)
        };
        found.unwrap_or_else(|Exhausted| {
            context.exhausted = true;
            false
        })
    }

    fn captures(&self, input: &[u8], captured: &mut Vec<Vec<u8>>) -> Result<bool, Exhausted> {
        let mut from = 0;
        while let Some(groups) = self.pattern.groups(input, from)? {
            let texts = groups.iter().map(|group| {
                group.and_then(|(start, end)| input.get(start..end)).map_or_else(Vec::new, <[u8]>::to_vec)
            });
            captured.extend(texts.take(GROUPS - captured.len().min(GROUPS)));
            let Some((start, end)) = groups.first().copied().flatten() else { break };
            from = if end > start { end } else { end + 1 };
            if !self.global || captured.len() >= GROUPS {
                break;
            }
        }
        Ok(!captured.is_empty())
    }
}

impl Operator for Rx {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        self.search(input, context)
    }

    fn needs(&self) -> Option<Needs> {
        Some(self.needs.clone())
    }
}

/// A pattern with macros: compiled when it is known what they come to, and kept until they come to something else.
#[derive(Debug)]
pub(super) struct Expanded {
    text: Template,
    last: Mutex<Option<(Vec<u8>, Arc<Rx>)>>,
}

impl Expanded {
    pub(super) fn new(text: &str) -> Result<Self, Finding> {
        Ok(Self { text: Template::parse(text)?, last: Mutex::default() })
    }

    /// None where what it comes to is no pattern.
    fn pattern(&self, text: Vec<u8>) -> Option<Arc<Rx>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, pattern)) = last.as_ref()
            && *known == text
        {
            return Some(Arc::clone(pattern));
        }
        let made = Arc::new(Rx::new(std::str::from_utf8(&text).ok()?).ok()?);
        *last = Some((text, Arc::clone(&made)));
        Some(made)
    }
}

impl Operator for Expanded {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        let text = context.text(&self.text).into_owned();
        self.pattern(text).is_some_and(|pattern| pattern.search(input, context))
    }

    fn argument(&self) -> Option<&Template> {
        Some(&self.text)
    }
}
