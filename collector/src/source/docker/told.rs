//! What an engine has told until now, as the answer to one question.

use super::super::EngineEvent;
use super::dialect::Dialect;
use super::endpoint::Endpoint;
use super::lines::{self, Lines};
use super::raw;
use bollard::errors::Error;
use hyper::body::Incoming;

/// Events of an answer.
pub struct Told {
    dialect: Dialect,
    body: Incoming,
    lines: Lines,
}

impl Told {
    /// Asks.
    ///
    /// # Errors
    /// The engine does not answer, or refuses.
    pub async fn open(endpoint: &Endpoint, dialect: Dialect, path: &str) -> Result<Self, Error> {
        Ok(Self {
            dialect,
            body: raw::within(raw::open(endpoint, path)).await?,
            lines: Lines::default(),
        })
    }

    /// The next event; `None` at the end. Nothing is lost when this is dropped before it is done.
    ///
    /// # Errors
    /// The answer breaks off, or holds something else.
    pub async fn next(&mut self) -> Result<Option<EngineEvent>, Error> {
        loop {
            while let Some(line) = self.lines.next()? {
                if let Some(event) = lines::event(self.dialect, &line)? {
                    return Ok(Some(event));
                }
            }
            match raw::within(raw::next(&mut self.body)).await? {
                Some(data) => self.lines.push(&data),
                None => {
                    let last = self.lines.last().unwrap_or_default();
                    return lines::event(self.dialect, &last);
                }
            }
        }
    }
}
