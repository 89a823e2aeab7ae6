//! `content`, its modifiers, and `pcre`.
use super::{
    Aim, Buffer, Builder, Content, Finding, Item, RawOption, Step, Target, Word, content_bytes, pcre, quoted,
    shown, value,
};
use crate::pattern::Amount;

impl Builder<'_> {
    pub(super) fn content(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let (negated, word) = quoted(value(option)?)?;
        let bytes = content_bytes(word)?;
        let content = Content { bytes, negated, at: option.name.at, ..Content::default() };
        self.push(Step::Content(content), option.name)
    }

    pub(super) fn uri_content(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        self.content(option)?;
        self.move_content(Buffer::HttpUri, option.name)
    }

    pub(super) fn pcre(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        // an expression may stand without quotes
        let (negated, word) = match (word.text.strip_prefix('!'), word.text.starts_with('/')) {
            (_, true) => (false, word),
            (Some(rest), _) if rest.starts_with('/') => (true, Word { text: rest, at: word.at + 1 }),
            _ => quoted(word)?,
        };
        let parsed = pcre::parse(word, negated)?;
        self.push(Step::Pcre(parsed.pcre), option.name)?;
        if let (Some(buffer), Some(item)) = (parsed.buffer, self.items.last_mut()) {
            item.aim = Aim::At(Target { buffer, transforms: Vec::new() });
        }
        Ok(())
    }

    fn last_content(&mut self, name: Word<'_>) -> Result<(&mut Aim, &mut Content), Finding> {
        let last = self.items.iter_mut().rev().find_map(|item| match item {
            Item { aim, step: Step::Content(content) } => Some((aim, content)),
            Item { .. } => None,
        });
        match last {
            Some(found) => Ok(found),
            None => Err(Finding::error(
                "S022",
                name.at,
                format!("{} follows no content", name.text),
                "a modifier changes the last content before it",
            )),
        }
    }

    pub(super) fn move_content(&mut self, buffer: Buffer, name: Word<'_>) -> Result<(), Finding> {
        let (aim, _) = self.last_content(name)?;
        match aim {
            Aim::Open => *aim = Aim::At(Target { buffer, transforms: Vec::new() }),
            Aim::At(target) if target.buffer == buffer => {}
            aim => {
                let title = match aim {
                    Aim::At(target) => format!("the content looks at {} already", target.buffer),
                    _ => "the content looks at decoded bytes already".to_owned(),
                };
                return Err(Finding::error(
                    "S023",
                    name.at,
                    title,
                    "use either buffers before contents or modifiers after them",
                ));
            }
        }
        Ok(())
    }

    pub(super) fn modifier(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let name = option.name;
        let takes_value = matches!(name.text, "depth" | "offset" | "distance" | "within");
        if takes_value {
            value(option)?;
        } else if name.text != "fast_pattern" {
            Self::no_value(option)?;
        }
        // a modifier without a number needs no variables
        let amount = match option.value.filter(|_| takes_value) {
            Some(word) if name.text == "distance" => Some(self.signed_or_variable(word)?),
            Some(word) => Some(self.unsigned_or_variable(word)?),
            None => None,
        };
        let (_, content) = self.last_content(name)?;
        let twice = || {
            Finding::error(
                "S018",
                name.at,
                format!("{} is written twice for one content", name.text),
                "keep one",
            )
        };
        match name.text {
            "nocase" => {
                if std::mem::replace(&mut content.nocase, true) {
                    return Err(twice());
                }
                content.bytes.make_ascii_lowercase();
            }
            "rawbytes" => {}
            "startswith" => content.startswith = true,
            "endswith" => content.endswith = true,
            "fast_pattern" => fast_pattern(content, option)?,
            _ => {
                let field = match name.text {
                    "depth" => &mut content.depth,
                    "offset" => &mut content.offset,
                    "distance" => &mut content.distance,
                    _ => &mut content.within,
                };
                if std::mem::replace(field, amount).is_some() {
                    return Err(twice());
                }
            }
        }
        Ok(())
    }
}

impl Builder<'_> {
    /// A number of bytes, or the name of a variable that has its value by now.
    pub(super) fn unsigned_or_variable(&self, word: Word<'_>) -> Result<Amount, Finding> {
        match self.variable(word) {
            Some(amount) => Ok(amount),
            None => unsigned(word).map(|number| Amount::Is(number.into())),
        }
    }

    /// A distance in bytes, or the name of a variable.
    pub(super) fn signed_or_variable(&self, word: Word<'_>) -> Result<Amount, Finding> {
        match self.variable(word) {
            Some(amount) => Ok(amount),
            None => signed(word).map(|number| Amount::Is(number.into())),
        }
    }

    pub(super) fn variable(&self, word: Word<'_>) -> Option<Amount> {
        self.variables_of_bytes.iter().position(|name| name == word.text).map(Amount::Variable)
    }
}

/// `fast_pattern`, `fast_pattern:only` and `fast_pattern:offset,length`.
fn fast_pattern(content: &mut Content, option: &RawOption<'_>) -> Result<(), Finding> {
    let at = option.name.at;
    if content.fast {
        return Err(Finding::error("S018", at, "fast_pattern is written twice for one content", "keep one"));
    }
    content.fast = true;
    let Some(word) = option.value.filter(|v| !v.text.is_empty() && v.text != "only") else { return Ok(()) };
    let bad = |title: String| {
        Err(Finding::error(
            "S044",
            word.at,
            title,
            "write fast_pattern; or fast_pattern:offset,length; inside the content",
        ))
    };
    let Some((offset, length)) = word.text.split_once(',') else {
        return bad(format!("not a form of fast_pattern: {}", shown(word.text)));
    };
    match (offset.trim_ascii().parse::<usize>(), length.trim_ascii().parse::<usize>()) {
        (Ok(offset), Ok(length)) if length > 0 && offset.saturating_add(length) <= content.bytes.len() => {
            content.fast_range = Some((offset, length));
            Ok(())
        }
        _ => bad(format!("the fast pattern {} is not inside the content", shown(word.text))),
    }
}

/// A number of bytes.
pub(super) fn unsigned(word: Word<'_>) -> Result<u32, Finding> {
    let digits = word.text.bytes().all(|b| b.is_ascii_digit());
    word.text.parse::<u32>().ok().filter(|n| digits && *n <= LIMIT).ok_or_else(|| bad_number(word, "0"))
}

/// A distance in bytes.
pub(super) fn signed(word: Word<'_>) -> Result<i32, Finding> {
    word.text
        .parse::<i32>()
        .ok()
        .filter(|n| n.unsigned_abs() <= LIMIT)
        .ok_or_else(|| bad_number(word, "-1048576"))
}

/// Largest offset in a buffer: no buffer is kept longer.
const LIMIT: u32 = 1 << 20;

fn bad_number(word: Word<'_>, low: &str) -> Finding {
    let help = if word.text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        "a variable gets its value by byte_extract or byte_math before it".to_owned()
    } else {
        format!("write a number from {low} to {LIMIT}")
    };
    Finding::error("S014", word.at, format!("not a valid number of bytes: {}", shown(word.text)), help)
}
