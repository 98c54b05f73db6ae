//! The suite's table.

use crate::bench::bars::{Bar, Verdict};
use crate::bench::figures::figure;

/// One line.
#[derive(Debug, Clone)]
pub struct Row {
    what: String,
    measured: String,
    bar: String,
    beyond: String,
    verdict: &'static str,
}

impl Row {
    /// A value with a bar.
    pub fn judged(what: impl Into<String>, value: f64, unit: &str, bar: Bar) -> Self {
        Self {
            what: what.into(),
            measured: format!("{}{unit}", figure(value)),
            bar: format!("{}{unit}", figure(bar.bar)),
            beyond: format!("{}{unit}", figure(bar.beyond)),
            verdict: match bar.judge(value) {
                Verdict::Beyond => "beyond",
                Verdict::Reached => "reached",
                Verdict::Missed => "not reached",
            },
        }
    }

    /// Something without a bar.
    pub fn shown(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            measured: measured.into(),
            bar: "-".to_owned(),
            beyond: "-".to_owned(),
            verdict: "",
        }
    }

    /// What must be so.
    pub fn demanded(
        what: impl Into<String>,
        measured: impl Into<String>,
        demanded: &str,
        is_so: bool,
    ) -> Self {
        Self {
            bar: demanded.to_owned(),
            verdict: if is_so { "reached" } else { "not reached" },
            ..Self::shown(what, measured)
        }
    }

    fn line(&self) -> String {
        let cells = [&self.what, &self.measured, &self.bar, &self.beyond].map(|cell| escape(cell));
        format!("| {} | {} |\n", cells.join(" | "), self.verdict)
    }
}

/// A cell must not end early, nor begin a line.
fn escape(cell: &str) -> String {
    cell.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// Header and rows.
pub fn table(rows: &[Row]) -> String {
    let mut text = "| what | measured | bar | beyond | |\n|---|---|---|---|---|\n".to_owned();
    rows.iter().for_each(|row| text.push_str(&row.line()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::bars;

    #[test]
    fn a_row_has_value_bar_and_verdict() {
        let rows = [
            Row::judged("throughput", 31_234.4, "/s", bars::THROUGHPUT),
            Row::shown("a | b", "c\nd"),
            Row::demanded("lost", "1", "0", false),
        ];
        let table = table(&rows);
        assert!(
            table.contains("| throughput | 31,234/s | 30,000/s | 50,000/s | reached |"),
            "{table}"
        );
        assert!(table.contains("| a \\| b | c d | - | - |  |"), "{table}");
        assert!(table.contains("| lost | 1 | 0 | - | not reached |"), "{table}");
    }
}
