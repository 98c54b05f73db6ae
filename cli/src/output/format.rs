//! The four output formats.

use crate::error::{CliError, CliResult};
use crate::output::csv::{csv_header, csv_row};
use crate::output::style::Terminal;
use crate::output::table::Table;
use serde::{Deserialize, Serialize};
use std::io::Write;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Aligned columns, for people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header line.
    Csv,
}

/// Results of one command: for programs as objects, for people as a table.
pub struct Listing<'a, T> {
    /// Fields of an object, in order, for CSV.
    pub columns: &'a [&'a str],
    /// The objects.
    pub items: &'a [T],
    /// The same for people.
    pub table: Table,
}

impl<T: Serialize> Listing<'_, T> {
    /// Writes a list to standard output.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn print(&self, format: Format) -> CliResult<()> {
        let text = match format {
            Format::Table => self.table.render(Terminal::stdout()),
            Format::Json => json(&self.items, true)?,
            Format::Jsonl => self
                .items
                .iter()
                .map(|item| json(item, false))
                .collect::<CliResult<_>>()?,
            Format::Csv => self.csv()?,
        };
        Ok(std::io::stdout().write_all(text.as_bytes())?)
    }

    /// Writes the only object there is; as JSON it is not put in a list.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn print_one(&self, format: Format) -> CliResult<()> {
        match (format, self.items) {
            (Format::Json, [one]) => Ok(std::io::stdout().write_all(json(one, true)?.as_bytes())?),
            _ => self.print(format),
        }
    }

    fn csv(&self) -> CliResult<String> {
        let mut text = csv_header(self.columns);
        for item in self.items {
            let object = serde_json::to_value(item).map_err(unwritable)?;
            text.push_str(&csv_row(self.columns, &object));
        }
        Ok(text)
    }
}

fn json<T: Serialize + ?Sized>(item: &T, pretty: bool) -> CliResult<String> {
    let made = if pretty {
        serde_json::to_string_pretty(item)
    } else {
        serde_json::to_string(item)
    };
    Ok(made.map_err(unwritable)? + "\n")
}

fn unwritable(error: serde_json::Error) -> CliError {
    CliError::usage(
        format!("cannot write the result as JSON: {error}"),
        "use `-o table`, and report this as a defect",
    )
}
