//! Why a collector cannot go on submitting.

/// Nothing that waiting or another peer would mend. The spool is kept.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The ledger holds other batches under this collector's numbers.
    #[error(
        "batch {sequence} of incarnation {incarnation}: {why}. Somebody else signs with this key, or the spool was \
         rolled back: find out which; then move the spool directory away, and the collector opens a new incarnation"
    )]
    Conflict {
        /// Incarnation of the batch.
        incarnation: u64,
        /// Its number.
        sequence: u64,
        /// What is known.
        why: String,
    },
    /// A peer refuses it for good.
    #[error(
        "batch {sequence} is refused: {source}; the spool is kept, correct the cause and start the collector again"
    )]
    Refused {
        /// Its number.
        sequence: u64,
        /// Reason and remedy.
        source: e2l_client::ClientError,
    },
    /// Peers do not let this collector in.
    #[error("the peers refuse this collector: {0}; the spool is kept, correct the cause and start it again")]
    Denied(e2l_client::ClientError),
}
