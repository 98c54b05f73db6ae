//! What goes to standard output: tables for people, JSON and CSV for programs.

mod csv;
mod format;
mod moment;
mod style;
mod table;
mod text;

pub use csv::{csv_header, csv_row};
pub use format::{Format, Listing};
pub use moment::{clock, parse_duration, parse_moment, short_stamp, stamp};
pub use style::{Style, Terminal};
pub use table::{Cell, Column, Layout, Table};
pub use text::{display_width, fit, sanitise, short_id};
