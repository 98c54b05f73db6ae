//! A contract that exports both `prepare` and `migrate`, and does in them what calls have written down before: `set` keeps a
//! value, and `prepare` and `migrate` obey those under `prepare` and `migrate`.
//!
//! | value of `prepare` | what a step does |
//! |---|---|
//! | `N` | writes one key of its own, and is done with the Nth step |
//! | `refuse N`, `trap N`, `burn N`, `steal N`, `append N` | the same, but in its Nth step it rejects, traps, never ends, writes a key of the active version, or appends to a log |
//!
//! `migrate` obeys `ok`, `refuse`, `trap`, `burn`, `write N` and `append`. Keys begin with `2.0.0/`, whatever the version is called.

use event2ledger::ledger::types::{ArgumentEncoding, FunctionDescription, FunctionKind, RejectionKind};
use event2ledger::ledger::{logs, state};

wit_bindgen::generate!({
    inline: "
        package test:upgrades;
        world both {
            use event2ledger:ledger/types@1.0.0.{call-context as upgrade-context, rejection as upgrade-rejection};
            include event2ledger:ledger/contract@1.0.0;
            export migrate: func(context: upgrade-context, %from: string) -> result<list<u8>, upgrade-rejection>;
            export prepare: func(context: upgrade-context, %from: string) -> result<bool, upgrade-rejection>;
        }
    ",
    path: "../../../wit",
    world: "both",
    generate_all,
});

struct Upgrades;

fn reject(message: impl Into<String>) -> Rejection {
    Rejection {
        message: message.into(),
        kind: RejectionKind::Refused,
    }
}

/// What a key's value says: a word, and a number after it.
fn order(key: &[u8]) -> (String, u64) {
    let text = String::from_utf8(state::get(key).unwrap_or_default()).unwrap_or_default();
    let (word, number) = text.split_once(' ').unwrap_or(("", &text));
    let count = number.parse();
    match count {
        Ok(count) => (word.to_owned(), count),
        Err(_) => (text, 0),
    }
}

fn burn() -> ! {
    loop {
        std::hint::black_box(0);
    }
}

fn step(from: &str) -> Result<bool, Rejection> {
    let (word, last) = order(b"prepare");
    let done = state::scan(b"2.0.0/", b"2.0.00", 10_000).len() as u64 + 1;
    state::put(format!("2.0.0/{done:05}").as_bytes(), from.as_bytes());
    if done < last {
        return Ok(false);
    }
    match word.as_str() {
        "refuse" => return Err(reject(format!("step {done} refuses"))),
        "trap" => panic!(),
        "burn" => burn(),
        "steal" => state::put(b"counted", b"stolen"),
        "append" => drop(logs::append(b"log", b"entry")),
        _ => {}
    }
    Ok(true)
}

fn migrate(from: &str) -> Result<Vec<u8>, Rejection> {
    let (word, count) = order(b"migrate");
    state::put(b"migrated", from.as_bytes());
    match word.as_str() {
        "refuse" => return Err(reject("the migration refuses")),
        "trap" => panic!(),
        "burn" => burn(),
        "append" => drop(logs::append(b"log", b"entry")),
        "write" => (0..count).for_each(|number| state::put(format!("of {number}").as_bytes(), b"migration")),
        _ => {}
    }
    Ok(format!("from `{from}`").into_bytes())
}

impl Guest for Upgrades {
    fn describe() -> Description {
        Description {
            name: "upgrades".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            functions: vec![FunctionDescription {
                name: "set".to_owned(),
                kind: FunctionKind::Invoke,
                argument: ArgumentEncoding::None,
                summary: "Keeps a value: KEY=VALUE.".to_owned(),
            }],
        }
    }

    fn invoke(_context: CallContext, _function: String, argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        let text = String::from_utf8(argument).map_err(|_| reject("not text"))?;
        let (key, value) = text.split_once('=').ok_or_else(|| reject("KEY=VALUE"))?;
        state::put(key.as_bytes(), value.as_bytes());
        Ok(Vec::new())
    }

    /// The keys of a range, as START END: one per line, each with its value.
    fn query(_context: CallContext, _function: String, argument: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        let text = String::from_utf8(argument).map_err(|_| reject("not text"))?;
        let (start, end) = text.split_once(' ').unwrap_or((&text, ""));
        let found = state::scan(start.as_bytes(), end.as_bytes(), 10_000);
        let lines = found.iter().map(|pair| {
            format!("{}={}\n", String::from_utf8_lossy(&pair.key), String::from_utf8_lossy(&pair.value))
        });
        Ok(lines.collect::<String>().into_bytes())
    }

    fn migrate(_context: CallContext, from: String) -> Result<Vec<u8>, Rejection> {
        migrate(&from)
    }

    fn prepare(_context: CallContext, from: String) -> Result<bool, Rejection> {
        step(&from)
    }
}

export!(Upgrades);
