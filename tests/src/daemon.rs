//! A daemon that can be killed and started again while what it started lives on.

use crate::engine_host::system;
use crate::network::wait_until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Longest wait for it to serve or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program in a process tree, mounts and network of its own, whose first process starts it again when it has died, unless it
/// is told not to. Dropping it ends everything in that tree.
pub(crate) struct Daemon {
    directory: tempfile::TempDir,
    mark: &'static str,
    tree: Child,
}

impl Daemon {
    /// Starts one. `prepare` fills its directory, which is `$1` in `command`, a line of shell; `mark` is part of its command
    /// line, and of no other process that the tree's first one starts.
    pub(crate) fn start(mark: &'static str, command: &str, prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        prepare(directory.path());
        let tree = spawn(directory.path(), command);
        let daemon = Self {
            directory,
            mark,
            tree,
        };
        // Before, the tree has no first process, or one that does not see its own processes yet.
        wait_until("it runs", PATIENCE, || daemon.process());
        daemon
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Kills it, and nothing else; it is not started again yet.
    ///
    /// # Panics
    /// It does not run.
    pub(crate) fn kill(&self) {
        std::fs::write(self.hold(), "").expect("a file");
        let process = self.process().expect("it runs");
        kill(process, Signal::SIGKILL).expect("it can be killed");
        wait_until("it is gone", PATIENCE, || self.process().is_none().then_some(()));
    }

    /// Lets it be started again.
    ///
    /// # Panics
    /// It was not killed.
    pub(crate) fn go_on(&self) {
        std::fs::remove_file(self.hold()).expect("it was killed");
    }

    /// A command that sees the processes, mounts and network of the tree.
    pub(crate) fn inside(&self, program: &str) -> Command {
        let tree = self.first_process().expect("the tree runs");
        let mut command = system("nsenter");
        command.args([
            "--target",
            &tree.to_string(),
            "--pid",
            "--mount",
            "--net",
            program,
        ]);
        command
    }

    /// Kills a process of the tree. `pid` is its number there.
    ///
    /// # Panics
    /// There is no such process.
    pub(crate) fn kill_process(&self, pid: i64) {
        let mut command = self.inside("sh");
        let killed = command.args(["-c", &format!("kill -9 {pid}")]).status();
        assert!(
            killed.expect("nsenter runs").success(),
            "process {pid} cannot be killed"
        );
    }

    fn hold(&self) -> PathBuf {
        self.path().join("hold")
    }

    /// The shell that starts it.
    fn first_process(&self) -> Option<Pid> {
        children(Pid::from_raw(self.tree.id().cast_signed()))
            .first()
            .copied()
    }

    fn process(&self) -> Option<Pid> {
        // That of a zombie is empty.
        let line = |pid: &Pid| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_it = |pid: &Pid| {
            String::from_utf8_lossy(&line(pid))
                .replace('\0', " ")
                .contains(self.mark)
        };
        children(self.first_process()?).into_iter().find(is_it)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the end of the log of `{}`:", self.mark);
            lines[lines.len().saturating_sub(10)..]
                .iter()
                .for_each(|line| eprintln!("{line}"));
        }
        // The first process of the tree goes, and with it the tree.
        let _ = self.tree.kill();
        let _ = self.tree.wait();
    }
}

fn children(of: Pid) -> Vec<Pid> {
    let found = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    found
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok().map(Pid::from_raw))
        .collect()
}

fn spawn(directory: &Path, command: &str) -> Child {
    let log = File::create(directory.join("log")).expect("a log");
    let script = format!(
        "while :; do while [ -e \"$1/hold\" ]; do sleep 0.05; done; rm -f \"$1/pid\"; {command}; sleep 0.1; done"
    );
    system("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            // An engine would remove what another has set up.
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
        ])
        .args(["--mount-proc", "sh", "-c", &script, "sh"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("setpriv runs")
}

/// What this machine lacks for one; `programs` are those that it needs besides.
pub(crate) fn why_not(programs: &[&str]) -> Option<String> {
    let own = std::fs::metadata("/proc/self").map(|process| process.uid());
    if own.ok() != Some(0) {
        return Some("an engine of its own needs root".to_owned());
    }
    for program in ["unshare", "nsenter", "setpriv"].iter().chain(programs) {
        let found = system(program).arg("--version").output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Some(format!("`{program}` cannot be run"));
        }
    }
    let apart = system("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "true"])
        .status();
    if !apart.is_ok_and(|status| status.success()) {
        return Some("namespaces of its own are not allowed".to_owned());
    }
    crate::image::busybox()
        .is_none()
        .then(|| "busybox-static is not installed".to_owned())
}
