//! What the actors change together: two peers execute it alike, and what is refused changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "governance/configuration.rs"]
mod configuration;
#[path = "governance/contracts.rs"]
mod contracts;
#[path = "governance/deciding.rs"]
mod deciding;
#[path = "governance/senders.rs"]
mod senders;

use common::stage::Stage;
use e2l_ledger::ValidationCode;
use e2l_ledger::governance::Change;

/// All actors approve these changes, in a block each.
fn decide(stage: &mut Stage<'_>, changes: Vec<Change>, components: Vec<Vec<u8>>) {
    let proposal = stage.proposal(changes, 40);
    let id = proposal.id();
    assert_eq!(stage.propose(&proposal, components).0, ValidationCode::Valid);
    stage.approved(id);
}
