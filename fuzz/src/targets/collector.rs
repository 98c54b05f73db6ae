//! What a collector reads: its spool, and its engine's lines.

use crate::borrowed::engine_event::EngineEvent;
use crate::borrowed::record::Record;
use crate::borrowed::{frame, rules};
use e2l_event::Event;

/// What a collector finds in its spool: frames behind a salt, or after a first byte of 1 one record.
pub fn spool(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    if *kind == 1 {
        if let Ok(record) = borsh::from_slice::<Record>(rest) {
            assert!(
                borsh::to_vec(&record).expect("memory") == rest,
                "two encodings of one record"
            );
        }
        return;
    }
    let Some((salt, mut rest)) = rest.split_first_chunk::<16>() else {
        return;
    };
    while let Some(found) = frame::read(rest, salt) {
        let mut again = [&[0; frame::HEADER][..], found.payload].concat();
        frame::seal(&mut again, found.group, salt);
        assert!(again == rest[..found.size], "two frames of one group");
        rest = &rest[found.size..];
    }
    let _ = frame::any_in(rest, salt);
}

/// Lines of an engine: what becomes an event survives its encoding, and is recorded without a command line.
pub fn engine_event(bytes: &[u8]) {
    let Some(parsed) = std::str::from_utf8(bytes).ok().map(EngineEvent::parse) else {
        return;
    };
    if let Ok(Ok(Some(event))) = parsed.map(|event| event.normalise(1)) {
        let action = rules::redact_action(&event.action);
        let hidden =
            !action.starts_with("exec_") || !action.contains(':') || action.ends_with(": [redacted]");
        assert!(hidden, "a command line is shown: {action}");
        assert!(Event::decode(&event.encode()).as_ref() == Ok(&event));
    }
}
