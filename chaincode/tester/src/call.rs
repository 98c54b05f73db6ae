//! Calls, and what becomes of them.

use e2l_ledger::{Member, ValidationCode};

/// A call.
#[derive(Debug, Clone)]
pub struct TestCall {
    /// Who calls.
    pub caller: Member,
    /// The function.
    pub function: String,
    /// What it is given.
    pub argument: Vec<u8>,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    /// Its validation code. A query has none on a ledger; it gets the one that a transaction would have that ended so.
    pub code: ValidationCode,
    /// Fuel used; `None` of a query, of which no peer tells it.
    pub fuel: Option<u64>,
    /// What the function returned, or why it returned nothing.
    pub output: Vec<u8>,
}
