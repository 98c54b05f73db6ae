//! What keeps a host busy: threads that only compute, and threads that run hostile calls in sessions of the same engine.

use crate::common::contracts;
use crate::state::MemoryState;
use e2l_runtime::{CallContext, CallLimits, REQUIRED_STACK_BYTES, Runtime, StaticLimits};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// With the loaded host itself more than the processors of a small machine.
const COMPUTING: usize = 2;
const CALLING: usize = 1;
const LIMITS: CallLimits = CallLimits {
    fuel: 2_000_000,
    memory_bytes: 16 << 20,
    output_bytes: 64 << 10,
    writes: 256,
    write_bytes: 1 << 20,
};
const CALLS: [(&str, &str); 6] = [
    ("taint", ""),
    ("loop", ""),
    ("bomb", ""),
    ("count", "beside"),
    ("recurse", "100000"),
    ("panic", ""),
];

/// Runs until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins; returns when a session has made its first calls.
    pub fn on(runtime: &Arc<Runtime>) -> Self {
        let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut threads = Vec::new();
        for _ in 0..COMPUTING {
            let ended = stop.clone();
            threads.push(std::thread::spawn(move || compute(&ended)));
        }
        for _ in 0..CALLING {
            let (runtime, ended, made) = (runtime.clone(), stop.clone(), calls.clone());
            let deep = std::thread::Builder::new().stack_size(REQUIRED_STACK_BYTES);
            threads.push(deep.spawn(move || call(&runtime, &ended, &made)).unwrap());
        }
        while calls.load(Ordering::Relaxed) == 0 && !threads.iter().any(JoinHandle::is_finished) {
            std::thread::yield_now();
        }
        Self { stop, calls, threads }
    }

    /// Ends; returns how many calls the sessions have made.
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        self.calls.load(Ordering::Relaxed)
    }
}

fn compute(stop: &AtomicBool) {
    let mut memory = vec![0u64; 1 << 18];
    let mut sum = 1u64;
    while !stop.load(Ordering::Relaxed) {
        for word in &mut memory {
            sum = sum.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(*word);
            *word = sum;
        }
    }
    black_box(memory);
}

fn call(runtime: &Runtime, stop: &AtomicBool, made: &AtomicU64) {
    let (_, _, component) = contracts().iter().find(|(name, ..)| *name == "hostile").unwrap();
    let admitted = runtime.admit(component, &StaticLimits::default()).unwrap();
    let context = CallContext {
        transaction_id: vec![9; 32],
        sender: "beside".into(),
        actor: "user".into(),
        role: "collector".into(),
        height: 9,
        block_time_nano: 9,
    };
    while !stop.load(Ordering::Relaxed) {
        let mut session = runtime.session(&admitted, LIMITS).unwrap();
        let mut state = MemoryState::default();
        for (function, argument) in CALLS {
            let begun = state.begin(argument.as_bytes());
            state = session
                .invoke(begun, &context, function, argument.as_bytes())
                .unwrap()
                .1;
            made.fetch_add(1, Ordering::Relaxed);
        }
    }
}
