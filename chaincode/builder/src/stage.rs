//! What a contract is built from, and a copy of it at a fixed place.

use crate::error::BuildError;
use e2l_ledger::{Digest, Domain};
use std::path::{Path, PathBuf};

/// How many directories above its crate a contract's interface may lie.
const MAX_DEPTH: usize = 3;

/// A contract's crate and what it shares with others.
pub(crate) struct Source {
    /// The crate.
    directory: PathBuf,
    /// Directories above the crate until the one that holds the interface.
    depth: usize,
    /// The interface, and the events' format where it is there.
    shared: Vec<(&'static str, PathBuf)>,
}

impl Source {
    /// Finds the interface `wit/`: in the nearest directory above the crate that holds one.
    pub fn find(source: &Path) -> Result<Self, BuildError> {
        if !source.join("Cargo.toml").is_file() {
            return Err(BuildError::NoCrate(source.to_owned()));
        }
        let directory = source.canonicalize().map_err(fail(source))?;
        let above = directory.ancestors().enumerate().skip(1).take(MAX_DEPTH);
        let root = above
            .map(|(depth, root)| (depth, root.to_owned()))
            .find(|(_, root)| root.join("wit").is_dir());
        // A crate that brings its own interface needs nothing from above.
        let (depth, root) = root.unwrap_or_else(|| (2, directory.clone()));
        let shared = ["wit", "ledger/event"].map(|name| (name, root.join(name)));
        let shared = shared
            .into_iter()
            .filter(|(_, path)| path.is_dir() && !path.starts_with(&directory));
        Ok(Self {
            depth,
            shared: shared.collect(),
            directory,
        })
    }

    /// The crate's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Copies all of it into `work`, at the same distances from each other; returns the copy of the crate. Names
    /// of directories are fixed, for they reach the bytes.
    pub fn copy_to(&self, work: &Path) -> Result<PathBuf, BuildError> {
        if work.exists() {
            std::fs::remove_dir_all(work).map_err(fail(work))?;
        }
        let mut staged = work.to_owned();
        staged.extend(std::iter::repeat_n("chaincode", self.depth - 1));
        staged.push("contract");
        copy(&self.directory, &staged).map_err(fail(&self.directory))?;
        for (name, path) in &self.shared {
            copy(path, &work.join(name)).map_err(fail(path))?;
        }
        Ok(staged)
    }

    /// Digest of every file's name and content.
    pub fn digest(&self) -> Result<Digest, BuildError> {
        let mut digests = Vec::new();
        let own = ("contract", &self.directory);
        let shared = self.shared.iter().map(|(name, path)| (*name, path));
        for (name, path) in std::iter::once(own).chain(shared) {
            let mut files = Vec::new();
            list(path, &mut files).map_err(fail(path))?;
            files.sort();
            for file in files {
                let content = std::fs::read(&file).map_err(fail(&file))?;
                let relative = file.strip_prefix(path).unwrap_or(&file).to_string_lossy();
                let named = format!("{}/{name}/{relative}", self.depth);
                digests.extend_from_slice(Domain::Value.hash(named.as_bytes()).as_bytes());
                digests.extend_from_slice(Domain::Value.hash(&content).as_bytes());
            }
        }
        Ok(Domain::Value.hash(&digests))
    }
}

pub(crate) fn fail(path: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::File { path, source }
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() == "target" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name() == "target" {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
