//! A look at an encoded event without decoding it: a contract that only files the bytes need not copy every text.

use crate::event::{EventError, EventKind, VERSION, check_parameters};

/// What `createEvent` needs to know of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance<'a> {
    /// What it is about.
    pub kind: EventKind,
    /// What happened.
    pub action: &'a str,
    /// Id of the container or service.
    pub actor_id: &'a str,
    /// Engine's time in nanoseconds since the Unix epoch.
    pub time_nano: i64,
}

impl<'a> Glance<'a> {
    /// Accepts just the bytes that [`Event::decode`](crate::Event::decode) and
    /// [`Event::check`](crate::Event::check) accept.
    ///
    /// # Errors
    /// A parameter that is missing or malformed; `None` for bytes that are no encoded event: decoding them says why.
    pub fn of(bytes: &'a [u8]) -> Option<Result<Self, EventError>> {
        let mut rest = Scan::new(bytes);
        if rest.byte()? != VERSION {
            return None;
        }
        let kind = match rest.byte()? {
            0 => EventKind::Container,
            1 => EventKind::Service,
            2 => EventKind::Collector,
            _ => return None,
        };
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
        let (time_nano, received_nano) = (rest.number()? as i64, rest.number()? as i64);
        let sequence = rest.number()?;
        if rest.byte()? > 2 {
            return None;
        }
        if rest.option()? {
            rest.facts()?;
        }
        if !rest.is_at_end() {
            return None;
        }
        let checked = check_parameters((actor_id, action), sequence, time_nano, received_nano);
        Some(checked.map(|()| Self {
            kind,
            action,
            actor_id,
            time_nano,
        }))
    }
}

/// Where the reading stands.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The first bytes, as far as they are UTF-8: between texts of less than 128 bytes lie only their lengths, so that is
    /// most of an event. One long check costs a fraction of many short ones.
    text: &'a str,
}

impl<'a> Scan<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        };
        Self { bytes, at: 0, text }
    }

    fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, _) = self.bytes.get(self.at..)?.split_first_chunk::<N>()?;
        self.at += N;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.length()?;
        let range = self.at..self.at.checked_add(length)?;
        let bytes = self.bytes.get(range.clone())?;
        self.at = range.end;
        // Where the check above does not reach, or a text does not begin or end with a character, it is checked alone.
        self.text.get(range).or_else(|| std::str::from_utf8(bytes).ok())
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
