//! How a command ends when it does not succeed.

use e2l_client::{ClientError, VerifyError};
use std::io;
use std::path::Path;

/// Exit codes. They are part of the interface and stand in `e2l --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Refused, not found, or the answer is no.
    Refused = 1,
    /// Wrong usage, wrong configuration, or nobody could be reached.
    Usage = 2,
    /// The answer is well-formed and lacks what is needed to decide.
    NotProven = 3,
}

/// What went wrong, and what to do next: no error without a next step.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct CliError {
    what: String,
    next: String,
    exit: Exit,
    /// The reader of our output went away (`| head`): nothing to tell anyone.
    quiet: bool,
}

/// Result of a command.
pub type CliResult<T> = Result<T, CliError>;

impl CliError {
    fn new(exit: Exit, what: impl ToString, next: impl Into<String>) -> Self {
        Self {
            what: what.to_string(),
            next: next.into(),
            exit,
            quiet: false,
        }
    }

    /// Wrong usage or configuration, or something this machine lacks; exit code 2.
    pub fn usage(what: impl ToString, next: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what, next)
    }

    /// Refused, not found, or false; exit code 1.
    pub fn refused(what: impl ToString, next: impl Into<String>) -> Self {
        Self::new(Exit::Refused, what, next)
    }

    /// Cannot be decided from what was answered; exit code 3.
    pub fn not_proven(what: impl ToString, next: impl Into<String>) -> Self {
        Self::new(Exit::NotProven, what, next)
    }

    /// A file or directory that could not be used; exit code 2.
    pub fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let next = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "check owner and mode, or run as the user that owns it",
            io::ErrorKind::AlreadyExists => "name another path, or remove what is there",
            io::ErrorKind::StorageFull => "free space on that disk",
            _ => "check the path and the disk",
        };
        Self::usage(format!("cannot {doing} {}: {error}", path.display()), next)
    }

    /// Adds where it happened.
    pub fn within(mut self, place: &str) -> Self {
        self.what = format!("{place}: {}", self.what);
        self
    }

    /// The process's exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// What to do next.
    pub fn next_step(&self) -> &str {
        &self.next
    }

    /// Whether nobody is there to read a message.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// Errors of our own output.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        let mut made = Self::usage(
            format!("cannot write the output: {error}"),
            "check where the output goes",
        );
        if error.kind() == io::ErrorKind::BrokenPipe {
            made.quiet = true;
            made.exit = Exit::Ok;
        }
        made
    }
}

impl From<VerifyError> for CliError {
    fn from(error: VerifyError) -> Self {
        const NEXT: &str = "do not rely on that peer: ask another actor's with --actor NAME, and compare";
        match error {
            VerifyError::Client(error) => error.into(),
            VerifyError::Proof(error) if error.is_undecided() => Self::not_proven(
                format!("the answer is not proven: {error}"),
                "ask again a little later, or another actor's peer with --actor NAME",
            ),
            error @ VerifyError::Behind { .. } => Self::not_proven(
                format!("the answer is out of date: {error}"),
                "ask again a little later, or another actor's peer with --actor NAME",
            ),
            error @ VerifyError::Older { .. } => Self::not_proven(
                format!("the answer is not proven: {error}"),
                "ask again a little later, or another actor's peer with --actor NAME",
            ),
            error @ VerifyError::Unlinked(_) => Self::refused(
                error,
                "keep what you were shown, and compare the actors' ledgers: `e2l audit` names the height",
            ),
            error @ VerifyError::Fork { .. } => Self::refused(
                error,
                "keep the checkpoint, and compare it with the other actors': `e2l audit` names the height",
            ),
            error => Self::refused(error, NEXT),
        }
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let (exit, next) = match &error {
            ClientError::Address { .. } => (Exit::Usage, "correct the address in the genesis or profile"),
            ClientError::Unreachable { .. } | ClientError::NoPeer { .. } => (
                Exit::Usage,
                "start the peers (the demo's: `e2l demo`), or see who answers with `e2l peer status --all`",
            ),
            ClientError::Timeout { .. } | ClientError::Disconnected { .. } => (
                Exit::Usage,
                "run it again; `e2l peer status --all` shows whether the peers agree on a leader",
            ),
            ClientError::Refused { .. } if error.is_transient() => {
                (Exit::Usage, "run it again a little later")
            }
            ClientError::Refused { .. } | ClientError::Invalid { .. } => {
                (Exit::Refused, "correct the request; nothing of it was stored")
            }
            ClientError::Denied { .. } => (
                Exit::Refused,
                "use an identity whose role may do it: `e2l cert issue` makes one, --profile names it",
            ),
            ClientError::Damaged { .. } => (
                Exit::Refused,
                "ask another actor's peer with --actor NAME, or this one in a moment; `e2l incidents` lists what was found",
            ),
            ClientError::NotFound { .. } => (Exit::Refused, "check the name or height that you asked for"),
            ClientError::Protocol { .. } => (
                Exit::Usage,
                "run the same release on both sides, and see the peer's log",
            ),
        };
        Self::new(exit, error, next)
    }
}
