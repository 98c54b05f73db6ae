//! A new contract's crate. All that it needs is in this program: its author needs no checkout of this repository
//! (docs/decisions/0021-scaffolded-contracts.md).

use crate::build::TOOLCHAIN_FILE;
use e2l_ledger::validate_name;
use std::io;
use std::path::{Path, PathBuf};

/// Stands for the contract's name.
const NAME: &str = "{{name}}";
/// Begins each entry of a lock file.
const ENTRY: &str = "[[package]]\n";
const LOCK: &str = include_str!("../template/Cargo.lock");
/// Path and text of every other file.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../template/Cargo.toml")),
    (".gitignore", include_str!("../template/gitignore")),
    ("README.md", include_str!("../template/README.md")),
    ("rust-toolchain.toml", TOOLCHAIN_FILE),
    ("src/lib.rs", include_str!("../template/src/lib.rs")),
    (
        "tests/counters.toml",
        include_str!("../template/tests/counters.toml"),
    ),
    ("wit/ledger.wit", include_str!("../../../wit/ledger.wit")),
];
/// Names that a crate cannot have besides those of Rust's keywords.
const TAKEN: [&str; 5] = ["alloc", "core", "proc-macro", "std", "test"];
/// Rust's keywords, as far as they could name a contract.
const KEYWORDS: [&str; 46] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "unsafe", "use", "where",
];

/// Why there is no new crate.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// The ledger would refuse the name.
    #[error(transparent)]
    Name(#[from] e2l_ledger::InvalidName),
    /// A crate cannot have the name.
    #[error("a crate cannot be named `{name}`: {why}")]
    Crate {
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// The directory holds something.
    #[error("{0} is not empty: name a new directory, or remove what is there")]
    NotEmpty(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes the crate of a new contract into `directory`, which is not there or is empty; returns the files' paths in it.
///
/// # Errors
/// The name cannot be used, something is in the directory, or a file cannot be written.
pub fn scaffold(name: &str, directory: &Path) -> Result<Vec<&'static str>, ScaffoldError> {
    check_name(name)?;
    let write = |path: &Path, source| ScaffoldError::Write {
        path: path.to_owned(),
        source,
    };
    match std::fs::read_dir(directory).map(|mut entries| entries.next().is_some()) {
        Ok(false) => {}
        Ok(true) => return Err(ScaffoldError::NotEmpty(directory.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(write(directory, error)),
    }
    let files = FILES.iter().map(|(path, text)| (*path, text.replace(NAME, name)));
    let mut written = Vec::new();
    for (path, text) in files.chain([("Cargo.lock", lock_file(name))]) {
        let full = directory.join(path);
        if let Some(parent) = full.parent() {
            std::fs::create_dir_all(parent).map_err(|error| write(parent, error))?;
        }
        std::fs::write(&full, text).map_err(|error| write(&full, error))?;
        written.push(path);
    }
    written.sort_unstable();
    Ok(written)
}

fn check_name(name: &str) -> Result<(), ScaffoldError> {
    validate_name(name)?;
    let fail = |why| {
        Err(ScaffoldError::Crate {
            name: name.to_owned(),
            why,
        })
    };
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        return fail("it begins with a digit");
    }
    if KEYWORDS.contains(&name) || TAKEN.contains(&name) {
        return fail("Rust uses the word itself");
    }
    if LOCK.contains(&format!("\nname = \"{name}\"\n")) {
        return fail("a crate that contracts depend on has that name");
    }
    Ok(())
}

/// The lock file, with the crate's own entry where cargo would put it: it refuses any other order with `--locked`.
fn lock_file(name: &str) -> String {
    let text = LOCK.replace(NAME, name);
    let mut parts = text.split(ENTRY);
    let head = parts.next().unwrap_or_default();
    let mut entries: Vec<&str> = parts.map(str::trim_end).collect();
    // Each begins with its name.
    entries.sort_by_key(|entry| entry.lines().next());
    let entries: Vec<String> = entries.iter().map(|entry| format!("{ENTRY}{entry}\n")).collect();
    format!("{head}{}", entries.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(lock: &str) -> Vec<&str> {
        lock.lines()
            .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
            .collect()
    }

    #[test]
    fn the_lock_file_is_in_cargos_order() {
        for name in ["a", "wit", "serde-more", "zz"] {
            let lock = lock_file(name);
            let names = names(&lock);
            assert!(names.is_sorted(), "{names:?}");
            assert!(names.contains(&name));
            assert!(lock.ends_with("]\n") || lock.ends_with("\"\n"));
        }
    }

    #[test]
    fn contracts_begin_with_the_versions_that_the_events_contract_has() {
        let known = include_str!("../../eventdb/Cargo.lock");
        for entry in LOCK.split(ENTRY).skip(1).filter(|entry| !entry.contains(NAME)) {
            let head: String = entry.split_inclusive('\n').take(4).collect();
            assert!(known.contains(&head), "{head}");
        }
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let place = tempfile::tempdir().unwrap();
        for name in [
            "", "Counter", "a_b", "../up", "-a", "9lives", "fn", "std", "serde", "syn",
        ] {
            assert!(scaffold(name, &place.path().join("new")).is_err(), "{name}");
        }
        assert!(!place.path().join("new").exists());
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("mine"), "text").unwrap();
        assert!(matches!(
            scaffold("counter", place.path()),
            Err(ScaffoldError::NotEmpty(_))
        ));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
