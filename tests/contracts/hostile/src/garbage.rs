//! What one call leaves in memory for the next.

use crate::{Answer, count, reject};
use core::sync::atomic::{AtomicBool, Ordering};

static TAINTED: AtomicBool = AtomicBool::new(false);

/// Leaves a mark in a global and garbage in memory.
pub fn taint() -> Vec<u8> {
    core::mem::forget(core::hint::black_box(vec![0xa5u8; 8 << 20]));
    TAINTED.store(true, Ordering::Relaxed);
    Vec::new()
}

/// Counts like the harmless function, except where an earlier call left its mark: then it does what the
/// argument says.
pub fn touchy(manner: &[u8]) -> Answer {
    if TAINTED.load(Ordering::Relaxed) {
        crate::mark("touchy");
        match manner {
            b"trap" => panic!("tainted"),
            b"reject" => return Err(reject("tainted")),
            b"loop" => return crate::burn::forever(),
            b"bomb" => return crate::burn::bomb(),
            _ => return Ok(b"tainted".to_vec()),
        }
    }
    Ok(count(b""))
}
