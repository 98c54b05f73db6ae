//! Notices that a source is another one than before.

use e2l_chaincode_builder::{BuildError, SourceTree};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Shortest time between two looks.
const EVERY: Duration = Duration::from_millis(250);
/// Looking takes at most one part in so many of the time.
const SHARE: u32 = 20;

/// A source that is looked at again and again, all of it: what counts is exactly what is built.
pub(super) struct SourceWatch {
    directory: PathBuf,
    settling: Settling,
}

impl SourceWatch {
    /// Watches the crate in `directory`; what was `known` of it is no change.
    pub fn new(directory: PathBuf, known: SourceTree) -> Self {
        let settling = Settling {
            known,
            before: None,
            unreadable: None,
        };
        Self { directory, settling }
    }

    /// Waits until the source is another one; returns it with the names of the files that differ.
    pub async fn changed(&mut self) -> (SourceTree, Vec<String>) {
        let mut pause = EVERY;
        loop {
            tokio::time::sleep(pause).await;
            let began = Instant::now();
            let seen = self.look().await.map_err(|error| error.to_string());
            pause = EVERY.max(began.elapsed() * SHARE);
            match self.settling.see(seen) {
                Seen::Nothing => {}
                Seen::Unreadable(why) => {
                    eprintln!("the source cannot be read: {why}; it is built when it can be");
                }
                Seen::Changed(names) => return (self.settling.known.clone(), names),
            }
        }
    }

    async fn look(&self) -> Result<SourceTree, BuildError> {
        let directory = self.directory.clone();
        let read = tokio::task::spawn_blocking(move || SourceTree::read(&directory)).await;
        read.unwrap_or_else(|_| Err(BuildError::NoCrate(self.directory.clone())))
    }
}

/// What a look comes to.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// All is as it was, or is being saved.
    Nothing,
    /// It cannot be read, for more than a moment; told once.
    Unreadable(String),
    /// It is another one, and these files differ.
    Changed(Vec<String>),
}

/// Takes a source for another one when two looks in a row saw the same: whoever saves has finished then.
struct Settling {
    /// What was acted on last.
    known: SourceTree,
    /// What was seen last, if it is neither that nor acted on.
    before: Option<SourceTree>,
    /// Why it could not be read, and whether that was told.
    unreadable: Option<(String, bool)>,
}

impl Settling {
    fn see(&mut self, seen: Result<SourceTree, String>) -> Seen {
        let seen = match seen {
            Ok(seen) => seen,
            Err(why) => return self.fail(why),
        };
        self.unreadable = None;
        if seen == self.known {
            self.before = None;
            return Seen::Nothing;
        }
        if self.before.as_ref() != Some(&seen) {
            self.before = Some(seen);
            return Seen::Nothing;
        }
        self.before = None;
        let names = differing(&self.known, &seen);
        self.known = seen;
        Seen::Changed(names)
    }

    /// An editor that puts a new file in the place of the old one leaves a moment without any: that is not worth a word.
    fn fail(&mut self, why: String) -> Seen {
        self.before = None;
        match &mut self.unreadable {
            Some((said, told)) if *said == why => {
                if std::mem::replace(told, true) {
                    return Seen::Nothing;
                }
                Seen::Unreadable(why)
            }
            _ => {
                self.unreadable = Some((why, false));
                Seen::Nothing
            }
        }
    }
}

/// Files that one has and the other has not, or has with another content; those of the crate by their names in it.
fn differing(old: &SourceTree, new: &SourceTree) -> Vec<String> {
    let names: BTreeSet<&String> = old.files().keys().chain(new.files().keys()).collect();
    let own = format!("{}/", new.crate_dir());
    names
        .into_iter()
        .filter(|name| old.files().get(*name) != new.files().get(*name))
        .map(|name| name.strip_prefix(&own).unwrap_or(name).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn save(place: &Path, files: &[(&str, &str)]) -> SourceTree {
        for (name, text) in files {
            fs::write(place.join(name), text).unwrap();
        }
        SourceTree::read(place).unwrap()
    }

    fn settling(known: SourceTree) -> Settling {
        SourceWatch::new(PathBuf::new(), known).settling
    }

    #[test]
    fn what_is_seen_twice_is_a_change_and_what_is_half_saved_is_none() {
        let place = tempfile::tempdir().unwrap();
        let known = save(place.path(), &[("Cargo.toml", "[package]"), ("lib.rs", "one")]);
        let mut settling = settling(known.clone());
        assert_eq!(settling.see(Ok(known)), Seen::Nothing);
        let half = save(place.path(), &[("lib.rs", "")]);
        assert_eq!(settling.see(Ok(half)), Seen::Nothing);
        let whole = save(place.path(), &[("lib.rs", "two"), ("new.rs", "new")]);
        assert_eq!(settling.see(Ok(whole.clone())), Seen::Nothing);
        let names = ["lib.rs", "new.rs"].map(str::to_owned).to_vec();
        assert_eq!(settling.see(Ok(whole.clone())), Seen::Changed(names));
        assert_eq!(settling.see(Ok(whole)), Seen::Nothing);
        fs::remove_file(place.path().join("new.rs")).unwrap();
        let fewer = SourceTree::read(place.path()).unwrap();
        assert_eq!(settling.see(Ok(fewer.clone())), Seen::Nothing);
        assert_eq!(settling.see(Ok(fewer)), Seen::Changed(vec!["new.rs".to_owned()]));
    }

    #[test]
    fn what_was_taken_back_is_no_change() {
        let place = tempfile::tempdir().unwrap();
        let known = save(place.path(), &[("Cargo.toml", "[package]")]);
        let other = save(place.path(), &[("Cargo.toml", "[package] # other")]);
        let mut settling = settling(known.clone());
        for seen in [other.clone(), known, other] {
            assert_eq!(settling.see(Ok(seen)), Seen::Nothing);
        }
    }

    #[test]
    fn a_source_that_stays_unreadable_is_told_once() {
        let place = tempfile::tempdir().unwrap();
        let known = save(place.path(), &[("Cargo.toml", "[package]")]);
        let mut settling = settling(known.clone());
        let gone = || Err("gone".to_owned());
        assert_eq!(settling.see(gone()), Seen::Nothing);
        assert_eq!(settling.see(gone()), Seen::Unreadable("gone".to_owned()));
        assert_eq!(settling.see(gone()), Seen::Nothing);
        assert_eq!(settling.see(Ok(known)), Seen::Nothing);
        assert_eq!(settling.see(gone()), Seen::Nothing, "it may be back in a moment");
    }

    #[tokio::test]
    async fn what_is_saved_in_a_directory_is_noticed() {
        let place = tempfile::tempdir().unwrap();
        let known = save(place.path(), &[("Cargo.toml", "[package]"), ("lib.rs", "one")]);
        let mut watch = SourceWatch::new(place.path().to_owned(), known);
        // What is built is no source.
        fs::create_dir(place.path().join("target")).unwrap();
        fs::write(place.path().join("target/lib.wasm"), "built").unwrap();
        let saved = save(place.path(), &[("lib.rs", "two")]);
        assert_eq!(watch.changed().await, (saved, vec!["lib.rs".to_owned()]));
    }
}
