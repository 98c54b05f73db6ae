//! What is recorded of an event: decided by the component that the actors have approved, or by the rules that are built in
//! while there is none (docs/decisions/0030-collector-code-under-governance.md).

mod compiler;
mod component;
mod current;
mod exchange;
mod executable;
mod follow;
mod recorder;
#[path = "../../../chaincode/collector/src/rules.rs"]
mod rules;
mod store;

pub use compiler::compile_into;
pub use component::Component;
pub use current::CurrentCode;
pub use executable::executable_digest;
pub use follow::{CodeFollower, NewCode};
pub use recorder::{Recorded, Recorder, strip};
pub use rules::redact_action;
pub use store::{CodeError, CodeStore};

/// What is in force, for people.
pub fn code_name(component: Option<e2l_ledger::Digest>) -> String {
    component.map_or_else(|| "built in".to_owned(), |digest| digest.to_string())
}
