//! The daemon an actor runs: takes envelopes, orders them with the other actors' peers, executes, endorses,
//! stores and serves them.
//!
//! | part | what it does |
//! |---|---|
//! | [`Peer`] | puts everything together |
//! | `node` | what the parts share |
//! | `admission`, `pool`, `forwarder`, `proposer` | an envelope's way to the leader's proposal |
//! | `application`, `chain`, `chain_thread`, `catch_up` | a proposal's way to a block |
//! | `finality`, `vote_log`, `votes_in`, `announcer`, `standpoint` | a block's way to finality |
//! | `inquiry`, `evidence`, `evidence_book`, `dispute`, `dispute_book` | who told two stories, and what comes of it |
//! | `api`, `waiters`, `chain_query` | what callers see |
//! | `links`, `membership`, `join` | connections to other peers, who votes, and those that do not |
//! | `soundness`, `proofs`, `read_check`, `scrubber`, `repair`, `incident_log` | nothing is served that is not proven, and what is damaged is mended |
//! | `open_ledger`, `restore`, `standing`, `take_part` | a start after damage or a rollback |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod admission;
mod alarms;
mod announcer;
mod api;
mod application;
mod catch_up;
mod chain;
mod chain_query;
mod chain_thread;
mod collector_code;
mod collectors;
mod components;
mod dispute;
mod dispute_book;
mod divergence;
mod engine;
mod evidence;
mod evidence_book;
mod finality;
mod forwarder;
mod header_tree;
mod heard_votes;
mod incident;
mod incident_log;
mod inquiry;
#[doc(hidden)]
pub mod inside;
mod join;
mod links;
mod membership;
mod metrics;
mod missed_proofs;
mod node;
pub mod offline;
mod open_ledger;
mod options;
mod peer;
mod pool;
mod proofs;
mod proposal_cache;
mod proposer;
mod read_check;
mod repair;
mod restore;
mod rotation;
mod scrubber;
mod silence;
mod soundness;
mod standing;
mod standpoint;
mod take_part;
mod vote_log;
mod votes_in;
mod waiters;

pub use e2l_store::wait_until_closed;
pub use engine::my_engine_profile;
pub use finality::{Disputed, Divergence, Finality, Own, SUSPECT_AFTER};
pub use incident::Incident;
pub use options::{OptionsError, PeerOptions, RaftSettings};
pub use peer::{Decisions, Peer};
pub use pool::PoolOptions;
pub use scrubber::ScrubOptions;
