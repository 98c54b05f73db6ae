//! What a container is: its image, its runtime and its labels, of which its events say nothing.

use super::api::containers::Container;
use super::client::{Client, ContainerdError};
use super::selection::split;
use crate::source::engine_event::{LABEL, marked};
use e2l_ledger::event::{Event, Facts};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::timeout;

/// Most containers that are remembered; beyond, all are asked for again.
const MOST: usize = 4096;
/// Longest wait for an answer; the event is recorded without it then.
const PATIENCE: Duration = Duration::from_secs(5);
/// Attributes that containerd says itself. A label of such a name is marked as the label that it is.
const OWN: [&str; 7] = [
    "execID",
    "exitCode",
    "image",
    "name",
    "namespace",
    "pid",
    "runtime",
];

/// Labels, and over them what containerd says.
pub fn attributes(container: &Container) -> BTreeMap<String, String> {
    let labels = container.labels.iter().map(|(name, value)| {
        let name = match OWN.contains(&name.as_str()) {
            true => format!("{LABEL}{name}"),
            false => name.clone(),
        };
        (name, value.clone())
    });
    let mut attributes = marked(labels.collect());
    attributes.insert("image".to_owned(), container.image.clone());
    if let Some(runtime) = &container.runtime {
        attributes.insert("runtime".to_owned(), runtime.name.clone());
    }
    attributes
}

/// See the module.
pub struct Describer {
    socket: PathBuf,
    client: Option<Client>,
    known: HashMap<String, BTreeMap<String, String>>,
}

impl Describer {
    /// Of the containerd at this socket.
    pub fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            client: None,
            known: HashMap::new(),
        }
    }

    /// Adds what is known, or is answered when `may_ask`.
    pub async fn describe(&mut self, event: &mut Event, may_ask: bool) {
        let name = event.actor_id.clone();
        let is_new = matches!(event.action.as_str(), "create" | "update");
        if is_new {
            self.known.remove(&name);
        }
        if may_ask && event.action != "destroy" && !self.known.contains_key(&name) {
            match timeout(PATIENCE, self.ask(&name, event)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(container = %name, %error, "not described");
                    self.client = None;
                }
                Err(_) => tracing::debug!(container = %name, "not described: containerd is slow"),
            }
        }
        if let Some(known) = self.known.get(&name) {
            let own = std::mem::take(&mut event.attributes);
            event.attributes = known.clone();
            event.attributes.extend(own);
        }
        if event.action == "destroy" {
            self.known.remove(&name);
        }
    }

    async fn ask(&mut self, name: &str, event: &mut Event) -> Result<(), ContainerdError> {
        let Some((namespace, id)) = split(name) else {
            return Ok(());
        };
        let client = match &self.client {
            Some(client) => client.clone(),
            None => Client::connect(&self.socket).await?,
        };
        self.client = Some(client.clone());
        let Some(container) = client.container(namespace, id).await? else {
            return Ok(());
        };
        if event.action == "create" {
            let image_digest = client.image_digest(namespace, &container.image).await?;
            event.facts = image_digest.map(|digest| Facts {
                image_digest: Some(digest),
                ..Facts::default()
            });
        }
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(name.to_owned(), attributes(&container));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::containerd::api::containers::container::Runtime;

    #[test]
    fn no_label_passes_for_what_containerd_says() {
        let labels = [
            ("exitCode", "0"),
            ("namespace", "other"),
            ("image", "fake"),
            ("event2ledger.run", "1"),
            ("team", "a"),
        ];
        let container = Container {
            image: "docker.io/library/x:1".to_owned(),
            labels: labels
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            runtime: Some(Runtime {
                name: "io.containerd.runc.v2".to_owned(),
            }),
            ..Container::default()
        };
        let expected = [
            ("image", "docker.io/library/x:1"),
            ("label:event2ledger.run", "1"),
            ("label:exitCode", "0"),
            ("label:image", "fake"),
            ("label:namespace", "other"),
            ("runtime", "io.containerd.runc.v2"),
            ("team", "a"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(attributes(&container), BTreeMap::from(expected));
    }
}
