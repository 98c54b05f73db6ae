//! What a contract is built from, in memory: what is built, hashed and packed is then the same.

use crate::error::BuildError;
use e2l_ledger::{Digest, Domain};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How many directories above its crate a contract's interface may lie.
const MAX_DEPTH: usize = 3;
/// Directories above its crate where the crate brings its own interface. Any number would do; it reaches the bytes.
const OWN_DEPTH: usize = 2;
/// Directories that are never part of a source.
const PASSED_OVER: [&str; 2] = ["target", ".git"];
/// Most bytes of a source: more is something that lies there by accident.
pub(crate) const MAX_SOURCE_BYTES: u64 = 64 << 20;
/// Files that name a toolchain, to rustup.
const TOOLCHAIN_FILES: [&str; 2] = ["rust-toolchain.toml", "rust-toolchain"];

/// A contract's crate and what it shares with others, laid out as it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTree {
    /// Directory of the crate in the tree.
    crate_dir: String,
    /// Content by path; directories are separated by `/`.
    files: BTreeMap<String, Vec<u8>>,
}

impl SourceTree {
    /// Reads the crate in `source`. A crate that holds a directory `wit` is all there is; else the interface `wit`
    /// and, where they are there, the events' format `ledger/event` come from the nearest directory above that has
    /// a `wit`, at most three up.
    ///
    /// # Errors
    /// No crate is there, a file cannot be read or is not named in UTF-8, or there are more than 64 MiB.
    pub fn read(source: &Path) -> Result<Self, BuildError> {
        if !source.join("Cargo.toml").is_file() {
            return Err(BuildError::NoCrate(source.to_owned()));
        }
        let directory = source.canonicalize().map_err(fail(source))?;
        let above = directory.ancestors().enumerate().skip(1).take(MAX_DEPTH);
        let shared = above
            .map(|(depth, root)| (depth, root.to_owned()))
            .find(|(_, root)| root.join("wit").is_dir())
            .filter(|_| !directory.join("wit").is_dir());
        let depth = shared.as_ref().map_or(OWN_DEPTH, |(depth, _)| *depth);
        // Names of directories are fixed, for they reach the bytes.
        let mut tree = Self {
            crate_dir: "chaincode/".repeat(depth - 1) + "contract",
            files: BTreeMap::new(),
        };
        let mut bytes = 0;
        tree.add(&directory, &tree.crate_dir.clone(), &mut bytes)?;
        for name in ["wit", "ledger/event"] {
            let shared = shared.as_ref().map(|(_, root)| root.join(name));
            if let Some(path) = shared.filter(|path| path.is_dir()) {
                tree.add(&path, name, &mut bytes)?;
            }
        }
        Ok(tree)
    }

    /// A tree from its parts; `None` if no crate is in `crate_dir`. Paths are as in [`SourceTree::files`].
    pub(crate) fn from_parts(crate_dir: String, files: BTreeMap<String, Vec<u8>>) -> Option<Self> {
        let tree = Self { crate_dir, files };
        tree.own_file("Cargo.toml").is_some().then_some(tree)
    }

    /// Content by path, relative and separated by `/`.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// Directory of the crate in the tree.
    pub fn crate_dir(&self) -> &str {
        &self.crate_dir
    }

    /// Files directly in a directory of the crate, by name.
    pub fn crate_files<'a>(&'a self, directory: &str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let prefix = format!("{}/{directory}/", self.crate_dir);
        self.files.iter().filter_map(move |(path, content)| {
            let name = path.strip_prefix(&prefix)?;
            (!name.contains('/')).then_some((name, content.as_slice()))
        })
    }

    fn own_file(&self, name: &str) -> Option<&[u8]> {
        let path = format!("{}/{name}", self.crate_dir);
        self.files.get(&path).map(Vec::as_slice)
    }

    /// Whether the crate names the toolchain that builds it.
    pub(crate) fn names_toolchain(&self) -> bool {
        TOOLCHAIN_FILES.iter().any(|name| self.own_file(name).is_some())
    }

    /// Digest of every file's name and content.
    pub(crate) fn digest(&self) -> Digest {
        let mut digests = Domain::Value.hash(self.crate_dir.as_bytes()).as_bytes().to_vec();
        for (path, content) in &self.files {
            digests.extend_from_slice(Domain::Value.hash(path.as_bytes()).as_bytes());
            digests.extend_from_slice(Domain::Value.hash(content).as_bytes());
        }
        Domain::Value.hash(&digests)
    }

    /// Writes all of it into `work`, in place of what is there; returns the crate's directory.
    pub(crate) fn write_to(&self, work: &Path) -> Result<PathBuf, BuildError> {
        if work.exists() {
            std::fs::remove_dir_all(work).map_err(fail(work))?;
        }
        for (path, content) in &self.files {
            let path = work.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(fail(parent))?;
            }
            std::fs::write(&path, content).map_err(fail(&path))?;
        }
        Ok(work.join(&self.crate_dir))
    }

    fn add(&mut self, directory: &Path, name: &str, bytes: &mut u64) -> Result<(), BuildError> {
        for entry in std::fs::read_dir(directory).map_err(fail(directory))? {
            let entry = entry.map_err(fail(directory))?;
            let path = entry.path();
            let Ok(own) = entry.file_name().into_string() else {
                return Err(BuildError::Name(path));
            };
            if PASSED_OVER.contains(&own.as_str()) {
                continue;
            }
            let name = format!("{name}/{own}");
            if entry.file_type().map_err(fail(&path))?.is_dir() {
                self.add(&path, &name, bytes)?;
                continue;
            }
            *bytes += std::fs::metadata(&path).map_err(fail(&path))?.len();
            if *bytes > MAX_SOURCE_BYTES {
                return Err(BuildError::TooLarge(path));
            }
            let content = std::fs::read(&path).map_err(fail(&path))?;
            self.files.insert(name, content);
        }
        Ok(())
    }
}

pub(crate) fn fail(path: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::File { path, source }
}
