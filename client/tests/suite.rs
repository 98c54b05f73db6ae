//! All but one are one program: each would link TLS, gRPC and Tokio for itself, which takes longer than the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod callers;
mod failover;
mod hostile;
mod record;
mod submit;
mod support;
