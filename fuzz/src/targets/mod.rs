//! The targets, by what they read.

pub mod collector;
pub mod encodings;
pub mod governance;
pub mod proofs;
pub mod signatures;
