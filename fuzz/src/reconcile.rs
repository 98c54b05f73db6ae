//! What a collector's spool keeps of containers and services, as it is.
#![allow(dead_code)]

#[path = "../../collector/src/reconcile/inventory.rs"]
mod inventory;
#[path = "../../collector/src/reconcile/known.rs"]
mod known;

pub use inventory::Phase;
pub use known::Known;
