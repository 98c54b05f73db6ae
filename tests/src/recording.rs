//! What an engine emits, by the engine's own command and no code of ours.

use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// `docker events` under way. Dropping it ends it.
pub struct Recording {
    path: PathBuf,
    child: Child,
}

impl Recording {
    /// Records into a file, with everything that the engine still has in its memory, so that it does not matter
    /// when the stream is open.
    pub(crate) fn start(mut docker: Command, path: &Path) -> Self {
        let child = docker
            .args(["events", "--since", "1", "--format", "{{json .}}"])
            .stdin(Stdio::null())
            .stdout(File::create(path).expect("a file"))
            .spawn()
            .expect("docker runs");
        Self {
            path: path.to_owned(),
            child,
        }
    }

    /// The events of containers and services so far, in the engine's order.
    pub fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.path).expect("the recording");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).expect("docker writes JSON"))
            .filter(|event: &Value| event["Type"] == "container" || event["Type"] == "service")
            .collect()
    }

    /// How many events have this type and action.
    pub fn count(&self, kind: &str, action: &str) -> usize {
        let events = self.events();
        let matching = events
            .iter()
            .filter(|event| event["Type"] == kind && event["Action"] == action);
        matching.count()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // It has ended already when its engine has.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
