//! The machine's container engine, an image of busybox, and what is to be removed at the end.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A real engine.
pub struct Engine {
    /// An image with `/bin/sh`, `/bin/sleep` and `/bin/true`.
    pub image: String,
}

impl Engine {
    /// The engine; `None` after saying that `test` is skipped.
    pub fn find(test: &str) -> Option<Self> {
        match why_not() {
            None => Some(Self::with_image()),
            Some(why) => {
                assert_ne!(
                    std::env::var("E2L_REQUIRE_DOCKER").as_deref(),
                    Ok("1"),
                    "no Docker Engine: {why}"
                );
                eprintln!("SKIPPED: {test}: {why}");
                if let Some(log) = std::env::var_os("E2L_SKIP_LOG") {
                    let file = std::fs::OpenOptions::new().create(true).append(true).open(log);
                    writeln!(file.unwrap(), "{test}: {why}").unwrap();
                }
                None
            }
        }
    }

    fn with_image() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let image = format!("e2l-collector-test:{}-{number}", std::process::id());
        let directory = tempfile::tempdir().unwrap();
        let bin = directory.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        for name in ["sh", "sleep", "true"] {
            std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
        }
        let mut tar = Command::new("tar");
        tar.arg("-C")
            .arg(directory.path())
            .args(["-c", "."])
            .stdout(Stdio::piped());
        let mut tar = tar.spawn().unwrap();
        let mut import = Command::new("docker");
        import.args([
            "import",
            "--change",
            &format!("LABEL e2l.test={image}"),
            "-",
            &image,
        ]);
        checked(import.stdin(tar.stdout.take().unwrap()).output().unwrap());
        assert!(tar.wait().unwrap().success());
        Self { image }
    }

    /// Runs the `docker` command; returns its trimmed output.
    pub fn docker(&self, arguments: &[&str]) -> String {
        checked(Command::new("docker").args(arguments).output().unwrap())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let filter = format!("ancestor={}", self.image);
        let ids = self.docker(&["ps", "-aq", "--filter", &filter]);
        for id in ids.split_whitespace() {
            self.docker(&["rm", "-f", id]);
        }
        self.docker(&["rmi", &self.image]);
    }
}

fn checked(output: Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn why_not() -> Option<String> {
    match Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .output()
    {
        Err(error) => return Some(format!("the `docker` command cannot be run: {error}")),
        Ok(output) if !output.status.success() => {
            return Some(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(_) => {}
    }
    let busybox = Path::new("/bin/busybox");
    (!busybox.is_file()).then(|| "/bin/busybox is missing (Debian package busybox-static)".to_owned())
}

/// Nanoseconds since the Unix epoch.
pub fn now_nano() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}
