//! Runs contracts. The only crate that names wasmtime.
//!
//! [`check_contract`] says whether a component is a contract within the limits; [`Runtime::admit`] compiles it; a [`Session`] runs its calls, one
//! instance per block, each call with its own fuel and limits, and the preparation and the migration of one that becomes
//! active; every call ends in an [`Outcome`], the same on every peer that has the same [`engine_profile`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod access;
mod admission;
mod admitted;
mod anatomy;
mod bindings;
mod cached;
mod error;
mod host;
mod host_state;
mod limiter;
mod limits;
mod linked;
mod no_state;
mod outcome;
mod profile;
mod runtime;
mod session;
mod world;

pub use admission::{AdmissionError, check as check_component, check_contract};
pub use admitted::{Admitted, ArgumentEncoding, Description, FunctionDescription, FunctionKind};
pub use anatomy::{Anatomy, Bounds};
pub use cached::CachedRuntime;
pub use error::RuntimeError;
pub use host_state::{CallContext, HostError, HostState, LogRecord, Pairs};
pub use limits::{CallLimits, StaticLimits};
pub use no_state::NoState;
pub use outcome::{Failure, Outcome, RejectionKind};
pub use profile::{EngineDescription, REQUIRED_STACK_BYTES, engine_profile};
pub use runtime::Runtime;
pub use session::Session;
