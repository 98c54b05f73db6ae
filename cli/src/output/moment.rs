//! Moments and durations: as people type them, and as they read them. All output is in UTC.

use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// Reads a moment, in nanoseconds since the Unix epoch: RFC 3339, a date, seconds since the epoch, or an age
/// before `now_nano` such as `10m`, `2h` or `1h30m`.
///
/// # Errors
/// Says what is accepted.
pub fn parse_moment(text: &str, now_nano: i64) -> Result<i64, String> {
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return nanos(moment).ok_or_else(|| format!("`{text}` is outside the years 1678 to 2261"));
    }
    if let Ok(date) = time::Date::parse(text, format_description!("[year]-[month]-[day]")) {
        return nanos(date.midnight().assume_utc())
            .ok_or_else(|| format!("`{text}` is outside the years 1678 to 2261"));
    }
    if let Some(nano) = epoch_seconds(text) {
        return Ok(nano);
    }
    let age = parse_duration(text).map_err(|_| {
        format!(
            "`{text}` is not a moment: write 2026-05-09T22:00:00Z, 2026-05-09, seconds since 1970, or an age such \
             as 10m, 2h, 1h30m, 3d"
        )
    })?;
    i64::try_from(age.as_nanos())
        .ok()
        .and_then(|age| now_nano.checked_sub(age))
        .ok_or_else(|| format!("`{text}` is too long ago"))
}

fn nanos(moment: OffsetDateTime) -> Option<i64> {
    i64::try_from(moment.unix_timestamp_nanos()).ok()
}

/// Seconds with at most nine decimals, as `docker events --since` takes them.
fn epoch_seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let nano: i64 = format!("{fraction:0<9}").parse().ok()?;
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(1_000_000_000)?
        .checked_add(nano)
}

/// Reads a duration such as `500ms`, `30s`, `10m`, `1h30m`, `3d`.
///
/// # Errors
/// Says what is accepted.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let fail = || format!("`{text}` is not a duration: write 500ms, 30s, 10m, 1h30m or 3d");
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let number: u64 = number.parse().map_err(|_| fail())?;
        let part = match unit {
            "ms" => Some(Duration::from_millis(number)),
            "s" => Some(Duration::from_secs(number)),
            "m" => number.checked_mul(60).map(Duration::from_secs),
            "h" => number.checked_mul(3600).map(Duration::from_secs),
            "d" => number.checked_mul(86_400).map(Duration::from_secs),
            _ => None,
        };
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(fail)?;
        rest = tail;
    }
    if text.is_empty() { Err(fail()) } else { Ok(total) }
}

/// `2026-05-09 22:23:21.123` in UTC.
pub fn stamp(nano: i64) -> String {
    show(
        nano,
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3]"),
    )
}

/// `05-09 22:23:21` in UTC, where there is no room for more.
pub fn short_stamp(nano: i64) -> String {
    show(
        nano,
        format_description!("[month]-[day] [hour]:[minute]:[second]"),
    )
}

/// `22:23:21` in UTC.
pub fn clock(nano: i64) -> String {
    show(nano, format_description!("[hour]:[minute]:[second]"))
}

fn show(nano: i64, format: &[time::format_description::BorrowedFormatItem<'_>]) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(nano))
        .ok()
        .and_then(|moment| moment.format(format).ok())
        .unwrap_or_else(|| format!("{nano} ns"))
}
