//! Tables, CSV, moments, and other people's text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_cli::output::{
    Cell, Column, Style, Table, Terminal, clock, csv_header, csv_row, display_width, fit, parse_duration,
    parse_moment, sanitise, short_id, short_stamp, stamp,
};
use serde_json::json;
use std::time::Duration;

const NOW: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

#[test]
fn moments_in_every_form() {
    let cases = [
        ("10m", NOW - 600 * SECOND),
        ("1h30m", NOW - 5400 * SECOND),
        ("3d", NOW - 3 * 86_400 * SECOND),
        ("500ms", NOW - SECOND / 2),
        ("0", 0),
        ("1700000000", NOW),
        ("1700000000.000000001", NOW + 1),
        ("1.5", 3 * SECOND / 2),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T23:13:20+01:00", NOW),
        ("2023-11-14T22:13:20.25Z", NOW + SECOND / 4),
        ("1970-01-02", 86_400 * SECOND),
    ];
    for (text, nano) in cases {
        assert_eq!(parse_moment(text, NOW), Ok(nano), "{text}");
    }
}

#[test]
fn what_is_no_moment_says_what_is() {
    for text in [
        "",
        "yesterday",
        "10",
        "-5",
        "5 m",
        "10x",
        "2023-13-01",
        "1.0000000001",
        "99999999999999999999",
    ] {
        let read = parse_moment(text, NOW);
        if text == "10" {
            assert_eq!(read, Ok(10 * SECOND), "seconds since the epoch");
            continue;
        }
        assert!(read.unwrap_err().contains("10m"), "{text}");
    }
    assert!(parse_duration("99999999999999999d").is_err(), "overflows");
    assert_eq!(parse_duration("1m1s"), Ok(Duration::from_secs(61)));
}

#[test]
fn moments_as_people_read_them() {
    assert_eq!(stamp(NOW + 123_456_789), "2023-11-14 22:13:20.123");
    assert_eq!(short_stamp(NOW), "11-14 22:13:20");
    assert_eq!(clock(NOW), "22:13:20");
}

fn table() -> Table {
    let mut table = Table::new([
        Column::new("NAME").shrink(6),
        Column::new("COUNT").right(),
        Column::new("NOTE").shrink(6).optional(1),
    ]);
    table.push(vec!["a".into(), "7".into(), "short".into()]);
    table.push(vec![
        "a-name-of-some-length".into(),
        "12345".into(),
        Cell::new("a note that is long", Style::Bad),
    ]);
    table
}

#[test]
fn a_pipe_gets_everything_aligned_and_without_colours() {
    let expected = "\
NAME                   COUNT  NOTE
a                          7  short
a-name-of-some-length  12345  a note that is long
";
    assert_eq!(table().render(Terminal::default()), expected);
}

#[test]
fn a_terminal_is_never_exceeded() {
    for width in [24, 30, 40, 60, 80] {
        let terminal = Terminal {
            width: Some(width),
            colour: false,
        };
        let text = table().render(terminal);
        for line in text.lines() {
            assert!(display_width(line) <= width, "{width}: {line:?}");
            assert_eq!(line, line.trim_end(), "no blanks at the end");
        }
        assert!(text.contains("12345"), "numbers are never cut: {text}");
    }
}

#[test]
fn a_narrow_terminal_loses_what_is_optional_first() {
    let terminal = Terminal {
        width: Some(18),
        colour: false,
    };
    let text = table().render(terminal);
    assert!(!text.contains("NOTE"), "{text}");
    assert!(
        text.contains("a-name-of-…"),
        "and the others get its room back: {text}"
    );
}

#[test]
fn colours_do_not_disturb_the_alignment() {
    let terminal = Terminal {
        width: Some(80),
        colour: true,
    };
    let text = table().render(terminal);
    assert!(text.contains("\x1b[31ma note that is long\x1b[0m"), "{text:?}");
    let plain = text
        .replace("\x1b[31m", "")
        .replace("\x1b[1m", "")
        .replace("\x1b[0m", "");
    assert_eq!(plain, table().render(Terminal::default()));
}

#[test]
fn labels_cannot_take_over_the_terminal() {
    assert_eq!(sanitise("plain – ünïcode 日本"), "plain – ünïcode 日本");
    assert_eq!(sanitise("\x1b[2J\x07"), "\\u{1b}[2J\\u{7}");
    assert_eq!(sanitise("a\nb\tc\rd"), "a\\nb\\tc\\u{d}d");
    assert_eq!(sanitise("\u{202e}gnp.exe"), "\\u{202e}gnp.exe");
    let mut table = Table::new([Column::new("X")]);
    table.push(vec!["one\ntwo\x1b[31m".into()]);
    let text = table.render(Terminal::default());
    assert_eq!(text.lines().count(), 2);
    assert!(!text.contains('\x1b'));
}

#[test]
fn wide_characters_are_measured() {
    assert_eq!(display_width("日本"), 4);
    assert_eq!(fit("日本語", 5), "日本…");
    assert_eq!(fit("abc", 3), "abc");
    assert_eq!(fit("abcd", 3), "ab…");
    assert_eq!(fit("abcd", 0), "");
    assert_eq!(short_id("0123456789abcdef"), "0123456789ab");
    assert_eq!(short_id("日本"), "日本");
}

#[test]
fn csv_quotes_what_must_be_quoted() {
    let columns = ["a", "b", "c", "d", "e"];
    assert_eq!(csv_header(&columns), "a,b,c,d,e\r\n");
    let object = json!({ "a": "x,\"y\"", "b": 7, "c": null, "d": ["p", "q"], "e": "two\nlines" });
    assert_eq!(
        csv_row(&columns, &object),
        "\"x,\"\"y\"\"\",7,,\"[\"\"p\"\",\"\"q\"\"]\",\"two\nlines\"\r\n"
    );
}
