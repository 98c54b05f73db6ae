//! Why a collector ends.

use crate::source::SourceError;
use crate::spool::SpoolError;
use crate::submit::SubmitError;
use std::path::PathBuf;

/// See the variants; each says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// The genesis cannot be read.
    #[error("cannot use the genesis {path}: {why}; get the file again from another actor")]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The identity does not fit.
    #[error(
        "{origin} gives the certificate of {member} in network `{network}`: use a collector's of `{expected}`"
    )]
    NotACollector {
        /// Where it comes from.
        origin: String,
        /// Whose it is.
        member: String,
        /// For which network.
        network: String,
        /// The genesis's network.
        expected: String,
    },
    /// The configuration names no identity.
    #[error("the configuration does not say who this collector is: {0}")]
    NoIdentity(&'static str),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Identity(#[from] e2l_identity::IdentityError),
    /// Peers cannot be used.
    #[error(transparent)]
    Client(#[from] e2l_client::ClientError),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// What is in force cannot be kept on this host.
    #[error(transparent)]
    Code(#[from] crate::recording::CodeError),
    /// The source gave up.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The ledger refuses.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The measurements cannot be written.
    #[error("cannot write the measurements to {path}: {source}; correct `stats_file`")]
    Stats {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Metrics cannot be served.
    #[error(transparent)]
    Metrics(#[from] e2l_client::MetricsError),
    /// A task of the collector died.
    #[error("a task of the collector died: {0}; this is a defect, report it with the log")]
    Task(#[from] tokio::task::JoinError),
}
