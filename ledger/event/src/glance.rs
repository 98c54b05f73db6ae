//! A look at an encoded event without decoding it: a contract that only files the bytes need not copy every text.

use crate::event::{EventError, VERSION, check_parameters};

/// What `createEvent` needs to know of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance<'a> {
    /// Id of the container or service.
    pub actor_id: &'a str,
}

impl<'a> Glance<'a> {
    /// Accepts just the bytes that [`Event::decode`](crate::Event::decode) and
    /// [`Event::check`](crate::Event::check) accept.
    ///
    /// # Errors
    /// A parameter that is missing or malformed; `None` for bytes that are no encoded event: decoding them says why.
    pub fn of(bytes: &'a [u8]) -> Option<Result<Self, EventError>> {
        let mut rest = Scan(bytes);
        if rest.byte()? != VERSION || rest.byte()? > 2 {
            return None;
        }
        let (action, actor_id) = (rest.text()?, rest.text()?);
        let mut previous = None;
        for _ in 0..rest.length()? {
            let name = rest.text()?;
            rest.text()?;
            // The encoding of a map: sorted, each name once.
            if previous.is_some_and(|previous| previous >= name) {
                return None;
            }
            previous = Some(name);
        }
        rest.text()?;
        let _time = rest.number()?;
        let (time_nano, received_nano, sequence) = (rest.number()?, rest.number()?, rest.number()?);
        if rest.byte()? > 2 {
            return None;
        }
        if rest.option()? {
            rest.facts()?;
        }
        if !rest.0.is_empty() {
            return None;
        }
        let checked = check_parameters(
            (actor_id, action),
            sequence,
            time_nano as i64,
            received_nano as i64,
        );
        Some(checked.map(|()| Self { actor_id }))
    }
}

/// What is still to be read.
struct Scan<'a>(&'a [u8]);

impl<'a> Scan<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    fn length(&mut self) -> Option<usize> {
        let (taken, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        usize::try_from(u32::from_le_bytes(*taken)).ok()
    }

    fn number(&mut self) -> Option<u64> {
        let (taken, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*taken))
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// Whether there is a value.
    fn option(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn facts(&mut self) -> Option<()> {
        if self.option()? {
            self.text()?;
        }
        for _ in 0..3 {
            if self.option()? {
                self.number()?;
            }
        }
        if self.option()? && self.byte()? > 1 {
            return None;
        }
        Some(())
    }
}
