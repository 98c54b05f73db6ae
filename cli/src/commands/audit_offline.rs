//! Processes that an audit starts: one reads a stopped peer's files, one executes blocks again. Both are `e2l-peer`, so
//! that `e2l` itself needs neither database nor engine.

use super::audit::Finding;
use crate::daemon::sibling;
use crate::error::{CliError, CliResult};
use crate::session::Session;
use e2l_client::pipe::{Frame, FrameError, read_frame, write_frame};
use e2l_ledger::Canonical;
use e2l_ledger::proof::{Anchor, ConfigChange};
use std::ffi::OsStr;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// Starts the processes.
pub struct Offline {
    program: PathBuf,
    chaincode_dir: Option<PathBuf>,
    /// Holds the genesis.
    directory: TempDir,
}

/// A started process, killed when it is dropped.
struct Tool {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// The blocks in a peer's files.
pub struct LedgerFiles(Tool);

/// Canonical bytes of a block, and of the proof that it is final.
pub type EncodedBlock = (Vec<u8>, Vec<u8>);

/// Executes blocks again.
pub struct Replayer {
    tool: Tool,
    input: ChildStdin,
}

impl Offline {
    /// Prepares them for a session's network.
    ///
    /// # Errors
    /// `e2l-peer` is not beside `e2l`, or the genesis cannot be written to a temporary directory.
    pub fn new(session: &Session, chaincode_dir: Option<&Path>) -> CliResult<Self> {
        let temporary =
            |error: std::io::Error| CliError::usage(error, "check the temporary directory (TMPDIR)");
        let directory = tempfile::tempdir().map_err(temporary)?;
        let genesis = serde_json::to_vec(session.genesis_file()).unwrap_or_default();
        std::fs::write(directory.path().join("genesis.json"), genesis).map_err(temporary)?;
        Ok(Self {
            program: sibling("e2l-peer")?,
            chaincode_dir: chaincode_dir
                .map(Path::to_owned)
                .or_else(|| session.chaincode_dir()),
            directory,
        })
    }

    /// The ledger in a data directory.
    ///
    /// # Errors
    /// The process does not start.
    pub fn ledger(&self, data_dir: &Path) -> CliResult<LedgerFiles> {
        let arguments = ["--data-dir".as_ref(), data_dir.as_os_str()];
        let (tool, _) = self.start("read-ledger", arguments)?;
        Ok(LedgerFiles(tool))
    }

    /// Starts executing from the genesis on.
    ///
    /// # Errors
    /// It is not known where the components are; the process does not start.
    pub fn replayer(&self) -> CliResult<Replayer> {
        let directory = self.chaincode_dir.as_ref().ok_or_else(|| {
            CliError::usage(
                "it is not known where the chaincodes' components are",
                "name the directory of `<digest>.wasm` files with --chaincode-dir",
            )
        })?;
        let arguments = ["--chaincode-dir".as_ref(), directory.as_os_str()];
        let (tool, input) = self.start("replay", arguments)?;
        Ok(Replayer { tool, input })
    }

    fn start(&self, tool: &str, arguments: [&OsStr; 2]) -> CliResult<(Tool, ChildStdin)> {
        let mut child = Command::new(&self.program)
            .arg(tool)
            .arg("--genesis")
            .arg(self.directory.path().join("genesis.json"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| CliError::file("run", &self.program, &error))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(CliError::usage(
                "a process has no pipes",
                "report this as a defect",
            ));
        };
        let output = BufReader::new(output);
        Ok((Tool { child, output }, input))
    }
}

impl Tool {
    fn answer(&mut self) -> Result<Frame, Finding> {
        match read_frame(&mut self.output) {
            Ok(Some(Frame::Finding(why))) => Err(Finding::False(why)),
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(self.died()),
            Err(error @ FrameError::Unknown(..)) => Err(Finding::Unreachable(error.to_string())),
            Err(FrameError::Io(_)) => Err(self.died()),
        }
    }

    /// What the process said when it ended.
    fn died(&mut self) -> Finding {
        let mut said = String::new();
        if let Some(errors) = &mut self.child.stderr {
            // What cannot be read is not shown.
            let _ = errors.read_to_string(&mut said);
        }
        let said = said.trim().trim_start_matches("Error: ");
        Finding::Unreachable(if said.is_empty() {
            "e2l-peer ended without a word".to_owned()
        } else {
            said.to_owned()
        })
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl LedgerFiles {
    /// The next block with its proof, encoded; `None` at the end. Learns the newest height, and changes of the
    /// configuration.
    ///
    /// # Errors
    /// What does not hold, or why it cannot be said.
    pub fn next(&mut self, newest: &mut u64, anchor: &Anchor) -> Result<Option<EncodedBlock>, Finding> {
        let out_of_turn = || Finding::Unreachable("e2l-peer is of another release than e2l".to_owned());
        loop {
            match self.0.answer()? {
                Frame::Height(height) => *newest = height,
                Frame::End => return Ok(None),
                Frame::Block(block) => {
                    let Frame::Proof(proof) = self.0.answer()? else {
                        return Err(out_of_turn());
                    };
                    return Ok(Some((block, proof)));
                }
                Frame::ConfigChange(bytes) => {
                    let change =
                        ConfigChange::decode(&bytes).map_err(|error| Finding::False(error.to_string()))?;
                    let learnt = anchor.learn(&change);
                    learnt.map_err(|error| Finding::False(error.to_string()))?;
                }
                Frame::Proof(_) | Frame::Finding(_) => return Err(out_of_turn()),
            }
        }
    }
}

impl Replayer {
    /// Executes the next block.
    ///
    /// # Errors
    /// Execution gives something else, or cannot be done.
    pub fn execute(&mut self, block: &[u8]) -> Result<(), Finding> {
        let sent =
            write_frame(&mut self.input, &Frame::Block(block.to_vec())).and_then(|()| self.input.flush());
        // Whoever does not listen any more has said why.
        drop(sent);
        self.tool.answer().map(|_| ())
    }
}
