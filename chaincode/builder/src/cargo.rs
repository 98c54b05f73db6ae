//! Runs cargo, for someone who looks on or for nobody.

use crate::error::BuildError;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How often it is asked whether the build shall stop.
const EVERY: Duration = Duration::from_millis(50);

/// Someone who looks on while a contract is built.
pub struct Onlooker<'a> {
    /// Whether messages may be coloured.
    pub colour: bool,
    /// Whether warnings and errors are all that is wanted, without what is compiled in which order.
    pub quiet: bool,
    /// Gets what cargo and the compiler say, as it comes: one line, or the start of one.
    pub line: &'a mut dyn FnMut(&str),
    /// Whether the build shall stop.
    pub stopped: &'a (dyn Fn() -> bool + Sync),
}

/// What cargo came to, and all it said.
pub(crate) struct Said {
    pub status: ExitStatus,
    pub text: String,
}

/// Runs cargo to its end.
///
/// # Errors
/// It cannot be started, or the onlooker has it stopped.
pub(crate) fn run(mut command: Command, onlooker: Option<&mut Onlooker<'_>>) -> Result<Said, BuildError> {
    let Some(onlooker) = onlooker else {
        let output = command.output().map_err(BuildError::NoCargo)?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Ok(Said {
            status: output.status,
            text,
        });
    };
    // It writes to a pipe, and would take that for the wish to have no colours.
    command.env(
        "CARGO_TERM_COLOR",
        if onlooker.colour { "always" } else { "never" },
    );
    if onlooker.quiet {
        command.arg("--quiet");
    }
    // A group of its own: cargo and its compilers are stopped together, and only when the onlooker says so.
    command.process_group(0);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(BuildError::NoCargo)?;
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    let (read, ended) = channel::<()>();
    let stopped = onlooker.stopped;
    let text = std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Ok(group) = group {
                stop_when_told(group, stopped, &ended);
            }
        });
        let text = child
            .stderr
            .take()
            .map(|output| listen(output, &mut *onlooker.line));
        // Before the child is reaped: its id must not be another's when the other thread uses it.
        drop(read);
        text.unwrap_or_default()
    });
    let status = child.wait().map_err(BuildError::NoCargo)?;
    if stopped() && !status.success() {
        return Err(BuildError::Stopped);
    }
    Ok(Said { status, text })
}

/// Reads until every process that writes there has ended.
fn listen(output: impl Read, line: &mut dyn FnMut(&str)) -> String {
    let (mut text, mut bytes) = (String::new(), Vec::new());
    let mut reader = BufReader::new(output);
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
        let said = String::from_utf8_lossy(&bytes);
        line(said.trim_end_matches('\n'));
        text.push_str(&said);
        bytes.clear();
    }
    text
}

fn stop_when_told(group: Pid, stopped: &(dyn Fn() -> bool + Sync), ended: &Receiver<()>) {
    while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        if stopped() {
            // Fails only if all of it has ended just now, which is what is wanted.
            let _ = killpg(group, Signal::SIGTERM);
        }
    }
}
