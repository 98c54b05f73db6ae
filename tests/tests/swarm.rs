//! A Swarm of one manager and two workers, real engines all: a service is created, scaled, updated and removed,
//! and what each engine emitted is on all three ledgers once, in that engine's order, as independent recordings
//! have it; what no collector read is inferred. Needs root; see `Swarm`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "swarm/check.rs"]
mod check;
#[path = "swarm/claims.rs"]
mod claims;
#[path = "swarm/life.rs"]
mod life;
#[path = "swarm/managers.rs"]
mod managers;
#[path = "swarm/missed.rs"]
mod missed;
#[path = "swarm/stage.rs"]
mod stage;
