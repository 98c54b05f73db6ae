//! Three peers as processes, and everything that a network or a hostile member can send them: each is refused
//! with an error of its own, nothing of it is stored, and the peers go on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "hostile_input/batches.rs"]
mod batches;
#[path = "hostile_input/caller.rs"]
mod caller;
#[path = "hostile_input/messages.rs"]
mod messages;
#[path = "hostile_input/outsiders.rs"]
mod outsiders;
#[path = "hostile_input/peers.rs"]
mod peers;
#[path = "hostile_input/ports.rs"]
mod ports;
#[path = "hostile_input/roles.rs"]
mod roles;
#[path = "hostile_input/stage.rs"]
mod stage;
