//! Columns of text.

use console::{Alignment, measure_text_width, pad_str};

use crate::say;
use crate::screen::columns;

/// What stands between two columns.
const BETWEEN: &str = "  ";
/// The least width that a cell is cut to.
const CELL_MIN: usize = 4;

/// Rows under headings; each column is as wide as its widest cell.
#[derive(Debug, Default)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row with one cell for each column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.iter().map(|cell| one_line(cell)).collect());
    }

    /// The lines, without an end of line and without spaces at their ends; no wider than this as long as one column can give way; its cells are cut with `…` then.
    pub(crate) fn lines_within(&self, columns: usize, giving_way: usize) -> Vec<String> {
        let headings: Vec<String> = self.headings.iter().map(|&heading| heading.to_owned()).collect();
        let all = || std::iter::once(&headings).chain(&self.rows);
        let mut widths: Vec<usize> = (0..self.headings.len())
            .map(|column| {
                all()
                    .filter_map(|row| row.get(column))
                    .map(|cell| measure_text_width(cell))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let whole = widths.iter().sum::<usize>() + BETWEEN.len() * widths.len().saturating_sub(1);
        if let Some(width) = widths.get_mut(giving_way) {
            *width = width
                .saturating_sub(whole.saturating_sub(columns))
                .max(CELL_MIN.min(*width));
        }
        all()
            .map(|row| {
                let cells = row
                    .iter()
                    .zip(&widths)
                    .map(|(cell, width)| pad_str(cell, *width, Alignment::Left, Some("…")));
                cells.collect::<Vec<_>>().join(BETWEEN).trim_end().to_owned()
            })
            .collect()
    }

    /// Prints it, or the sentence if there is no row.
    pub(crate) fn print(&self, empty: &str) {
        if self.rows.is_empty() {
            say!("{empty}");
        } else {
            // On a narrow terminal the last column gives way: one row stays one line.
            let last = self.headings.len().saturating_sub(1);
            self.lines_within(columns(), last)
                .iter()
                .for_each(|line| say!("{line}"));
        }
    }
}

/// Text from outside on one line, without control characters that a terminal would obey.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_column_gives_way_when_the_line_is_too_wide() {
        let mut table = Table::new(&["node", "what", "time"]);
        table.row(["fetch", "200, 1,707 features, 1.2 MB", "48 ms"]);
        assert_eq!(
            table.lines_within(28, 1),
            ["node   what            time", "fetch  200, 1,707 fe…  48 ms"]
        );
        assert_eq!(
            table.lines_within(5, 1),
            ["node   what  time", "fetch  200…  48 ms"]
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["name", "state"]);
        table.row(["a-long-name", "done"]);
        table.row(["b", "\u{1b}[2Jfailed"]);
        assert_eq!(
            table.lines_within(usize::MAX, 0),
            [
                "name         state",
                "a-long-name  done",
                "b             [2Jfailed"
            ]
        );
    }
}
