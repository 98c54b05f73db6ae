//! CSV as RFC 4180 has it.

use serde_json::Value;

/// The line of column names.
pub fn csv_header(columns: &[&str]) -> String {
    line(columns.iter().map(|column| (*column).to_owned()))
}

/// One object's line: texts and numbers as they are, `null` empty, lists and objects as JSON.
pub fn csv_row(columns: &[&str], object: &Value) -> String {
    line(columns.iter().map(|column| match object.get(column) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }))
}

fn line(fields: impl Iterator<Item = String>) -> String {
    let fields: Vec<String> = fields.map(|field| quote(&field)).collect();
    format!("{}\r\n", fields.join(","))
}

fn quote(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) || field.starts_with(' ') || field.ends_with(' ') {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}
