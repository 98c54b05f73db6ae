//! `e2l-intruder`: someone with write access to a stopped peer's files, for demonstrations and tests. It needs no key:
//! anybody who can write these files can do the same.

use anyhow::{Context, Result, bail};
use clap::Parser;
use e2l_store::Intruder;
use std::path::PathBuf;

/// Changes bytes of a stored transaction, and makes its checksum anew so that it looks untouched.
#[derive(Parser)]
#[command(name = "e2l-intruder", version)]
struct Arguments {
    /// The stopped peer's `data_dir`
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Height of the block
    #[arg(long)]
    height: u64,
    /// Index of the transaction in the block
    #[arg(long)]
    index: u32,
    /// Bytes to look for, hexadecimal
    #[arg(long, value_name = "HEX")]
    from: String,
    /// Bytes to put there, as many
    #[arg(long, value_name = "HEX")]
    to: String,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (from, to) = (bytes(&arguments.from)?, bytes(&arguments.to)?);
    if from.len() != to.len() || from.is_empty() {
        bail!(
            "--from has {} bytes and --to {}: give as many, and some",
            from.len(),
            to.len()
        );
    }
    let intruder = Intruder::open(&arguments.data_dir.join("ledger"))?;
    Ok(intruder.falsify((arguments.height, arguments.index), &from, &to)?)
}

fn bytes(text: &str) -> Result<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let parsed = pairs.map(|pair| {
        let digits = std::str::from_utf8(pair).ok().filter(|digits| digits.len() == 2);
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
    });
    parsed
        .collect::<Option<Vec<u8>>>()
        .with_context(|| format!("`{text}` is not hexadecimal"))
}
