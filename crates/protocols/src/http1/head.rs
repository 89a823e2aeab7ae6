//! Collects the head of a message, line by line, within a limit.

use super::lenient;

/// What came of a piece of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collected {
    /// All of it was taken and the head is not complete.
    More,
    /// The first line is complete; this much was taken.
    FirstLine(usize),
    /// The empty line was seen; this much was taken.
    Complete(usize),
}

/// The bytes of a head so far.
#[derive(Debug, Default)]
pub(crate) struct Head {
    /// Raw bytes with their line ends, cut at the limit.
    pub(crate) bytes: Vec<u8>,
    /// Whether bytes were cut.
    pub(crate) overflow: bool,
    /// Length of the first line with its end; 0 while it is incomplete.
    pub(crate) first_line: usize,
    /// Bytes of the current line that are not CR, to know an empty line also when nothing is kept.
    line_content: usize,
}

impl Head {
    /// Takes bytes up to the end of the first line or of the head.
    ///
    /// `lenient`: of a response, whose end is found as receivers find it.
    pub(crate) fn collect(&mut self, input: &[u8], limit: usize, lenient: bool) -> Collected {
        let mut taken = 0;
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            let Some(at) = memchr::memchr(b'\n', rest) else {
                self.keep(rest, limit);
                self.line_content += rest.iter().filter(|b| **b != b'\r').count();
                return Collected::More;
            };
            let line = rest.get(..=at).unwrap_or(rest);
            self.keep(line, limit);
            taken += line.len();
            let is_blank = self.line_content == 0;
            let empty = if lenient {
                let behind = rest.get(line.len()..).unwrap_or_default();
                is_blank && lenient::ends_head(line, behind)
            } else {
                is_blank && line.iter().all(|b| matches!(b, b'\r' | b'\n'))
            };
            self.line_content = 0;
            if self.first_line == 0 {
                self.first_line = self.bytes.len();
                return Collected::FirstLine(taken);
            }
            if empty {
                return Collected::Complete(taken);
            }
        }
    }

    /// Forgets everything but the allocation.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.overflow = false;
        self.first_line = 0;
        self.line_content = 0;
    }

    fn keep(&mut self, bytes: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.bytes.len());
        if bytes.len() > room {
            self.overflow = true;
        }
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}
