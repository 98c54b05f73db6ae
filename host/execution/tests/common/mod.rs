//! A network with real certificates, and peers that execute what it orders.
#![allow(dead_code)]

pub mod members;
pub mod peer;
pub mod stage;

use e2l_chaincode_builder::build_once;
use e2l_event::{Event, EventKind, Observation};
use e2l_ledger::{Call, Digest, Domain};
use e2l_runtime::REQUIRED_STACK_BYTES;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

/// Runs a test on a thread with the stack that contracts may use up.
pub fn deep(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(REQUIRED_STACK_BYTES);
        let thread = thread.spawn_scoped(scope, test).unwrap();
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Name, digest and bytes of the contracts.
pub fn contracts() -> &'static [(&'static str, Digest, Vec<u8>)] {
    static BUILT: OnceLock<Vec<(&'static str, Digest, Vec<u8>)>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let build = |source: &str| {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(source);
            let built = build_once(&source, Path::new(env!("CARGO_TARGET_TMPDIR")));
            built.unwrap_or_else(|error| panic!("{error}")).component
        };
        let contracts = [
            ("eventdb", build("chaincode/eventdb")),
            ("hostile", build("tests/contracts/hostile")),
            ("upgrades", build("tests/contracts/upgrades")),
        ];
        contracts
            .map(|(name, bytes)| (name, Domain::Chaincode.hash(&bytes), bytes))
            .into()
    })
}

pub fn call(chaincode: &str, function: &str, argument: &[u8]) -> Call {
    Call {
        chaincode: chaincode.into(),
        function: function.into(),
        argument: argument.to_vec(),
    }
}

pub fn hostile(function: &str, argument: &str) -> Call {
    call("hostile", function, argument.as_bytes())
}

/// The harmless function of the hostile contract.
pub fn count() -> Call {
    hostile("count", "harmless")
}

/// Event number `sequence`, about a container.
pub fn event(container: &str, sequence: u64) -> Event {
    Event {
        kind: EventKind::Container,
        action: "start".into(),
        actor_id: container.into(),
        attributes: BTreeMap::from([("image".into(), "alpine".into())]),
        scope: "local".into(),
        time: 1_800_000_000,
        time_nano: 1_800_000_000_000_000_000,
        received_nano: 1_800_000_000_000_000_001,
        sequence,
        observation: Observation::Observed,
        facts: None,
    }
}

pub fn create_event(event: &Event) -> Call {
    call("eventdb", "createEvent", &event.encode())
}
