//! The hostile contract, a state in memory, and a thread with the stack that contracts may use up.
#![allow(dead_code)]

pub mod crafted;
pub mod state;

use e2l_chaincode_builder::build_once;
use e2l_runtime::{
    Admitted, CallContext, CallLimits, Failure, Outcome, REQUIRED_STACK_BYTES, Runtime, Session, StaticLimits,
};
use state::MemoryState;
use std::path::Path;
use std::sync::OnceLock;

pub const LIMITS: CallLimits = CallLimits {
    fuel: 50_000_000,
    memory_bytes: 32 << 20,
    output_bytes: 64 << 10,
    writes: 256,
    write_bytes: 1 << 20,
};

/// Runs a test on a thread with enough stack.
pub fn deep(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(REQUIRED_STACK_BYTES);
        let thread = thread.spawn_scoped(scope, test).unwrap();
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// The component of the contract in a directory of this repository.
pub fn built(source: &str) -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(source);
    let built = build_once(&source, Path::new(env!("CARGO_TARGET_TMPDIR")));
    built.unwrap_or_else(|error| panic!("{error}")).component
}

/// The hostile contract.
pub fn component() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| built("tests/contracts/hostile"))
}

/// The hostile contract, compiled once per test program.
pub fn admitted() -> &'static Admitted {
    static ADMITTED: OnceLock<Admitted> = OnceLock::new();
    ADMITTED.get_or_init(|| {
        let admitted = Runtime::new()
            .unwrap()
            .admit(component(), &StaticLimits::default());
        admitted.unwrap_or_else(|error| panic!("{error}"))
    })
}

pub fn context() -> CallContext {
    CallContext {
        transaction_id: vec![7; 32],
        sender: "collector-1".into(),
        actor: "provider".into(),
        role: "collector".into(),
        height: 3,
        block_time_nano: 1_000,
    }
}

/// A block's calls, and the state that they work on.
pub struct Block {
    pub session: Session<MemoryState>,
    pub state: MemoryState,
}

impl Block {
    pub fn new(admitted: &Admitted, limits: CallLimits) -> Self {
        let session = Runtime::new().unwrap().session(admitted, limits).unwrap();
        Self {
            session,
            state: MemoryState::default(),
        }
    }

    /// A block of the hostile contract.
    pub fn hostile() -> Self {
        Self::new(admitted(), LIMITS)
    }

    pub fn invoke(&mut self, function: &str, argument: impl AsRef<[u8]>) -> Outcome {
        let argument = argument.as_ref();
        let state = self.state.begin(argument);
        let called = self.session.invoke(state, &context(), function, argument);
        self.end(called.unwrap())
    }

    pub fn query(&mut self, function: &str, argument: impl AsRef<[u8]>) -> Outcome {
        let argument = argument.as_ref();
        let state = self.state.begin(argument);
        let called = self.session.query(state, &context(), function, argument);
        let (outcome, state) = called.unwrap();
        self.state = state.end(false);
        outcome
    }

    pub fn migrate(&mut self, from: &str) -> Outcome {
        let state = self.state.begin(b"");
        let called = self.session.migrate(state, &context(), from);
        self.end(called.unwrap())
    }

    /// One step of a preparation under a prefix, and whether it was the last.
    pub fn prepare(&mut self, from: &str, prefix: &str) -> (Outcome, bool) {
        let state = self.state.begin(b"");
        let called = self.session.prepare(state, &context(), from, prefix);
        let (outcome, done, state) = called.unwrap();
        (self.end((outcome, state)), done)
    }

    /// A migration after a preparation.
    pub fn migrate_keys(&mut self, from: &str) -> Outcome {
        let state = self.state.begin(b"");
        let called = self.session.migrate_keys(state, &context(), from);
        self.end(called.unwrap())
    }

    fn end(&mut self, (outcome, state): (Outcome, MemoryState)) -> Outcome {
        self.state = state.end(matches!(outcome, Outcome::Accepted { .. }));
        outcome
    }

    /// The harmless call works, and counts on from the last one that was accepted.
    pub fn assert_counts(&mut self, expected: u64) -> u64 {
        match self.invoke("count", "harmless") {
            Outcome::Accepted { output, fuel } => {
                assert_eq!(String::from_utf8(output).unwrap(), expected.to_string());
                fuel
            }
            other => panic!("{other:?}"),
        }
    }
}

/// How the call failed.
pub fn failure(outcome: &Outcome) -> Failure {
    match outcome {
        Outcome::Failed { kind, .. } => *kind,
        other => panic!("it did not fail: {other:?}"),
    }
}

/// What the call returned.
pub fn output(outcome: Outcome) -> String {
    match outcome {
        Outcome::Accepted { output, .. } => String::from_utf8(output).unwrap(),
        other => panic!("it was not accepted: {other:?}"),
    }
}
