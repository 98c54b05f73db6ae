//! Generated and mutated components go through admission: no one of them makes the host panic, and what it takes to
//! compile those that are admitted is bounded. It happens in a process of its own, which the kernel ends when it takes too
//! much memory or goes on for too long.
//!
//! `E2L_FUZZ_CASES` (default 10,000) sets how many, `E2L_SEED` which; `E2L_FUZZ_CASE` runs one case of the seed alone.
// What is tested must know no disk and no process; the test measures its own.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "fuzzed_admission/binary.rs"]
mod binary;
#[path = "fuzzed_admission/cases.rs"]
mod cases;
mod common;
#[path = "fuzzed_admission/mutation.rs"]
mod mutation;
#[path = "fuzzed_admission/process.rs"]
mod process;

use cases::{Cases, Origin};
use common::state::MemoryState;
use common::{LIMITS, context, deep};
use e2l_runtime::{
    AdmissionError, Admitted, CallLimits, HostState, Outcome, REQUIRED_STACK_BYTES, Runtime, StaticLimits,
    check_component, check_contract,
};
use process::Places;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Memory that the process may write to.
const DATA_BYTES: u64 = 1 << 30;
/// CPU seconds that it has, and more for many cases: some times what it takes, for it is to find what never ends.
const CPU_SECONDS: u64 = 1_200;
const CASES_PER_CPU_SECOND: u64 = 50;
/// Most memory that compiling one component may take.
const COMPILE_BYTES: u64 = 256 << 20;
/// Admitted components that are compiled: the largest of each origin.
const COMPILED_PER_ORIGIN: usize = 60;

/// A call of what was admitted.
const CALL: CallLimits = CallLimits {
    fuel: 1_000_000,
    ..LIMITS
};

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn no_component_makes_the_host_panic_or_takes_more_than_it_may() {
    if let Ok(places) = std::env::var("E2L_FUZZ_PLACES") {
        return fuzz(Path::new(&places));
    }
    let directory = tempfile::tempdir().unwrap();
    let places = directory.path().join("places");
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "no_component_makes_the_host_panic_or_takes_more_than_it_may",
            "--nocapture",
        ])
        .env("E2L_FUZZ_PLACES", &places)
        .output()
        .unwrap();
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success() && said.contains("compiled"),
        "{} at cases {:?}\n{said}\n{errors}",
        output.status,
        Places::read(&places)
    );
    println!("{said}");
}

fn fuzz(places: &Path) {
    let seed = setting("E2L_SEED").unwrap_or(1);
    let cases = Cases::new(seed);
    let numbers = match setting("E2L_FUZZ_CASE") {
        Some(one) => one..one + 1,
        None => 0..setting("E2L_FUZZ_CASES").unwrap_or(10_000),
    };
    let number = numbers.end - numbers.start;
    process::bound(DATA_BYTES, CPU_SECONDS + number / CASES_PER_CPU_SECOND);
    let places = Places::open(places);
    let checked = Checked::all(&cases, numbers, &places);
    println!("seed {seed}: {number} components");
    for (origin, verdicts) in &checked.verdicts {
        println!("  {origin}: {verdicts:?}");
    }
    let mut compiled = Compiled::default();
    deep(|| compiled.all(&cases, &checked, &places));
    println!("{compiled}");
    let panics = [checked.panics, compiled.panics].concat();
    assert!(
        panics.is_empty(),
        "cases {panics:?} of seed {seed}: E2L_SEED={seed} E2L_FUZZ_CASE=... runs one alone"
    );
    if number >= 10_000 {
        for origin in Origin::ALL {
            let verdicts = &checked.verdicts[&origin];
            assert!(
                verdicts.len() > 1 || origin == Origin::Foreign,
                "{origin} always has the same verdict: {verdicts:?}"
            );
        }
        assert!(compiled.number >= 200, "too few were admitted to say anything");
    }
}

/// What admission says before anything is compiled.
#[derive(Default)]
struct Checked {
    verdicts: BTreeMap<Origin, BTreeMap<&'static str, u64>>,
    /// Size and number of the largest that passed.
    passed: BTreeMap<Origin, Vec<(usize, u64)>>,
    panics: Vec<u64>,
}

impl Checked {
    /// Checks these cases, on all processors.
    fn all(cases: &Cases, numbers: std::ops::Range<u64>, places: &Places) -> Self {
        let checked = Mutex::new(Self::default());
        let next = AtomicU64::new(numbers.start);
        let workers = std::thread::available_parallelism().unwrap().get() as u64;
        let check = |worker| loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                break;
            }
            places.note(worker, number);
            let (origin, bytes) = cases.case(number);
            let verdict = catch_unwind(|| check_component(&bytes, &StaticLimits::default()));
            checked
                .lock()
                .unwrap()
                .note((number, origin, bytes.len()), verdict);
        };
        let check = &check;
        std::thread::scope(|scope| {
            for worker in 0..workers {
                let thread = std::thread::Builder::new().stack_size(REQUIRED_STACK_BYTES);
                thread.spawn_scoped(scope, move || check(worker)).unwrap();
            }
        });
        checked.into_inner().unwrap()
    }

    fn note(
        &mut self,
        (number, origin, size): (u64, Origin, usize),
        verdict: std::thread::Result<Result<(), AdmissionError>>,
    ) {
        let verdict = match verdict {
            Err(_) => {
                self.panics.push(number);
                "panic"
            }
            Ok(Err(error)) => name(&error),
            Ok(Ok(())) => {
                let passed = self.passed.entry(origin).or_default();
                passed.push((size, number));
                // The largest first, of the same size the earliest, so that it does not matter who checked what.
                passed.sort_by_key(|(size, number)| (usize::MAX - size, *number));
                passed.truncate(COMPILED_PER_ORIGIN);
                "passed"
            }
        };
        *self
            .verdicts
            .entry(origin)
            .or_default()
            .entry(verdict)
            .or_default() += 1;
    }
}

fn name(error: &AdmissionError) -> &'static str {
    match error {
        AdmissionError::Size { .. } => "size",
        AdmissionError::NotAComponent(_) => "no component",
        AdmissionError::Invalid(_) => "invalid",
        AdmissionError::ForeignImport(_) => "foreign import",
        AdmissionError::Limit { .. } => "limit",
        AdmissionError::Host(_) => "not compiled on this machine",
        AdmissionError::Compile(_) => "not compiled",
        AdmissionError::World(_) => "another world",
    }
}

/// What came of those that were compiled.
#[derive(Default)]
struct Compiled {
    number: usize,
    verdicts: BTreeMap<&'static str, u64>,
    /// Why the engine did not compile what had passed, and one such case.
    refusals: BTreeMap<String, u64>,
    /// Cases that a peer refuses and the engine would take.
    stricter: Vec<u64>,
    longest: (Duration, usize, u64),
    most: (u64, usize, u64),
    panics: Vec<u64>,
}

impl Compiled {
    /// Compiles the largest that passed, and runs what is a contract.
    fn all(&mut self, cases: &Cases, checked: &Checked, places: &Places) {
        let runtime = Runtime::new().unwrap();
        for (size, number) in checked.passed.values().flatten() {
            places.note(0, *number);
            let (_, bytes) = cases.case(*number);
            if catch_unwind(AssertUnwindSafe(|| self.one(&runtime, &bytes, (*size, *number)))).is_err() {
                self.panics.push(*number);
            }
        }
    }

    fn one(&mut self, runtime: &Runtime, bytes: &[u8], (size, number): (usize, u64)) {
        process::forget_peak();
        let (before, begun) = (process::resident_bytes(), Instant::now());
        let admitted = runtime.admit(bytes, &StaticLimits::default());
        let (took, memory) = (begun.elapsed(), process::peak_bytes().saturating_sub(before));
        self.number += 1;
        self.longest = self.longest.max((took, size, number));
        self.most = self.most.max((memory, size, number));
        assert!(
            memory <= COMPILE_BYTES,
            "case {number}: {memory} bytes of memory to compile {size} bytes"
        );
        // What passes is taken by the engine; it takes besides what only names a parameter otherwise.
        let judged = check_contract(bytes, &StaticLimits::default());
        let refused = admitted.as_ref().err();
        match (&judged, refused) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(AdmissionError::World(_)), None) => self.stricter.push(number),
            _ => panic!("case {number}: {judged:?} before it is compiled, then {refused:?}"),
        }
        let verdict = match admitted {
            Ok(admitted) => run(runtime, &admitted),
            Err(error) => {
                if let AdmissionError::Compile(why) = &error {
                    self.refusals.insert(why.clone(), number);
                }
                name(&error)
            }
        };
        *self.verdicts.entry(verdict).or_default() += 1;
    }
}

impl std::fmt::Display for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ((took, longest, one), (memory, most, other)) = (self.longest, self.most);
        write!(
            f,
            "compiled {} of them, the largest: {:?}\n\
             reasons not to: {:?}\n\
             refused before though the engine takes them: {:?}\n\
             longest: {} ms, {longest} bytes, case {one}\n\
             most memory: {} KiB, {most} bytes, case {other}",
            self.number,
            self.verdicts,
            self.refusals,
            self.stricter,
            took.as_millis(),
            memory >> 10
        )
    }
}

/// Whatever an admitted contract does, each call has an outcome: an error here would stop a peer.
fn run(runtime: &Runtime, admitted: &Admitted) -> &'static str {
    // That it says nonsense of itself is an error, and no harm.
    let described = admitted.describe().is_ok();
    let mut accepted = false;
    for function in ["createEvent", "count", "nan", "any"] {
        let mut session = runtime.session(admitted, CALL).unwrap();
        let state = MemoryState::default().begin(b"argument");
        let (invoked, mut state) = session.invoke(state, &context(), function, b"argument").unwrap();
        state.reset();
        let (queried, mut state) = session.query(state, &context(), function, b"{}").unwrap();
        state.reset();
        if admitted.migrates() {
            let (_, mut after) = session.migrate(state, &context(), "1.0.0").unwrap();
            after.reset();
            state = after;
        }
        if admitted.prepares() {
            session.prepare(state, &context(), "1.0.0", "2.0.0/").unwrap();
        }
        accepted |= [invoked, queried]
            .iter()
            .any(|outcome| matches!(outcome, Outcome::Accepted { .. }));
    }
    match (described, accepted) {
        (true, true) => "describes itself, accepts a call",
        (true, false) => "describes itself",
        (false, true) => "accepts a call",
        (false, false) => "does nothing",
    }
}
