//! Seeds for the corpus, by what they are made from.

mod collector;
mod governance;
mod ledger;
mod proof_files;
mod vectors;

/// A seed: its target, its name, its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// Seeds of every target, from the format's test vectors.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = ledger::seeds();
    seeds.extend(proof_files::seeds());
    seeds.extend(collector::seeds());
    seeds.extend(governance::seeds());
    seeds.extend(vectors::seeds());
    seeds
}

/// A name that a file can have.
fn file_name(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}
