//! What one party can show another: proofs that stand on a genesis alone, checked without a clock, a disk or a
//! network (docs/format/proofs.md).

mod ancestry;
mod anchor;
mod auditor;
mod collector_approval;
mod config_change;
mod error;
mod evidence;
mod final_header;
mod log_page;
mod log_range;
mod map_proof;
mod receipt;
mod sender_head;
mod state_value;

pub use ancestry::{AncestryProof, HeaderRange};
pub use anchor::{Anchor, Epoch};
pub use auditor::{AuditError, Auditor};
pub use collector_approval::{CollectorApproval, last_collector_change};
pub use config_change::ConfigChange;
pub use error::ProofError;
pub use evidence::{Evidence, Guilt, Signed};
pub use final_header::{FinalHeader, FinalHeaderProof};
pub use log_page::{LogPage, LogPageProof, PageEntry};
pub use log_range::{perfect_root, prove_range, prove_range_with, verify_range};
pub use map_proof::MapProof;
pub use receipt::{Receipt, Statement, Subject, VerifiedTransaction};
pub use sender_head::SenderHeadProof;
pub use state_value::StateValueProof;
