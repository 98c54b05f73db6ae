//! The machine's Docker Engine.

use crate::image::image_archive;
use std::io::Write;
use std::process::Command;

/// Counts a test that cannot run here; in CI (`E2L_REQUIRE_DOCKER=1`) that is a failure.
///
/// # Panics
/// The engine is required.
pub fn skip(test: &str, reason: &str) {
    assert!(
        std::env::var_os("E2L_REQUIRE_DOCKER").is_none(),
        "{test} cannot run: {reason}"
    );
    println!("SKIPPED: {test}: {reason}");
    if let Some(path) = std::env::var_os("E2L_SKIP_LOG") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| writeln!(file, "{test}: {reason}"))
            .expect("the skip is noted");
    }
}

/// An engine with an image that needs no registry; dropping it removes image and containers.
pub struct Docker {
    image: String,
}

impl Docker {
    /// The engine that is reachable, if one is.
    pub fn reachable() -> Option<Self> {
        let version = Command::new("docker")
            .args(["version", "--format", "{{.Server.Version}}"])
            .output();
        version.ok().filter(|version| version.status.success())?;
        let docker = Self {
            image: format!("e2l-test-{}:1", std::process::id()),
        };
        let root = tempfile::tempdir().expect("a temporary directory");
        let archive = image_archive(root.path());
        docker.run(&["import", archive.to_str().expect("a path"), &docker.image.clone()]);
        Some(docker)
    }

    /// The image.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// Runs `docker`; it must succeed. Returns what it printed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("docker")
            .args(arguments)
            .output()
            .expect("docker runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let ancestor = format!("ancestor={}", self.image);
        let containers = Command::new("docker")
            .args(["ps", "-aq", "--filter", &ancestor])
            .output();
        if let Ok(containers) = containers {
            for id in String::from_utf8_lossy(&containers.stdout).split_whitespace() {
                let _ = Command::new("docker").args(["rm", "-f", id]).output();
            }
        }
        let _ = Command::new("docker").args(["rmi", "-f", &self.image]).output();
    }
}
