//! Which patterns can match a value at all: one pass over it for all of them.
//!
//! Of each pattern it is worked out which literals one of which a match has to contain. All literals of all patterns are looked for
//! at once (`literals`); patterns none of whose literals were in it are not tried.

mod literals;

use literals::Literals;
use regex_syntax::hir::{Class, Hir, HirKind};

/// What a value must contain to match.
#[derive(Clone, Debug)]
pub(crate) enum Needs {
    /// Nothing that is known: it has to be tried.
    Nothing,
    /// One of these, in small letters, without regard to case.
    Any(Vec<Vec<u8>>),
}

/// Literals of one pattern.
const LITERALS: usize = 2000;
/// Literals that are multiplied out in a sequence.
const PRODUCT: usize = 96;
/// Longest literal.
const LENGTH: usize = 24;

impl Needs {
    /// Works it out for a pattern.
    pub(crate) fn of_pattern(hir: &Hir) -> Self {
        match info(hir).best() {
            Some(literals) => Self::Any(literals),
            None => Self::Nothing,
        }
    }

    /// For a list of phrases.
    pub(crate) fn of_phrases(phrases: &[Vec<u8>]) -> Self {
        if phrases.iter().any(Vec::is_empty) {
            return Self::Nothing;
        }
        // whole: what long ones begin with may be ordinary, such as the first line of a page
        Self::Any(phrases.iter().map(|phrase| phrase.to_ascii_lowercase()).collect())
    }
}

/// What is known of a part of a pattern.
#[derive(Default)]
struct Info {
    /// All that it matches, where that is little.
    exact: Option<Vec<Vec<u8>>>,
    /// One of these is in whatever it matches.
    required: Option<Vec<Vec<u8>>>,
}

impl Info {
    fn best(self) -> Option<Vec<Vec<u8>>> {
        let exact = self.exact.filter(|exact| is_useful(exact));
        match (exact, self.required) {
            (Some(one), Some(two)) => Some(if likelihood(&one) <= likelihood(&two) { one } else { two }),
            (one, two) => one.or(two),
        }
    }
}

fn is_useful(literals: &[Vec<u8>]) -> bool {
    !literals.is_empty() && literals.len() <= LITERALS && literals.iter().all(|literal| !literal.is_empty())
}

/// How likely it is that one of the literals is in an ordinary value; only the order counts.
fn likelihood(literals: &[Vec<u8>]) -> f64 {
    let byte = |byte: &u8| match byte {
        b'a'..=b'z' => 0.06,
        b'0'..=b'9' | b' ' | b'=' | b'&' | b'/' | b'.' | b'-' | b',' | b':' | b'_' => 0.05,
        b'"' | b'\'' | b'(' | b')' | b';' | b'<' | b'>' | b'%' | b'?' | b'+' => 0.02,
        _ => 0.004,
    };
    literals.iter().map(|literal| literal.iter().map(byte).product::<f64>()).sum()
}

fn tidy(mut literals: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    for literal in &mut literals {
        literal.truncate(LENGTH);
    }
    literals.sort_unstable();
    literals.dedup();
    literals
}

fn info(hir: &Hir) -> Info {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Info { exact: Some(vec![Vec::new()]), required: None },
        HirKind::Literal(literal) => {
            Info { exact: Some(vec![literal.0.to_ascii_lowercase()]), required: None }
        }
        HirKind::Class(class) => Info { exact: bytes_of(class), required: None },
        HirKind::Capture(capture) => info(&capture.sub),
        HirKind::Repetition(repetition) => repeated(repetition),
        HirKind::Concat(parts) => sequence(parts),
        HirKind::Alternation(parts) => alternatives(parts),
    }
}

fn bytes_of(class: &Class) -> Option<Vec<Vec<u8>>> {
    const MEMBERS: usize = 12;
    let mut found = Vec::new();
    let mut add = |from: u8, to: u8| {
        for byte in from..=to {
            found.push(vec![byte.to_ascii_lowercase()]);
        }
    };
    match class {
        Class::Bytes(class) => class.ranges().iter().for_each(|range| add(range.start(), range.end())),
        Class::Unicode(class) => {
            for range in class.ranges() {
                add(u8::try_from(range.start()).ok()?, u8::try_from(range.end()).ok().filter(u8::is_ascii)?);
            }
        }
    }
    let found = tidy(found);
    (found.len() <= MEMBERS && !found.is_empty()).then_some(found)
}

fn repeated(repetition: &regex_syntax::hir::Repetition) -> Info {
    let inner = info(&repetition.sub);
    match (repetition.min, repetition.max) {
        (0, Some(1)) => {
            let exact = inner.exact.map(|mut exact| {
                exact.push(Vec::new());
                tidy(exact)
            });
            Info { exact, required: None }
        }
        (0, _) => Info::default(),
        (1, Some(1)) => inner,
        (min, max) => {
            let (mut times, mut count): (Vec<Vec<u8>>, u32) = (vec![Vec::new()], 0);
            while let Some(next) =
                inner.exact.as_ref().filter(|_| count < min).and_then(|exact| product(&times, exact))
            {
                (times, count) = (next, count + 1);
            }
            let whole = max == Some(min) && count == min;
            let required = if is_useful(&times) { Some(times.clone()) } else { inner.best() };
            Info { exact: whole.then_some(times), required }
        }
    }
}

fn product(left: &[Vec<u8>], right: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    if left.len() * right.len() > PRODUCT || left.iter().any(|literal| literal.len() >= LENGTH) {
        return None;
    }
    let joined = left.iter().flat_map(|one| right.iter().map(move |two| [one.as_slice(), two].concat()));
    let joined: Vec<Vec<u8>> = joined.collect();
    joined.iter().all(|literal| literal.len() <= LENGTH).then(|| {
        let mut joined = joined;
        joined.sort_unstable();
        joined.dedup();
        joined
    })
}

fn sequence(parts: &[Hir]) -> Info {
    let mut run: Vec<Vec<u8>> = vec![Vec::new()];
    let mut candidates: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut whole = true;
    for part in parts {
        let Info { exact, required } = info(part);
        let joined = exact.as_ref().and_then(|exact| product(&run, exact));
        if let Some(joined) = joined {
            run = joined;
            continue;
        }
        whole = false;
        candidates.push(std::mem::replace(&mut run, vec![Vec::new()]));
        if let Some(exact) = exact {
            run = exact;
        }
        candidates.extend(required);
    }
    if whole {
        return Info { exact: Some(run), required: None };
    }
    candidates.push(run);
    let required = candidates
        .into_iter()
        .filter(|literals| is_useful(literals))
        .min_by(|one, two| likelihood(one).total_cmp(&likelihood(two)));
    Info { exact: None, required }
}

fn alternatives(parts: &[Hir]) -> Info {
    let infos: Vec<Info> = parts.iter().map(info).collect();
    let exact: Option<Vec<Vec<u8>>> = infos
        .iter()
        .map(|info| info.exact.clone())
        .collect::<Option<Vec<_>>>()
        .map(|all| all.concat())
        .filter(|all| all.len() <= LITERALS && all.iter().all(|literal| literal.len() <= LENGTH))
        .map(tidy);
    if exact.is_some() {
        return Info { exact, required: None };
    }
    let required = infos
        .into_iter()
        .map(Info::best)
        .collect::<Option<Vec<_>>>()
        .map(|all| tidy(all.concat()))
        .filter(|all| is_useful(all));
    Info { exact: None, required }
}

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits(Box<[u64]>);

impl Bits {
    pub(crate) fn new(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)].into())
    }

    pub(crate) fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    pub(crate) fn has(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}

/// Which filters a value passes.
#[derive(Default)]
pub(crate) struct Filters {
    literals: Literals,
    /// For each literal the filters that it lets pass.
    by_literal: Vec<Vec<u32>>,
    /// Bytes that let filters pass, with these.
    by_byte: Vec<(u8, Vec<u32>)>,
    count: usize,
}

impl std::fmt::Debug for Filters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filters").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Filters {
    /// For each filter what it needs.
    pub(crate) fn new(needs: &[Vec<Vec<u8>>]) -> Self {
        let mut literals: std::collections::BTreeMap<&[u8], Vec<u32>> = std::collections::BTreeMap::new();
        let mut by_byte: std::collections::BTreeMap<u8, Vec<u32>> = std::collections::BTreeMap::new();
        for (filter, any) in (0_u32..).zip(needs) {
            for literal in any {
                match literal.as_slice() {
                    [byte] => by_byte.entry(*byte).or_default().push(filter),
                    longer => literals.entry(longer).or_default().push(filter),
                }
            }
        }
        let (words, by_literal): (Vec<&[u8]>, Vec<Vec<u32>>) = literals.into_iter().unzip();
        Self {
            literals: Literals::new(&words),
            by_literal,
            by_byte: by_byte.into_iter().collect(),
            count: needs.len(),
        }
    }

    /// The filters that `value` passes; `lower` is room for its small letters.
    pub(crate) fn passed(&self, value: &[u8], lower: &mut Vec<u8>) -> Bits {
        let mut passed = Bits::new(self.count);
        lower.clear();
        lower.extend_from_slice(value);
        lower.make_ascii_lowercase();
        let mut seen = [false; 256];
        for byte in lower.iter() {
            if let Some(seen) = seen.get_mut(usize::from(*byte)) {
                *seen = true;
            }
        }
        for (byte, filters) in &self.by_byte {
            if seen.get(usize::from(*byte)) == Some(&true) {
                for filter in filters {
                    passed.set(*filter as usize);
                }
            }
        }
        self.literals.find(lower, |literal| {
            for filter in self.by_literal.get(literal as usize).into_iter().flatten() {
                passed.set(*filter as usize);
            }
        });
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::{Filters, Needs};

    fn needs(pattern: &str) -> Option<Vec<String>> {
        match Needs::of_pattern(&crate::pattern::compile(pattern, false).unwrap().parse_gate().unwrap()) {
            Needs::Nothing => None,
            Needs::Any(any) => Some(any.into_iter().map(|text| String::from_utf8(text).unwrap()).collect()),
        }
    }

    #[test]
    fn literals_of_patterns() {
        assert_eq!(needs("(?i)^union\\s+select$"), Some(vec!["select".to_owned()]));
        assert_eq!(needs("a(?:b|c)d"), Some(vec!["abd".to_owned(), "acd".to_owned()]));
        assert_eq!(
            needs("(?:foo|ba[rz])x*"),
            Some(vec!["bar".to_owned(), "baz".to_owned(), "foo".to_owned()])
        );
        assert_eq!(needs("\\w*"), None);
        assert_eq!(needs("(?:abc|\\w+)"), None);
    }

    #[test]
    fn a_filter_passes_what_contains_a_literal() {
        let filters = Filters::new(&[vec![b"union".to_vec()], vec![b"<".to_vec()], vec![b"ni".to_vec()]]);
        let passed = filters.passed(b"a UNION b", &mut Vec::new());
        assert!(passed.has(0) && !passed.has(1) && passed.has(2));
        assert!(filters.passed(b"<", &mut Vec::new()).has(1));
    }
}
