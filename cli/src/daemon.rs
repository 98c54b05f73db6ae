//! A daemon run as a child: its own directory, log file and process group, and gone when we are gone.

use crate::error::{CliError, CliResult};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Environment variables that a daemon may see: none of them is a secret.
const PASSED_ON: [&str; 8] = [
    "PATH",
    "HOME",
    "TZ",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "DOCKER_HOST",
    "XDG_RUNTIME_DIR",
    "TMPDIR",
];
/// After this long a daemon that was asked to stop is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// Lines of a log that are shown when its daemon dies at once.
const LOG_LINES: usize = 5;

/// What to run.
#[derive(Debug, Clone)]
pub struct DaemonSpec {
    /// For people: `provider's peer`.
    pub name: String,
    /// File name of the program, which lies beside ours.
    pub program: &'static str,
    /// Its configuration.
    pub config: PathBuf,
    /// Arguments after `--config FILE --exit-with-parent`.
    pub arguments: Vec<String>,
    /// Where its output goes; appended to.
    pub log: PathBuf,
}

/// A running daemon.
pub struct Daemon {
    spec: DaemonSpec,
    child: Child,
    pid: u32,
    started: Instant,
    ready: watch::Receiver<Option<String>>,
    /// Its other end closes when we end, however we end: the daemon then stops.
    _lifeline: Option<ChildStdin>,
}

/// A program that lies beside the running one.
///
/// # Errors
/// It is not there.
pub fn sibling(program: &str) -> CliResult<PathBuf> {
    let own = std::env::current_exe().map_err(|error| {
        CliError::usage(format!("cannot tell where e2l itself is: {error}"), "check /proc")
    })?;
    let path = own.with_file_name(program);
    if path.is_file() {
        return Ok(path);
    }
    Err(CliError::usage(
        format!(
            "{program} is missing: it must lie beside e2l, at {}",
            path.display()
        ),
        "build all programs with `cargo build --workspace`, or install them in one directory",
    ))
}

impl Daemon {
    /// Starts it.
    ///
    /// # Errors
    /// Its program is missing, or its log cannot be written.
    pub fn start(spec: DaemonSpec) -> CliResult<Self> {
        let program = sibling(spec.program)?;
        let log = open_log(&spec.log)?;
        let copy = log
            .try_clone()
            .map_err(|error| CliError::file("write", &spec.log, &error))?;
        let mut command = Command::new(&program);
        command
            .arg("--config")
            .arg(&spec.config)
            .arg("--exit-with-parent")
            .args(&spec.arguments);
        command.env_clear().envs(
            PASSED_ON
                .iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        );
        // A group of its own: Ctrl-C reaches us alone, and we stop them in order.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command
            .spawn()
            .map_err(|error| CliError::file("run", &program, &error))?;
        let (sender, ready) = watch::channel(None);
        if let Some(output) = child.stdout.take() {
            tokio::spawn(read_output(output, copy, sender));
        }
        Ok(Self {
            pid: child.id().unwrap_or_default(),
            _lifeline: child.stdin.take(),
            child,
            started: Instant::now(),
            ready,
            spec,
        })
    }

    /// For people.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How long it has been running.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until it says on standard output that it is `ready`; returns what follows the word.
    ///
    /// # Errors
    /// It ends before, or stays silent for too long.
    pub async fn ready(&mut self, patience: Duration) -> CliResult<String> {
        let mut ready = self.ready.clone();
        let said = async {
            match ready.wait_for(Option::is_some).await {
                Ok(text) => text.clone().unwrap_or_default(),
                // Its output is closed without the word: it ends, and its status says more.
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            text = said => Ok(text),
            status = self.child.wait() => Err(self.ended_early(status)),
            () = tokio::time::sleep(patience) => Err(CliError::usage(
                format!("{} is not ready after {} s", self.spec.name, patience.as_secs()),
                format!("see {}", self.spec.log.display()),
            )),
        }
    }

    fn ended_early(&self, status: std::io::Result<ExitStatus>) -> CliError {
        let how = status.map_or_else(|error| error.to_string(), describe);
        let tail = log_tail(&self.spec.log);
        CliError::usage(
            format!("{} {how} before it was ready{tail}", self.spec.name),
            format!("see {}", self.spec.log.display()),
        )
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks it to stop, and waits until it has. Kills it when it does not listen; returns whether it ended by
    /// itself and well.
    pub async fn stop(mut self) -> bool {
        self.signal(Signal::SIGTERM);
        match timeout(STOP_PATIENCE, self.child.wait()).await {
            Ok(status) => status.is_ok_and(|status| status.success()),
            Err(_) => {
                // It is ours and not reaped yet, so the id cannot be another's.
                let _ = self.child.kill().await;
                false
            }
        }
    }

    /// Ends it as a power cut would.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn kill(mut self) -> std::io::Result<()> {
        self.child.kill().await
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // Fails only if it has just ended, which is what is wanted.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

/// Daemons that do nothing, not even answer, until this is dropped.
pub struct Paused<'a>(Vec<&'a Daemon>);

impl<'a> Paused<'a> {
    /// Stops them where they are.
    pub fn all(daemons: Vec<&'a Daemon>) -> Self {
        daemons.iter().for_each(|daemon| daemon.signal(Signal::SIGSTOP));
        Self(daemons)
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|daemon| daemon.signal(Signal::SIGCONT));
    }
}

/// How a process ended, in words: `exited with code 2`, `was killed by SIGKILL`.
pub fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => "ended".to_owned(),
        (Some(code), _) => format!("failed with exit code {code}"),
        (None, Some(number)) => {
            let name =
                Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |s| s.to_string());
            format!("was killed by {name}")
        }
        (None, None) => "ended".to_owned(),
    }
}

fn open_log(path: &Path) -> CliResult<File> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| CliError::file("create", directory, &error))?;
    }
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|error| CliError::file("write", path, &error))
}

/// Copies standard output to the log, and notices the word `ready`.
async fn read_output(output: ChildStdout, mut log: File, ready: watch::Sender<Option<String>>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(rest) = line.strip_prefix("ready") {
            ready.send_replace(Some(rest.trim().to_owned()));
        }
        // A full disk must not stop us from reading: the daemon would block.
        let _ = writeln!(log, "{line}");
    }
}

/// The last lines of a log, each on a line of its own.
fn log_tail(path: &Path) -> String {
    let Ok(text) = std::fs::read_to_string(path) else {
        return String::new();
    };
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES);
    let lines = lines[from..]
        .iter()
        .map(|line| format!("\n       | {}", crate::output::sanitise(line)));
    lines.collect()
}
