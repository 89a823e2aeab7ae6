//! `@beginsWith`, `@endsWith`, `@contains`, `@containsWord`, `@streq`, `@strmatch`, `@within`, `@unconditionalMatch`,
//! `@noMatch`.

use super::{Context, Operator};
use crate::template::Template;

#[derive(Debug)]
pub(super) struct Compare {
    how: How,
    argument: Template,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Begins,
    Ends,
    Contains,
    ContainsWord,
    Equal,
    Within,
}

/// The same answer for every value.
#[derive(Debug)]
pub(super) struct Always(pub(super) bool);

impl Compare {
    pub(super) fn new(name: &str, argument: Template) -> Self {
        let how = match name {
            "beginswith" => How::Begins,
            "endswith" => How::Ends,
            "containsword" => How::ContainsWord,
            "streq" => How::Equal,
            "within" => How::Within,
            _ => How::Contains,
        };
        Self { how, argument }
    }
}

impl Operator for Compare {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        let argument = context.text(&self.argument);
        let found = match self.how {
            How::Begins => input.starts_with(&argument),
            How::Ends => input.ends_with(&argument),
            How::Contains => memchr::memmem::find(input, &argument).is_some(),
            How::ContainsWord => contains_word(input, &argument),
            How::Equal => input == &*argument,
            How::Within => memchr::memmem::find(&argument, input).is_some(),
        };
        if found {
            let noted = if matches!(self.how, How::Within) { input } else { &argument };
            context.note(noted);
        }
        found
    }

    fn argument(&self) -> Option<&Template> {
        Some(&self.argument)
    }
}

impl Operator for Always {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        if self.0 {
            context.note(input);
        }
        self.0
    }
}

/// Whether `word` stands in `input` between bytes that are no letters, digits or underscores.
fn contains_word(input: &[u8], word: &[u8]) -> bool {
    let inside = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    word.is_empty()
        || memchr::memmem::find_iter(input, word).any(|at| {
            let before = at.checked_sub(1).and_then(|before| input.get(before));
            !inside(before) && !inside(input.get(at + word.len()))
        })
}
