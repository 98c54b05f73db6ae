//! Colours, for terminals only.

use std::io::IsTerminal;

/// How a cell looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// As it is.
    #[default]
    Plain,
    /// Titles.
    Bold,
    /// What matters less.
    Dim,
    /// Began, or works.
    Good,
    /// Changed, or needs a look.
    Warn,
    /// Ended, or failed.
    Bad,
    /// Names to copy.
    Accent,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
            Self::Accent => "36",
        }
    }

    /// `text` in this style, if `colour`.
    pub fn paint(self, text: &str, colour: bool) -> String {
        if !colour || self == Self::Plain || text.is_empty() {
            return text.to_owned();
        }
        format!("\x1b[{}m{text}\x1b[0m", self.code())
    }
}

/// Where standard output or standard error goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terminal {
    /// Columns; `None` when it is not a terminal, and nothing is cut.
    pub width: Option<usize>,
    /// Whether colours are shown: on a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    pub colour: bool,
}

impl Terminal {
    /// Of standard output.
    pub fn stdout() -> Self {
        let is = std::io::stdout().is_terminal();
        Self::of(is, terminal_size::terminal_size_of(std::io::stdout()))
    }

    /// Of standard error.
    pub fn stderr() -> Self {
        let is = std::io::stderr().is_terminal();
        Self::of(is, terminal_size::terminal_size_of(std::io::stderr()))
    }

    fn of(is: bool, size: Option<(terminal_size::Width, terminal_size::Height)>) -> Self {
        if !is {
            return Self::default();
        }
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = size.map_or(80, |(width, _)| usize::from(width.0)).max(40);
        Self {
            width: Some(width),
            colour: !plain,
        }
    }

    /// `text` in a style, if this terminal shows colours.
    pub fn paint(&self, style: Style, text: &str) -> String {
        style.paint(text, self.colour)
    }
}
