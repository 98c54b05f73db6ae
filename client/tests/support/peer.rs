//! A server in a runtime of its own, so that it can be killed with all its connections.

use super::echo::{Behaviour, EchoLedger};
use super::identities::Network;
use e2l_client::{IncomingLimits, PeerAddress, TlsIncoming, ledger_server, serve};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tonic::service::Routes;

pub struct TestPeer {
    pub actor: &'static str,
    pub socket: SocketAddr,
    pub behaviour: Arc<Behaviour>,
    runtime: Option<Runtime>,
}

impl TestPeer {
    pub fn start(network: &Network, actor: &'static str) -> Self {
        Self::start_with(
            network,
            actor,
            "127.0.0.1:0",
            Behaviour::default(),
            IncomingLimits::default(),
        )
    }

    pub fn start_with(
        network: &Network,
        actor: &'static str,
        address: &str,
        behaviour: Behaviour,
        limits: IncomingLimits,
    ) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let behaviour = Arc::new(behaviour);
        let service = EchoLedger {
            actor,
            behaviour: Arc::clone(&behaviour),
        };
        let (tls, address) = (network.server(actor), address.parse().unwrap());
        let (bound, wait) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let incoming = TlsIncoming::bind(address, tls, limits).await.unwrap();
            bound.send(incoming.local_addr()).unwrap();
            let routes = Routes::new(ledger_server(service));
            serve(routes, incoming, std::future::pending(), Duration::ZERO).await
        });
        let socket = wait.recv().unwrap();
        Self {
            actor,
            socket,
            behaviour,
            runtime: Some(runtime),
        }
    }

    pub fn address(&self) -> PeerAddress {
        PeerAddress {
            actor: self.actor.to_owned(),
            name: "peer".to_owned(),
            address: self.socket.to_string(),
        }
    }

    /// Ends the server and cuts every connection.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Not on this thread: it may belong to another runtime, which may not block.
            std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(5)))
                .join()
                .unwrap();
        }
    }
}

impl Drop for TestPeer {
    fn drop(&mut self) {
        self.kill();
    }
}
