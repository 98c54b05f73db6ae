//! Engines that speak Docker's interface do not all mean the same by it.

use super::super::EngineEvent;
use bollard::models::SystemVersion;

/// Name by which Podman's service calls itself among its components.
const PODMAN: &str = "Podman Engine";
/// Attribute for the engine's own word where the record has Docker's.
const ACTION: &str = "action";

/// Whose interface it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Docker Engine: its last 256 events are in memory, for all who ask.
    Docker,
    /// Podman: its processes write events to a log, which its service reads.
    Podman,
}

impl Dialect {
    /// As the engine presents itself.
    pub fn of(version: &SystemVersion) -> Self {
        let components = version.components.iter().flatten();
        match components.into_iter().any(|component| component.name == PODMAN) {
            true => Self::Podman,
            false => Self::Docker,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "Docker Engine",
            Self::Podman => PODMAN,
        }
    }

    /// Docker's word for what happened to a container, where there is one with the same meaning.
    pub fn dockers_word(self, action: &[u8]) -> &[u8] {
        match (self, action) {
            (Self::Podman, b"died") => b"die",
            (Self::Podman, b"remove") => b"destroy",
            (Self::Podman, b"exec") => b"exec_start",
            (Self::Podman, b"exec_died") => b"exec_die",
            _ => action,
        }
    }

    /// An event in Docker's words where those mean the same, with the engine's own word beside. Newer Podmans use some of
    /// them themselves.
    pub fn translate(self, mut event: EngineEvent) -> EngineEvent {
        if self == Self::Docker || event.kind != "container" {
            return event;
        }
        let word = match self.dockers_word(event.action.as_bytes()) {
            b"health_status" if !event.health_status.is_empty() => {
                format!("health_status: {}", event.health_status)
            }
            word if word == event.action.as_bytes() => return event,
            word => String::from_utf8_lossy(word).into_owned(),
        };
        let own = std::mem::replace(&mut event.action, word);
        event.said.attributes.insert(ACTION, own);
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::SystemVersionComponents;

    fn event(kind: &str, action: &str) -> EngineEvent {
        let line = format!(
            r#"{{"Type":"{kind}","Action":"{action}","Actor":{{"ID":"a","Attributes":{{"event2ledger.action":"x"}}}},"timeNano":1}}"#
        );
        EngineEvent::parse(&line).unwrap()
    }

    #[test]
    fn an_engine_is_known_by_its_components() {
        let of = |name: &str| {
            let component = SystemVersionComponents {
                name: name.to_owned(),
                ..SystemVersionComponents::default()
            };
            Dialect::of(&SystemVersion {
                components: Some(vec![component]),
                ..SystemVersion::default()
            })
        };
        assert_eq!(
            (of("Podman Engine"), of("Engine")),
            (Dialect::Podman, Dialect::Docker)
        );
        assert_eq!(Dialect::of(&SystemVersion::default()), Dialect::Docker);
    }

    #[test]
    fn what_means_the_same_has_the_same_word_and_no_label_can_claim_another() {
        let recorded = |action: &str| {
            let event = Dialect::Podman.translate(event("container", action));
            let event = event.normalise(1).unwrap().unwrap();
            let own = event.attributes.get("event2ledger.action").cloned();
            assert_eq!(event.attributes["label:event2ledger.action"], "x");
            (event.action, own)
        };
        let translated = |word: &str, own: &str| (word.to_owned(), Some(own.to_owned()));
        assert_eq!(recorded("remove"), translated("destroy", "remove"));
        assert_eq!(recorded("died"), translated("die", "died"));
        assert_eq!(recorded("exec_died"), translated("exec_die", "exec_died"));
        assert_eq!(recorded("cleanup"), ("cleanup".to_owned(), None));
        assert_eq!(recorded("die"), ("die".to_owned(), None));
        let mut health = event("container", "health_status");
        health.health_status = "healthy".to_owned();
        assert_eq!(Dialect::Podman.translate(health).action, "health_status: healthy");
        let docker = event("container", "remove");
        assert_eq!(Dialect::Docker.translate(docker.clone()), docker);
        let image = event("image", "remove");
        assert_eq!(Dialect::Podman.translate(image.clone()), image);
    }
}
