//! A collector's spool, and its engine's lines.

use super::Seed;
use crate::borrowed::frame;
use crate::borrowed::record::{Position, Record};

const ENGINE_LINES: [(&str, &str); 2] = [
    (
        "die",
        r#"{"Type":"container","Action":"die","Actor":{"ID":"a","Attributes":{"exitCode":"1"}},"scope":"local","time":1,"timeNano":1000000001}"#,
    ),
    (
        "exec",
        r#"{"Type":"container","Action":"exec_create: mysql -psecret","Actor":{"ID":"a"},"timeNano":5}"#,
    ),
];

/// A record, frames of it, and the lines.
pub fn seeds() -> Vec<Seed> {
    let position = Record::Position(Position {
        source: "replay".to_owned(),
        lines: 7,
    });
    let record = borsh::to_vec(&[&Record::Final { batch: 3 }, &position][1]).expect("memory");
    let mut framed = [&[0; frame::HEADER][..], &record].concat();
    frame::seal(&mut framed, 1, &[7; 16]);
    let mut seeds = vec![
        ("spool", "record".to_owned(), [&[1][..], &record].concat()),
        (
            "spool",
            "frames".to_owned(),
            [&[0][..], &[7; 16], &framed, &framed].concat(),
        ),
    ];
    for (name, line) in ENGINE_LINES {
        seeds.push(("engine_event", name.to_owned(), line.as_bytes().to_vec()));
    }
    seeds
}
