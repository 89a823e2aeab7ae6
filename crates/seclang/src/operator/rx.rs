//! `@rx`, `@rxGlobal`: a pattern.

use super::{Context, Operator};
use crate::diagnose::Finding;
use crate::pattern;
use crate::prefilter::Needs;

/// Groups that are kept, as `TX:0` to `TX:9`.
const GROUPS: usize = 10;

#[derive(Debug)]
pub(super) struct Rx {
    pattern: regex::bytes::Regex,
    needs: Needs,
    global: bool,
}

impl Rx {
    pub(super) fn new(text: &str) -> Result<Self, Finding> {
        let pattern = pattern::compile(text, false)?;
        let needs = Needs::of_pattern(pattern.as_str());
        Ok(Self { pattern, needs, global: false })
    }

    pub(super) fn global(text: &str) -> Result<Self, Finding> {
        Ok(Self { global: true, ..Self::new(text)? })
    }
}

impl Operator for Rx {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        if !context.capture {
            return self.pattern.is_match(input);
        }
        if self.global {
            let all = self.pattern.captures_iter(input).flat_map(|groups| kept(&groups)).take(GROUPS);
            context.captured = all.collect();
            return !context.captured.is_empty();
        }
        match self.pattern.captures(input) {
            Some(groups) => {
                context.captured = kept(&groups);
                true
            }
            None => false,
        }
    }

    fn needs(&self) -> Option<Needs> {
        Some(self.needs.clone())
    }
}

fn kept(groups: &regex::bytes::Captures<'_>) -> Vec<Vec<u8>> {
    groups
        .iter()
        .take(GROUPS)
        .map(|group| group.map_or_else(Vec::new, |group| group.as_bytes().to_vec()))
        .collect()
}
