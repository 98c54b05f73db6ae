//! A host's clock that can be set, as a process sees it.

use std::path::{Path, PathBuf};

/// What a process started in [`HostClock::environment`] takes for its host's clock (libfaketime). Its steady clock goes on.
pub struct HostClock {
    directory: tempfile::TempDir,
    library: PathBuf,
}

impl HostClock {
    /// One that is right; `None` where libfaketime is not installed.
    pub fn new() -> Option<Self> {
        let clock = Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            library: library()?,
        };
        clock.set(0);
        Some(clock)
    }

    /// Sets it so many seconds ahead of the true time.
    pub fn set(&self, seconds: i64) {
        // Replaced in one step: it is read at each look at the clock.
        let new = self.directory.path().join("new");
        std::fs::write(&new, format!("{seconds:+}s\n")).expect("it can be written");
        std::fs::rename(new, self.setting()).expect("it can be replaced");
    }

    /// For the process.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.setting().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    fn setting(&self) -> PathBuf {
        self.directory.path().join("setting")
    }
}

fn library() -> Option<PathBuf> {
    let architectures = std::fs::read_dir("/usr/lib").ok()?;
    let paths = architectures.flatten().map(|entry| entry.path());
    paths
        .map(|path| path.join(Path::new("faketime/libfaketimeMT.so.1")))
        .find(|path| path.exists())
}
