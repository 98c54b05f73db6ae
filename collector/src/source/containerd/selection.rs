//! Which containers of which namespace are meant, and what they are called.

use serde::{Deserialize, Serialize};

/// Namespace of a Docker Engine, whose own collector sees more of its containers.
const DOCKERS: &str = "moby";
/// Between namespace and id.
const SEPARATOR: char = '/';

/// What of a containerd is read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContainerdOptions {
    /// Namespaces; if none is named all but `moby`, in which a Docker Engine keeps its containers.
    pub namespaces: Vec<String>,
}

impl ContainerdOptions {
    /// Whether containers of this namespace are meant.
    pub fn selects(&self, namespace: &str) -> bool {
        match self.namespaces.is_empty() {
            true => namespace != DOCKERS,
            false => self.namespaces.iter().any(|named| named == namespace),
        }
    }

    /// Whether this is the name of a container that is meant.
    pub fn selects_name(&self, name: &str) -> bool {
        split(name).is_some_and(|(namespace, _)| self.selects(namespace))
    }
}

/// What a container is called on the ledger: its id is unique in its namespace only.
pub fn name(namespace: &str, id: &str) -> String {
    format!("{namespace}{SEPARATOR}{id}")
}

/// Namespace and id of such a name. Neither can hold the separator.
pub fn split(name: &str) -> Option<(&str, &str)> {
    name.split_once(SEPARATOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_own_containers_are_meant_only_when_they_are_named() {
        let all = ContainerdOptions::default();
        assert_eq!(
            ["default", "k8s.io", "moby"].map(|name| all.selects(name)),
            [true, true, false]
        );
        let named = ContainerdOptions {
            namespaces: vec!["moby".to_owned()],
        };
        assert_eq!(["default", "moby"].map(|name| named.selects(name)), [false, true]);
        assert!(named.selects_name("moby/abc") && !named.selects_name("default/abc"));
        assert!(!all.selects_name(&"a".repeat(64)), "an id of another engine");
        assert_eq!(split(&name("k8s.io", "a")), Some(("k8s.io", "a")));
    }
}
