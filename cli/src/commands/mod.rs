//! One module per noun.

pub mod argument;
pub mod audit;
mod audit_export;
mod audit_offline;
pub mod cert;
pub mod chaincode;
pub mod collectors;
pub mod events;
pub mod evidence;
pub mod history;
pub mod incidents;
pub mod network;
pub mod peer;
pub mod proposal;
pub mod receipt;
pub mod shell;
pub mod verify;
