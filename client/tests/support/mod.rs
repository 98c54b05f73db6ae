//! Real authorities, real TLS, and a ledger that echoes.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod echo;
pub mod identities;
pub mod peer;

use bytes::Bytes;
use e2l_client::{ClientOptions, LedgerClient};
use std::time::Duration;

#[allow(unused_imports)]
pub use echo::Behaviour;
pub use identities::Network;
pub use peer::TestPeer;

/// Short waits, long enough for a loaded machine.
pub fn options() -> ClientOptions {
    ClientOptions {
        read_timeout: Duration::from_secs(5),
        submit_timeout: Duration::from_secs(5),
        patience: Duration::from_secs(5),
        ..ClientOptions::default()
    }
}

/// A collector's client of `peers`, in that order.
pub fn client(network: &Network, peers: &[&TestPeer]) -> LedgerClient {
    let tls = network.client("provider", "collector", "host1");
    let addresses = peers.iter().map(|peer| peer.address()).collect();
    LedgerClient::new(addresses, &tls, options()).unwrap()
}

/// Bytes of a text.
pub fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
