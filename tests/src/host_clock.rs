//! A host's clock that can be set, as a process sees it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

/// Preloaded into the process. Not libfaketime: it waits for the allocator while jemalloc waits for it.
const SOURCE: &str = include_str!("host_clock.c");

/// What a process that is started in [`HostClock::environment`] takes for its host's clock. Its steady clock goes on.
pub struct HostClock {
    directory: tempfile::TempDir,
    setting: File,
}

impl HostClock {
    /// One that is right.
    ///
    /// # Panics
    /// There is no C compiler.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let source = directory.path().join("host_clock.c");
        std::fs::write(&source, SOURCE).expect("it can be written");
        let clock = Self {
            setting: File::create(directory.path().join("ahead")).expect("a file"),
            directory,
        };
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(clock.library())
            .arg(&source)
            .status();
        assert!(compiled.expect("cc runs").success(), "{SOURCE}");
        clock.set(0);
        clock
    }

    /// Sets it so many seconds ahead of the true time.
    pub fn set(&self, seconds: i64) {
        // In place: the process has the file mapped.
        let written = self.setting.write_all_at(&seconds.to_ne_bytes(), 0);
        written.expect("it can be written");
    }

    /// For the process.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let ahead = self.directory.path().join("ahead");
        vec![
            ("LD_PRELOAD", self.library().display().to_string()),
            ("E2L_CLOCK_AHEAD", ahead.display().to_string()),
        ]
    }

    fn library(&self) -> PathBuf {
        self.directory.path().join("host_clock.so")
    }
}

impl Default for HostClock {
    fn default() -> Self {
        Self::new()
    }
}
