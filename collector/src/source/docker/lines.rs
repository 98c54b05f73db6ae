//! Events as an engine writes them: in JSON, one on a line.

use super::super::EngineEvent;
use super::dialect::Dialect;
use super::raw;
use bollard::errors::Error;
use bytes::BytesMut;
use std::io;

/// Longest line, bytes. What is too long for the ledger is told apart later.
const MAX_LINE: usize = raw::MAX_ANSWER;

/// Makes lines of bytes, in whatever pieces they come.
#[derive(Default)]
pub struct Lines {
    rest: BytesMut,
    /// So many bytes of that hold no end of a line.
    seen: usize,
}

impl Lines {
    /// More bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// The next line that is complete.
    ///
    /// # Errors
    /// It is too long to be an event.
    pub fn next(&mut self) -> Result<Option<BytesMut>, Error> {
        let unseen = &self.rest[self.seen..];
        match unseen.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                let end = std::mem::take(&mut self.seen) + end + 1;
                Ok(Some(self.rest.split_to(end)))
            }
            None if self.rest.len() > MAX_LINE => {
                Err(io::Error::other("an event of the engine is too long to be one").into())
            }
            None => {
                self.seen = self.rest.len();
                Ok(None)
            }
        }
    }

    /// What is left, when no more will come.
    pub fn last(&mut self) -> Option<BytesMut> {
        self.seen = 0;
        (!self.rest.is_empty()).then(|| self.rest.split())
    }

    /// What waits to be asked for, or for the rest of its line.
    pub fn rest(&self) -> &[u8] {
        &self.rest
    }
}

/// The event on a line; `None` on an empty one.
///
/// # Errors
/// It is none.
pub fn event(dialect: Dialect, line: &[u8]) -> Result<Option<EngineEvent>, Error> {
    let text = String::from_utf8_lossy(line);
    if text.trim().is_empty() {
        return Ok(None);
    }
    let event = EngineEvent::parse(&text).map_err(io::Error::other)?;
    Ok(Some(dialect.translate(event)))
}

/// What a line says happened, without reading it as a whole; empty if it does not say.
pub fn action(line: &[u8]) -> &[u8] {
    let mut texts = line.split(|byte| *byte == b'"');
    // Text, what is between it and the next, the next.
    match texts.any(|text| text == b"Action") {
        true => texts.nth(1).unwrap_or_default(),
        false => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"Type":"container","Action":"start","Actor":{"ID":"a"},"timeNano":1}"#;

    #[test]
    fn events_are_the_same_in_whatever_pieces_they_come() {
        let text = format!("{LINE}\n\r\n{LINE}\n{LINE}");
        for size in [1, 7, 1000] {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                lines.push(piece);
                while let Some(line) = lines.next().unwrap() {
                    found.extend(event(Dialect::Docker, &line).unwrap());
                }
            }
            assert_eq!(found, vec![EngineEvent::parse(LINE).unwrap(); 2]);
            assert_eq!(lines.last().unwrap(), LINE);
            assert_eq!(lines.last(), None);
        }
    }

    #[test]
    fn what_is_no_event_or_has_no_end_is_refused() {
        let error = event(Dialect::Docker, b"[1]\n").unwrap_err();
        assert!(error.to_string().contains("JSON object"), "{error}");
        let mut lines = Lines::default();
        lines.push(&vec![b'{'; MAX_LINE + 1]);
        assert!(lines.next().unwrap_err().to_string().contains("too long"));
    }

    #[test]
    fn what_happened_is_seen_without_reading_the_whole() {
        let older =
            r#"{"status":"die","id":"a","from":"busybox","Type":"container","Action":"die","Actor":{}}"#;
        for (line, expected) in [
            (LINE, "start"),
            (older, "die"),
            (r#"{ "Type": "container", "Action" : "died" }"#, "died"),
            (r#"{"Action":"health_status: healthy"}"#, "health_status: healthy"),
            (r#"{"Type":"container"}"#, ""),
            (r#"{"Action"#, ""),
            ("", ""),
        ] {
            assert_eq!(action(line.as_bytes()), expected.as_bytes(), "{line}");
        }
    }
}
