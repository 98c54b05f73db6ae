//! All of them are one program: each would compile openraft for itself, which takes longer than the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod forged_messages;
mod log_standing;
mod openraft_suite;
mod raft_group;
mod support;
