//! What a round came to, for people as it goes on and for programs when it ends.

use crate::error::{CliError, CliResult};
use crate::output::{Format, Style, Terminal, csv_header, csv_row};
use serde::Serialize;
use std::io::Write;

const COLUMNS: [&str; 13] = [
    "round",
    "changed",
    "result",
    "chaincode",
    "version",
    "bytes",
    "digest",
    "steps",
    "failed",
    "proposal",
    "active_from",
    "error",
    "took_ms",
];
/// Names of changed files that a line shows.
const SHOWN_FILES: usize = 3;

/// A round, for programs.
#[derive(Debug, Default, Serialize)]
pub(super) struct RoundView {
    pub round: u64,
    /// Files that were saved since the round before.
    pub changed: Vec<String>,
    /// `deployed`, `unchanged`, `not built`, `tests failed`, `not deployed`.
    pub result: &'static str,
    pub chaincode: Option<String>,
    pub version: Option<String>,
    pub bytes: Option<usize>,
    pub digest: Option<String>,
    /// Steps of test cases, and those of them that ended otherwise than expected.
    pub steps: Option<usize>,
    pub failed: Option<usize>,
    pub proposal: Option<String>,
    /// First height that is executed by this version.
    pub active_from: Option<u64>,
    pub error: Option<String>,
    pub took_ms: u64,
}

/// Writes to standard output, in the user's format.
pub(super) struct Report {
    pub format: Format,
    pub terminal: Terminal,
}

impl Report {
    /// A round begins.
    pub fn begin(&self, view: &RoundView) {
        let mut names: Vec<&str> = view
            .changed
            .iter()
            .take(SHOWN_FILES)
            .map(String::as_str)
            .collect();
        let more = view.changed.len() - names.len();
        let rest = format!("{more} more");
        if more > 0 {
            names.push(&rest);
        }
        let why = if names.is_empty() {
            String::new()
        } else {
            format!(": {} changed", names.join(", "))
        };
        let title = format!("round {}{why}", view.round);
        if self.format == Format::Table {
            self.write(&self.terminal.paint(Style::Bold, &title));
        }
    }

    /// A step is done.
    pub fn line(&self, label: &str, text: &str) {
        self.painted(Style::Plain, label, text);
    }

    /// A step, or the round, is done well.
    pub fn good(&self, label: &str, text: &str) {
        self.painted(Style::Good, label, text);
    }

    /// A step did not work.
    pub fn bad(&self, label: &str, text: &str) {
        self.painted(Style::Bad, label, text);
    }

    fn painted(&self, style: Style, label: &str, text: &str) {
        if self.format == Format::Table {
            let label = self.terminal.paint(style, &format!("{label:<13}"));
            self.write(&format!("  {label} {text}"));
        }
    }

    fn write(&self, line: &str) {
        // Whether anybody reads shows at the end of the round.
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    /// A round ends.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn end(&self, view: &RoundView) -> CliResult<()> {
        let mut out = std::io::stdout().lock();
        let object = || {
            serde_json::to_value(view).map_err(|error| {
                CliError::usage(
                    format!("cannot write a round as JSON: {error}"),
                    "use `-o table`, and report this as a defect",
                )
            })
        };
        match self.format {
            Format::Table => writeln!(out)?,
            Format::Json | Format::Jsonl => writeln!(out, "{}", object()?)?,
            Format::Csv => {
                if view.round == 1 {
                    out.write_all(csv_header(&COLUMNS).as_bytes())?;
                }
                out.write_all(csv_row(&COLUMNS, &object()?).as_bytes())?;
            }
        }
        Ok(out.flush()?)
    }
}
