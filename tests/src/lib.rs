//! Starts networks of real processes for the suites in `tests/`: the binaries a user runs, driven through the
//! command line a user types ([`Network`]) or spoken to over the wire in their members' names ([`Members`]). A
//! failed step ends the test with what the program said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod announce;
mod binaries;
mod collector;
mod collector_process;
mod confinement;
mod containerd_engine;
mod daemon;
mod docker;
mod docker_cli;
mod engine_host;
mod events;
mod files;
mod host_clock;
mod image;
mod ledger_copy;
mod load;
mod lying_peer;
mod members;
mod monitoring;
mod network;
mod newcomer;
mod podman_engine;
mod private_engine;
mod probe;
mod recording;
mod refusing_peer;
mod said;
mod steady_load;
mod swarm;
mod test_engine;
mod tls_engine;
mod workload_api;

pub use announce::announce;
pub use binaries::{
    binary, collector_component, component, failing_collector_component, next_component,
    strict_collector_component,
};
pub use collector::TestCollector;
pub use collector_process::CollectorProcess;
pub use containerd_engine::ContainerdEngine;
pub use docker::{Docker, skip};
pub use engine_host::EngineHost;
pub use events::{event, now_nano};
pub use files::copy_dir;
pub use host_clock::HostClock;
pub use ledger_copy::LedgerCopy;
pub use load::{Load, Receipt};
pub use lying_peer::{Lie, LyingPeer};
pub use members::{Members, PATIENCE, eventually};
pub use monitoring::{http_get, metric};
pub use network::{Network, PeerView, free_ports, wait_until};
pub use newcomer::Newcomer;
pub use podman_engine::PodmanEngine;
pub use private_engine::PrivateEngine;
pub use probe::{Latency, Probe, percentile};
pub use recording::Recording;
pub use refusing_peer::RefusingPeer;
pub use said::said;
pub use steady_load::SteadyLoad;
pub use swarm::Swarm;
pub use test_engine::{ContainerState, TestEngine};
pub use tls_engine::TlsEngine;
pub use workload_api::{AgentAuthority, Svid, WorkloadAgent};
