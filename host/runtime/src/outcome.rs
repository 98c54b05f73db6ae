//! How a call ends.

/// The end of a call, the same on every peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The contract did it.
    Accepted {
        /// What it returned.
        output: Vec<u8>,
        /// Fuel used.
        fuel: u64,
    },
    /// The contract refused; its writes are dropped.
    Rejected {
        /// Whether it breaks a rule or repeats what another has reported.
        kind: RejectionKind,
        /// Why.
        message: String,
        /// Fuel used.
        fuel: u64,
    },
    /// The contract failed; its writes are dropped.
    Failed {
        /// How.
        kind: Failure,
        /// Fuel used.
        fuel: u64,
        /// One sentence.
        detail: String,
    },
}

impl Outcome {
    /// Fuel used.
    pub fn fuel(&self) -> u64 {
        match self {
            Self::Accepted { fuel, .. } | Self::Rejected { fuel, .. } | Self::Failed { fuel, .. } => *fuel,
        }
    }
}

/// What a contract's rejection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// The call breaks a rule of the contract.
    Refused,
    /// What the call reports is on the ledger already, in another's words.
    Witness,
}

/// How a contract failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It trapped: a panic, a division by zero, an access out of bounds.
    Trapped,
    /// It used up its fuel.
    OutOfFuel,
    /// It asked for more memory than it may have.
    OutOfMemory,
    /// It nested its calls too deeply.
    StackOverflow,
    /// It returned more than it may.
    OutputTooLarge,
    /// It wrote more than it may.
    WriteLimit,
    /// It used the host against the rules.
    IllegalAccess,
}

impl Failure {
    /// One or a few words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trapped => "trapped",
            Self::OutOfFuel => "out of fuel",
            Self::OutOfMemory => "out of memory",
            Self::StackOverflow => "stack overflow",
            Self::OutputTooLarge => "output too large",
            Self::WriteLimit => "write limit",
            Self::IllegalAccess => "illegal access",
        }
    }
}
