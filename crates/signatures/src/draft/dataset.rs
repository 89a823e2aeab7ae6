//! Sets of values, lists of digests, and what is asked of a buffer as a whole: `dataset`, `filemd5`, `absent`, `entropy`.
use super::{Aim, Buffer, Builder, Finding, Item, RawOption, Step, Target, Word, shown, value, words};
use crate::condition::{BitOperation, Memory, Remembered, Track};
use crate::dataset::{Dataset, Kind};
use crate::pattern::{Entropy, EntropyTest};
use crate::transform::Transform;

impl Builder<'_> {
    /// `dataset:isset,name,type string,load names.lst`
    pub(super) fn dataset(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let mut parts = words(word);
        let bad = |at: usize, title: String| {
            Finding::error(
                "S014",
                at,
                title,
                "write dataset:isset|isnotset|set|unset,name,type string|md5|sha256|ip|ipv4,load file",
            )
        };
        let operation = match parts.next().map_or("", |part| part.text) {
            "isset" => BitOperation::IsSet,
            "isnotset" => BitOperation::IsNotSet,
            "set" => BitOperation::Set,
            "unset" => BitOperation::Unset,
            other => return Err(bad(word.at, format!("not what is asked of a set: {}", shown(other)))),
        };
        let name = parts.next().filter(|name| !name.text.is_empty());
        let name = name.ok_or_else(|| bad(word.at, "the set has no name".to_owned()))?;
        let (mut kind, mut load) = (None, None);
        for part in parts {
            let (key, argument) = part.text.split_once(' ').unwrap_or((part.text, ""));
            let argument = argument.trim_ascii();
            match key {
                "type" => {
                    let known = Kind::named(argument);
                    kind = Some(known.ok_or_else(|| bad(part.at, format!("no type: {}", shown(argument))))?);
                }
                "load" => load = Some((argument.to_owned(), part.at)),
                // how much memory it may take is the engine's own matter, and nothing is written to files
                "memcap" | "hashsize" => {}
                "state" | "save" | "format" | "context_key" | "value_key" | "array_key" | "remove_key" => {
                    return Err(Finding::error(
                        "S012",
                        part.at,
                        format!("sets of values are read from plain lists and never written: {}", shown(key)),
                        "write type and load alone",
                    ));
                }
                _ => return Err(bad(part.at, format!("unexpected in dataset: {}", shown(part.text)))),
            }
        }
        let kind = kind.ok_or_else(|| bad(word.at, "the set has no type".to_owned()))?;
        let load = load.map(|(file, at)| {
            self.lists.push((file.clone(), at));
            file
        });
        let set = Dataset { operation, name: name.text.to_owned(), kind, load, number: 0 };
        if let Aim::Address(whose) = self.sticky {
            self.unused = None;
            self.remembered.push(Remembered { what: Memory::Addresses { set, whose }, at: option.name.at });
            return Ok(());
        }
        self.push(Step::Dataset(set), option.name)
    }

    /// `ip.src` and `ip.dst`, of which only sets are asked.
    pub(super) fn address(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        Self::no_value(option)?;
        let whose = if option.name.text == "ip.src" { Track::Source } else { Track::Destination };
        self.look_at(Aim::Address(whose), option.name);
        Ok(())
    }

    /// `filemd5:list`, `filesha256:!list`
    pub(super) fn file_digest(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let (operation, file) = match word.text.strip_prefix('!') {
            Some(rest) => (BitOperation::IsNotSet, rest.trim_ascii()),
            None => (BitOperation::IsSet, word.text),
        };
        let (transform, length) = match option.name.text {
            "filemd5" => (Transform::Md5, 16),
            "filesha1" => (Transform::Sha1, 20),
            _ => (Transform::Sha256, 32),
        };
        self.lists.push((file.to_owned(), word.at));
        let set = Dataset {
            operation,
            name: format!("{}:{file}", option.name.text),
            kind: Kind::Digest(length),
            load: Some(file.to_owned()),
            number: 0,
        };
        let target = Target { buffer: Buffer::FileData, transforms: vec![transform] };
        self.items.push(Item { aim: Aim::At(target), step: Step::Dataset(set) });
        Ok(())
    }

    /// `filestore`: a file is there. Keeping it is not a matter of rules.
    pub(super) fn file_store(&mut self) {
        let target = Target { buffer: Buffer::FileData, transforms: Vec::new() };
        self.items.push(Item { aim: Aim::At(target), step: Step::Present });
    }

    /// `absent`, `absent:or_else`
    pub(super) fn absent(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let or_else = match option.value.map_or("", |word| word.text) {
            "" => false,
            "or_else" => true,
            other => {
                return Err(Finding::error(
                    "S014",
                    option.name.at,
                    format!("unexpected in absent: {}", shown(other)),
                    "write absent; or absent:or_else;",
                ));
            }
        };
        match &self.sticky {
            Aim::At(_) => self.push(Step::Absent { or_else }, option.name),
            _ => Err(Finding::error(
                "S022",
                option.name.at,
                "absent follows no buffer",
                "name the buffer first: http.referer; absent;",
            )),
        }
    }

    /// `entropy: offset 10, bytes 100, value > 7.5`
    pub(super) fn entropy(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let bad = |part: Word<'_>| {
            Finding::error(
                "S014",
                part.at,
                format!("not a form of entropy: {}", shown(part.text)),
                "write entropy:value > 7.5; with bytes 100 and offset 10 where wanted",
            )
        };
        let (mut bytes, mut offset, mut test) = (None, 0, None);
        for part in words(word) {
            let (key, argument) = part.text.split_once(' ').unwrap_or((part.text, ""));
            let number = || argument.trim_ascii().parse::<usize>().map_err(|_not_a_number| bad(part));
            match key {
                "bytes" => bytes = Some(number()?).filter(|bytes| *bytes > 0),
                "offset" => offset = number()?,
                "value" => test = Some(entropy_test(argument.trim_ascii()).ok_or_else(|| bad(part))?),
                _ => return Err(bad(part)),
            }
        }
        let test = test.ok_or_else(|| bad(word))?;
        self.push(Step::Entropy(Entropy { offset, bytes, test }), option.name)
    }
}

fn entropy_test(text: &str) -> Option<EntropyTest> {
    let number = |text: &str| text.trim_ascii().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let range = |text: &str| {
        let (low, high) = text.split_once("<>").or_else(|| text.split_once('-'))?;
        Some((number(low)?, number(high)?)).filter(|(low, high)| low < high)
    };
    if let Some((low, high)) = range(text) {
        return Some(EntropyTest::Between(low, high));
    }
    for (sign, make) in [
        ("<=", EntropyTest::LessOrEqual as fn(f64) -> EntropyTest),
        (">=", EntropyTest::GreaterOrEqual),
        ("!=", EntropyTest::NotEqual),
        ("<", EntropyTest::Less),
        (">", EntropyTest::Greater),
        ("=", EntropyTest::Equal),
    ] {
        if let Some(rest) = text.strip_prefix(sign) {
            return number(rest).map(make);
        }
    }
    match text.strip_prefix('!') {
        Some(rest) => match range(rest) {
            Some((low, high)) => Some(EntropyTest::Outside(low, high)),
            None => number(rest).map(EntropyTest::NotEqual),
        },
        None => number(text).map(EntropyTest::Equal),
    }
}
