//! Tables for people: aligned columns, no lines, control characters made visible.
use std::fmt::Write as _;

/// A table that is built row by row.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

/// Cells longer than this are cut: a table is for looking, `--output json` for the whole.
const CELL_CHARS: usize = 80;

// === impl Table ===

impl Table {
    /// An empty table with these column heads.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|text| (*text).to_owned()).collect()] }
    }

    /// One more row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(shown).to_vec());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cells_wide(cell)).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                let pad = width.saturating_sub(cells_wide(cell)) + 2;
                write!(line, "{:pad$}", "")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// What a terminal would obey instead of showing it: controls, and what turns the direction of writing round.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Lines for a terminal in which nothing that came from outside is obeyed.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) && c != '\n' { '·' } else { c }).collect()
}

/// Text from outside, safe for a terminal: an event's excerpt must not move the cursor or change colours.
pub(crate) fn shown(text: &str) -> String {
    let visible = text.chars().map(|c| if is_obeyed(c) { '·' } else { c });
    if text.chars().count() <= CELL_CHARS {
        visible.collect()
    } else {
        visible.take(CELL_CHARS - 1).chain(['…']).collect()
    }
}

/// Terminal cells: East Asian wide characters take two.
fn cells_wide(text: &str) -> usize {
    let wide = |c: char| matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd);
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_from_outside() {
        assert_eq!(harmless("a\u{1b}]0;x\u{7}\n\u{9b}2Jb\u{202e}c\r"), "a·]0;x·\n·2Jb·c·");
        assert_eq!(shown("web\n1\u{2066}"), "web·1·");
    }

    #[test]
    fn columns_are_aligned_and_harmless() {
        let mut table = Table::new(&["NAME", "STATUS"]);
        table.row(["web", "online"]);
        table.row(["防人", "\u{1b}[31moffline"]);
        expect_test::expect![[r"
            NAME  STATUS
            web   online
            防人  ·[31moffline
        "]]
        .assert_eq(&table.to_string());
    }
}
