//! Which program this is.

use e2l_ledger::Digest;
use std::io;

/// BLAKE3 of the program that runs, as `b3sum` prints it. An honest host's word: its owner can make it say anything.
///
/// # Errors
/// It cannot be read.
#[expect(
    clippy::disallowed_methods,
    reason = "a file's digest that other tools know has no domain"
)]
pub fn executable_digest() -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open("/proc/self/exe")?)?;
    Ok(Digest(*hasher.finalize().as_bytes()))
}
