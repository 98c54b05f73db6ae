//! Aligned columns that fit the terminal.

use crate::output::style::{Style, Terminal};
use crate::output::text::{display_width, fit, sanitise};

/// Between two columns.
const GAP: usize = 2;

/// One column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    title: &'static str,
    right: bool,
    /// Narrower than this it is not made; `None`: never cut.
    least: Option<usize>,
    /// Left out when the terminal is too narrow; the lowest goes first.
    optional: Option<u8>,
    /// At least this wide in a table that grows.
    reserve: usize,
}

impl Column {
    /// A column that is never cut.
    pub fn new(title: &'static str) -> Self {
        Self {
            title,
            right: false,
            least: None,
            optional: None,
            reserve: 0,
        }
    }

    /// For numbers.
    pub fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// May be cut down to `least` columns.
    pub fn shrink(mut self, least: usize) -> Self {
        self.least = Some(least);
        self
    }

    /// May be left out on a narrow terminal; the column with the lowest rank goes first.
    pub fn optional(mut self, rank: u8) -> Self {
        self.optional = Some(rank);
        self
    }

    /// Keeps room for later rows of a table that grows.
    pub fn reserve(mut self, width: usize) -> Self {
        self.reserve = width;
        self
    }
}

/// One cell.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell in a style. Harmful characters are replaced.
    pub fn new(text: impl AsRef<str>, style: Style) -> Self {
        Self {
            text: sanitise(text.as_ref()).into_owned(),
            style,
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Style::Plain)
    }
}

/// A whole table.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Without rows.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self {
            columns: columns.into(),
            rows: Vec::new(),
        }
    }

    /// Adds a row: one cell per column.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Title line and rows, each ended by a newline.
    pub fn render(&self, terminal: Terminal) -> String {
        let layout = Layout::new(&self.columns, &self.rows, terminal);
        let mut text = layout.title();
        for row in &self.rows {
            text.push_str(&layout.line(row));
        }
        text
    }
}

/// Widths for a table, fixed when its first rows are known: a table that grows stays aligned.
#[derive(Debug, Clone)]
pub struct Layout {
    columns: Vec<Column>,
    /// 0: left out.
    widths: Vec<usize>,
    terminal: Terminal,
}

impl Layout {
    /// Fits `columns` to the rows known so far and to the terminal.
    pub fn new(columns: &[Column], rows: &[Vec<Cell>], terminal: Terminal) -> Self {
        let widths = columns.iter().enumerate().map(|(i, column)| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(i))
                .map(|cell| display_width(&cell.text));
            cells
                .max()
                .unwrap_or(0)
                .max(column.reserve)
                .max(display_width(column.title))
        });
        let mut layout = Self {
            columns: columns.to_vec(),
            widths: widths.collect(),
            terminal,
        };
        if let Some(width) = terminal.width {
            layout.squeeze(width);
        }
        layout
    }

    fn total(&self) -> usize {
        let shown = self.widths.iter().filter(|width| **width > 0);
        shown.map(|width| width + GAP).sum::<usize>().saturating_sub(GAP)
    }

    fn squeeze(&mut self, width: usize) {
        let wanted = self.widths.clone();
        loop {
            while self.total() > width && self.shrink_widest() {}
            if self.total() <= width {
                break;
            }
            let shown = (0..self.columns.len()).filter(|i| self.widths[*i] > 0);
            let ranked = shown.filter_map(|i| self.columns[i].optional.map(|rank| (rank, i)));
            let Some((_, last)) = ranked.min() else {
                break;
            };
            // What was cut for the dropped column's sake gets its room back.
            let gone: Vec<bool> = self.widths.iter().map(|width| *width == 0).collect();
            for (i, gone) in gone.into_iter().enumerate() {
                self.widths[i] = if gone || i == last { 0 } else { wanted[i] };
            }
        }
    }

    fn shrink_widest(&mut self) -> bool {
        let shrinkable = (0..self.columns.len())
            .filter(|i| {
                self.columns[*i]
                    .least
                    .is_some_and(|least| self.widths[*i] > least)
            })
            .max_by_key(|i| self.widths[*i]);
        let Some(i) = shrinkable else { return false };
        self.widths[i] -= 1;
        true
    }

    /// The line of titles.
    pub fn title(&self) -> String {
        let titles: Vec<Cell> = self
            .columns
            .iter()
            .map(|column| Cell::new(column.title, Style::Bold))
            .collect();
        self.line(&titles)
    }

    /// One row, ended by a newline. On a terminal a cell is cut to its column; elsewhere it is never cut.
    pub fn line(&self, row: &[Cell]) -> String {
        let mut line = String::new();
        let mut padding = 0;
        for ((cell, column), &width) in row.iter().zip(&self.columns).zip(&self.widths) {
            if width == 0 {
                continue;
            }
            let text = if self.terminal.width.is_some() {
                fit(&cell.text, width)
            } else {
                cell.text.as_str().into()
            };
            let blank = width.saturating_sub(display_width(&text));
            let (before, after) = if column.right { (blank, 0) } else { (0, blank) };
            // Padding is written only before something: no line ends in blanks.
            if !text.is_empty() {
                line.push_str(&" ".repeat(padding + before));
                line.push_str(&self.terminal.paint(cell.style, &text));
                padding = after + GAP;
            } else {
                padding += width + GAP;
            }
        }
        line.push('\n');
        line
    }
}
