//! Why a collector cannot go on submitting.

/// Nothing that waiting or another peer would mend. The spool is kept.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The ledger holds other batches under this collector's numbers.
    #[error(
        "every peer that can be reached knows other batches of this collector, {refusals}. Somebody else signs \
         with this key, or the spool was rolled back: find out which; then move the spool directory away, and the \
         collector opens a new incarnation"
    )]
    Conflict {
        /// Each peer and its reason.
        refusals: String,
    },
    /// The peers refuse for good.
    #[error(
        "every peer that can be reached refuses this collector, {refusals}; the spool is kept, correct the cause \
         and start the collector again"
    )]
    Refused {
        /// Each peer and its reason.
        refusals: String,
    },
}
