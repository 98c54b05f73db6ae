//! Writes events as they come, in any format.

use crate::error::{CliError, CliResult};
use crate::event_view::{EVENT_FIELDS, EventView};
use crate::output::{Cell, Format, Layout, Terminal, csv_header, csv_row};
use e2l_client::EventRecord;
use std::io::Write;

/// Rows that are looked at before the widths of a table are fixed.
const LOOK_AHEAD: usize = 1000;

/// A stream of events on its way to standard output.
pub struct EventSink<W> {
    out: W,
    format: Format,
    view: EventView,
    terminal: Terminal,
    waiting: Vec<Vec<Cell>>,
    layout: Option<Layout>,
    written: u64,
}

impl<W: Write> EventSink<W> {
    /// A sink that has written nothing yet. With `endless`, JSON is written one object a line: a list that
    /// never ends is not JSON.
    pub fn new(out: W, format: Format, view: EventView, terminal: Terminal, endless: bool) -> Self {
        let format = if endless && format == Format::Json {
            Format::Jsonl
        } else {
            format
        };
        Self {
            out,
            format,
            view,
            terminal,
            waiting: Vec::new(),
            layout: None,
            written: 0,
        }
    }

    /// Takes one event.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn push(&mut self, event: &EventRecord) -> CliResult<()> {
        match self.format {
            Format::Table => self.push_row(event)?,
            Format::Jsonl => writeln!(self.out, "{}", json(event)?)?,
            Format::Json => {
                let before = if self.written == 0 { "[\n  " } else { ",\n  " };
                write!(self.out, "{before}{}", json(event)?)?;
            }
            Format::Csv => {
                if self.written == 0 {
                    self.out.write_all(csv_header(&EVENT_FIELDS).as_bytes())?;
                }
                let object = serde_json::to_value(event).map_err(unwritable)?;
                self.out.write_all(csv_row(&EVENT_FIELDS, &object).as_bytes())?;
            }
        }
        self.written += 1;
        Ok(())
    }

    fn push_row(&mut self, event: &EventRecord) -> CliResult<()> {
        let row = self.view.row(event);
        match &self.layout {
            Some(layout) => self.out.write_all(layout.line(&row).as_bytes())?,
            None => {
                self.waiting.push(row);
                if self.waiting.len() >= LOOK_AHEAD {
                    self.settle()?;
                }
            }
        }
        Ok(())
    }

    /// Fixes the table's widths and writes the rows that waited.
    fn settle(&mut self) -> CliResult<()> {
        let layout = Layout::new(&self.view.columns(), &self.waiting, self.terminal);
        self.out.write_all(layout.title().as_bytes())?;
        for row in self.waiting.drain(..) {
            self.out.write_all(layout.line(&row).as_bytes())?;
        }
        self.layout = Some(layout);
        Ok(())
    }

    /// Writes everything taken so far. Later rows keep the widths of the first.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn flush(&mut self) -> CliResult<()> {
        if self.format == Format::Table && self.layout.is_none() {
            self.settle()?;
        }
        Ok(self.out.flush()?)
    }

    /// Ends the output; returns how many events it holds.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> CliResult<u64> {
        match self.format {
            Format::Json if self.written == 0 => self.out.write_all(b"[]\n")?,
            Format::Json => self.out.write_all(b"\n]\n")?,
            Format::Csv if self.written == 0 => self.out.write_all(csv_header(&EVENT_FIELDS).as_bytes())?,
            _ => {}
        }
        self.flush()?;
        Ok(self.written)
    }
}

fn json(event: &EventRecord) -> CliResult<String> {
    serde_json::to_string(event).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> CliError {
    CliError::usage(
        format!("cannot write an event as JSON: {error}"),
        "report this as a defect",
    )
}
