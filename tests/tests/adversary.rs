//! A malicious peer, built from our own code and with the good certificate of an actor, leads two honest ones: they
//! make no conflicting blocks final while they hear each other, sealed ones never, and prove who lied.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "adversary/equivocation.rs"]
mod equivocation;
#[path = "adversary/malicious_peer.rs"]
mod malicious_peer;
#[path = "adversary/messages.rs"]
mod messages;
#[path = "adversary/network_between.rs"]
mod network_between;
#[path = "adversary/outvoted.rs"]
mod outvoted;
#[path = "adversary/stage.rs"]
mod stage;
#[path = "adversary/stalling.rs"]
mod stalling;
#[path = "adversary/times.rs"]
mod times;
#[path = "adversary/withholding.rs"]
mod withholding;
