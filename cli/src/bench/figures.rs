//! Numbers as people read them.

/// Bytes as MB.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits that count, or all before the point.
pub fn figure(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 100.0 => return grouped(value.round() as u64),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_groups() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn as_many_digits_as_count() {
        for (value, text) in [
            (0.0, "0"),
            (0.05, "0.05"),
            (2.5, "2.5"),
            (15.25, "15.2"),
            (20.0, "20"),
            (100.0, "100"),
            (12_000.0, "12,000"),
        ] {
            assert_eq!(figure(value), text);
        }
    }
}
