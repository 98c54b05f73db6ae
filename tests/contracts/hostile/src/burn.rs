//! Time, memory and stack without end.

use crate::Answer;
use crate::event2ledger::ledger::state;
use core::hint::black_box;

/// Never returns.
pub fn forever() -> Answer {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns).wrapping_add(1);
    }
}

/// Takes memory bit by bit until there is none.
pub fn bomb() -> Answer {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(black_box(vec![1; 1 << 20]));
    }
}

/// Asks for `pages` of 64 KiB at once; says what came of it.
pub fn grow(pages: u64) -> Vec<u8> {
    let before = core::arch::wasm32::memory_grow(0, pages as usize);
    (before as isize).to_string().into_bytes()
}

/// Nests `depth` calls. Nothing of it lies in the contract's own memory: only the machine's stack can end it.
#[inline(never)]
pub fn recurse(depth: u64) -> u64 {
    if depth == 0 {
        return 1;
    }
    // Not associative, so that no compiler makes a loop of it.
    recurse(depth - 1).rotate_left(7) ^ depth.wrapping_mul(0x9e37_79b9)
}

/// Spends fuel on `turns` calls of the host and, about as much, on instructions of its own.
pub fn spend(turns: u64) -> Vec<u8> {
    let mut sum = 0u64;
    for _ in 0..turns {
        sum = sum.wrapping_add(state::get(b"mark").map_or(0, |value| value.len() as u64));
        for step in 0..64u64 {
            sum = black_box(sum ^ step);
        }
    }
    sum.to_string().into_bytes()
}
