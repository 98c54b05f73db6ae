//! The command `docker` on an engine with Docker's interface.

use crate::network::wait_until;
use crate::test_engine::ContainerState;
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longest wait for an engine to know what it did.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names that were given.
static RENAMED: AtomicU64 = AtomicU64::new(0);

/// The command on one engine.
pub(crate) struct DockerCli<'a> {
    pub(crate) socket: &'a Path,
    pub(crate) image: &'a str,
}

impl DockerCli<'_> {
    pub(crate) fn try_run(&self, arguments: &[&str]) -> Output {
        Command::new("docker")
            .arg("-H")
            .arg(format!("unix://{}", self.socket.display()))
            .args(arguments)
            .output()
            .expect("docker runs")
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(crate) fn create(&self, labels: &[&str], command: &[&str]) -> String {
        let fixed = ["create", "--network", "none", "--stop-signal", "KILL"];
        let labels = labels.iter().flat_map(|label| ["--label", *label]);
        let arguments: Vec<&str> = fixed.into_iter().chain(labels).chain([self.image]).collect();
        self.run(&[&arguments, command].concat())
    }

    pub(crate) fn exec(&self, id: &str, code: u8) {
        let exit = format!("exit {code}");
        let output = self.try_run(&["exec", id, "/bin/sh", "-c", &exit]);
        assert_eq!(output.status.code(), Some(i32::from(code)), "{output:?}");
    }

    pub(crate) fn end(&self, id: &str) {
        self.run(&["kill", id]);
        wait_until("the engine knows of the end", PATIENCE, || {
            self.state(id).filter(|state| !state.alive)
        });
    }

    /// Makes it emit so many events as fast as it can: renames of a container.
    ///
    /// # Panics
    /// It refuses.
    pub(crate) fn rename_again_and_again(&self, id: &str, times: usize) {
        let mut stream = UnixStream::connect(self.socket).expect("the engine serves");
        for _ in 0..times {
            // Another container may still have the last name of an earlier burst.
            let number = RENAMED.fetch_add(1, Ordering::Relaxed);
            let request = format!(
                "POST /containers/{id}/rename?name=burst{number} HTTP/1.1\r\nHost: e\r\nContent-Length: 0\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).expect("a request");
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("an answer");
                answer.push(byte[0]);
            }
            assert!(
                answer.starts_with(b"HTTP/1.1 204"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
    }

    pub(crate) fn inspect(&self, id: &str, what: &str) -> Option<Value> {
        let output = self.try_run(&["inspect", "--format", &format!("{{{{json {what}}}}}"), id]);
        let text = output.status.success().then_some(output.stdout)?;
        serde_json::from_slice(&text).ok()
    }

    pub(crate) fn pid(&self, id: &str) -> i64 {
        let pid = self.inspect(id, ".State.Pid").and_then(|pid| pid.as_i64());
        pid.expect("a process")
    }

    pub(crate) fn state(&self, id: &str) -> Option<ContainerState> {
        let state = self.inspect(id, ".State")?;
        Some(ContainerState {
            alive: ["running", "paused"].map(Value::from).contains(&state["Status"]),
            started_nano: nano(&state["StartedAt"]),
            finished_nano: nano(&state["FinishedAt"]),
            exit_code: state["ExitCode"].as_i64(),
        })
    }
}

fn nano(text: &Value) -> Option<i64> {
    let moment = OffsetDateTime::parse(text.as_str()?, &Rfc3339).ok()?;
    let nano = i64::try_from(moment.unix_timestamp_nanos()).ok()?;
    (nano > 0).then_some(nano)
}
