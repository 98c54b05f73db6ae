//! Events as an engine writes them: in JSON, one on a line.

use super::super::EngineEvent;
use super::dialect::Dialect;
use bollard::errors::Error;
use bytes::BytesMut;
use std::io;

/// Longest event, bytes.
const MAX_LINE: usize = 4 << 20;
/// Longest message, bytes.
const MAX_MESSAGE: usize = 4096;

/// Makes events of bytes, in whatever pieces they come.
pub struct Lines {
    dialect: Dialect,
    rest: BytesMut,
}

impl Lines {
    /// Of an engine that means this by its words.
    pub fn of(dialect: Dialect) -> Self {
        Self {
            dialect,
            rest: BytesMut::new(),
        }
    }

    /// More bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// The next event whose line is complete.
    ///
    /// # Errors
    /// It is none, or too long to be one.
    pub fn next(&mut self) -> Result<Option<EngineEvent>, Error> {
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line = self.rest.split_to(end + 1);
            if let Some(event) = self.parse(&line)? {
                return Ok(Some(event));
            }
        }
        match self.rest.len() > MAX_LINE {
            true => Err(io::Error::other("an event of the engine is too long to be one").into()),
            false => Ok(None),
        }
    }

    /// What is left, when no more will come.
    ///
    /// # Errors
    /// It is no event.
    pub fn last(&mut self) -> Result<Option<EngineEvent>, Error> {
        let line = self.rest.split();
        self.parse(&line)
    }

    /// Whether nothing waits for the rest of its line.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What waits, as an engine's word on why it tells nothing: its beginning, if it is long.
    pub fn text(&self) -> String {
        let end = self.rest.len().min(MAX_MESSAGE);
        String::from_utf8_lossy(&self.rest[..end]).trim().to_owned()
    }

    fn parse(&self, line: &[u8]) -> Result<Option<EngineEvent>, Error> {
        let text = String::from_utf8_lossy(line);
        if text.trim().is_empty() {
            return Ok(None);
        }
        let event = EngineEvent::parse(&text).map_err(io::Error::other)?;
        Ok(Some(self.dialect.translate(event)))
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
            let mut lines = Lines::of(Dialect::Docker);
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                lines.push(piece);
                while let Some(event) = lines.next().unwrap() {
                    found.push(event);
                }
            }
            assert_eq!(found, vec![EngineEvent::parse(LINE).unwrap(); 2]);
            assert_eq!(lines.last().unwrap().as_ref(), found.first());
            assert_eq!(lines.last().unwrap(), None);
        }
    }

    #[test]
    fn what_is_no_event_or_has_no_end_is_refused() {
        let mut lines = Lines::of(Dialect::Docker);
        lines.push(b"[1]\n");
        assert!(lines.next().unwrap_err().to_string().contains("JSON object"));
        lines.push(&vec![b'{'; MAX_LINE + 1]);
        assert!(lines.next().unwrap_err().to_string().contains("too long"));
    }
}
