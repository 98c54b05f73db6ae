use bytes::Bytes;
use e2l_consensus::{MessageKind, RaftNode, Transport, TransportError};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Connects the nodes of one process.
#[derive(Default)]
pub struct Wires(Mutex<BTreeMap<u64, Weak<RaftNode>>>);

impl Wires {
    pub fn plug(&self, id: u64, node: &Arc<RaftNode>) {
        self.0.lock().insert(id, Arc::downgrade(node));
    }

    pub fn unplug(&self, id: u64) {
        self.0.lock().remove(&id);
    }

    /// The end of the wires at one node.
    pub fn end(self: &Arc<Self>, id: u64) -> Arc<dyn Transport> {
        Arc::new(End {
            id,
            wires: self.clone(),
        })
    }

    fn node(&self, id: u64) -> Option<Arc<RaftNode>> {
        self.0.lock().get(&id).and_then(Weak::upgrade)
    }
}

struct End {
    id: u64,
    wires: Arc<Wires>,
}

impl Transport for End {
    fn call(
        &self,
        target: u64,
        kind: MessageKind,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        async move {
            // Who is cut off neither sends nor receives.
            let here = self.wires.node(self.id);
            let (Some(_), Some(node)) = (here, self.wires.node(target)) else {
                return Err(TransportError::Unreachable("no wire".to_owned()));
            };
            let answer = tokio::time::timeout(timeout, node.handle(self.id, self.id, kind, body)).await;
            match answer {
                Ok(answer) => answer.map_err(|error| TransportError::Refused(error.to_string())),
                Err(_) => Err(TransportError::Unreachable("no answer in time".to_owned())),
            }
        }
        .boxed()
    }
}
