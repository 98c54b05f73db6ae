//! Invented events, like those of a Swarm node's engine in form and size (about 600 bytes), and with ids that
//! compress as badly as real ones.

use e2l_ledger::event::{Event, EventKind, Facts, Observation};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use std::collections::BTreeMap;

/// A container's life, again and again.
const ACTIONS: [&str; 8] = [
    "create", "start", "pause", "unpause", "kill", "die", "stop", "start",
];
/// Images that are run.
const IMAGES: [&str; 4] = [
    "nginx:1.27",
    "postgres:17",
    "registry.example.org/shop/api:2.4.1",
    "redis:7",
];
/// Services that the containers belong to.
const SERVICES: u64 = 16;
/// Bytes of a container's or image's id.
const ID_BYTES: usize = 32;
/// Letters of a Swarm object's id.
const SWARM_ID: usize = 25;

/// A world of containers. Nothing is kept of each: its ids are drawn anew from the seed and its number.
pub struct Invention {
    seed: u64,
    containers: u64,
    node: String,
    services: Vec<String>,
    digests: Vec<String>,
}

/// What an id is drawn for.
#[derive(Clone, Copy)]
enum Of {
    Container,
    Node,
    Service,
    Image,
}

impl Invention {
    /// The same seed makes the same ids; without one they are new.
    pub fn new(seed: Option<u64>, containers: u32) -> Self {
        let seed = seed.unwrap_or_else(|| StdRng::from_os_rng().next_u64());
        let images = 0..IMAGES.len() as u64;
        let digest = |image| format!("sha256:{}", id(&mut draw(seed, Of::Image, image)));
        Self {
            seed,
            containers: u64::from(containers.max(1)),
            node: swarm_id(&mut draw(seed, Of::Node, 0)),
            services: (0..SERVICES)
                .map(|service| swarm_id(&mut draw(seed, Of::Service, service)))
                .collect(),
            digests: images.map(digest).collect(),
        }
    }

    /// Event of this number. Containers take turns, and begin at different moments of their lives.
    pub fn event(&self, number: u64, time_nano: i64, received_nano: i64) -> Event {
        let container = number % self.containers;
        let step = (number / self.containers).wrapping_add(container);
        let action = ACTIONS[(step % ACTIONS.len() as u64) as usize];
        let image = (container % IMAGES.len() as u64) as usize;
        let mut random = draw(self.seed, Of::Container, container);
        Event {
            kind: EventKind::Container,
            action: action.to_owned(),
            actor_id: id(&mut random),
            attributes: self.attributes(container, image, action, &swarm_id(&mut random)),
            scope: "local".to_owned(),
            time: time_nano / 1_000_000_000,
            time_nano,
            received_nano,
            sequence: 0,
            observation: Observation::Observed,
            facts: facts(action, &self.digests[image], time_nano),
        }
    }

    fn attributes(&self, container: u64, image: usize, action: &str, task: &str) -> BTreeMap<String, String> {
        let number = container % SERVICES;
        let service = format!("shop_api-{number}");
        let name = format!("{service}.{}.{task}", container / SERVICES + 1);
        let mut attributes = vec![
            ("com.docker.swarm.node.id", self.node.clone()),
            (
                "com.docker.swarm.service.id",
                self.services[number as usize].clone(),
            ),
            ("com.docker.swarm.service.name", service),
            ("com.docker.swarm.task.id", task.to_owned()),
            ("com.docker.swarm.task.name", name.clone()),
            ("image", format!("{}@{}", IMAGES[image], self.digests[image])),
            ("name", name),
            ("synthetic", "true".to_owned()),
        ];
        if action == "die" {
            attributes.push(("exitCode", "0".to_owned()));
        }
        attributes
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }
}

/// Different for each object: the multiplier is odd, so that no two numbers give the same seed.
fn draw(seed: u64, of: Of, number: u64) -> StdRng {
    let object = (number << 2) | of as u64;
    StdRng::seed_from_u64(seed.wrapping_add(object.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
}

fn id(random: &mut StdRng) -> String {
    let mut bytes = [0; ID_BYTES];
    random.fill_bytes(&mut bytes);
    hex::encode(bytes)
}

fn swarm_id(random: &mut StdRng) -> String {
    let mut bytes = [0; SWARM_ID];
    random.fill_bytes(&mut bytes);
    let letter = |byte: u8| char::from_digit(u32::from(byte % 36), 36).unwrap_or('0');
    bytes.map(letter).iter().collect()
}

fn facts(action: &str, image_digest: &str, time_nano: i64) -> Option<Facts> {
    let image_digest = Some(image_digest.to_owned());
    match action {
        "create" => Some(Facts {
            image_digest,
            ..Facts::default()
        }),
        "start" => Some(Facts {
            image_digest,
            started_nano: Some(time_nano),
            ..Facts::default()
        }),
        "die" => Some(Facts {
            image_digest,
            started_nano: Some(time_nano - 1_000_000_000),
            finished_nano: Some(time_nano),
            exit_code: Some(0),
            oom_killed: Some(false),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_million_containers_have_as_many_ids_and_all_stages_of_life() {
        let world = Invention::new(Some(7), 1_000_000);
        let events: Vec<Event> = (0..20_000).map(|n| world.event(n * 50, 1, 1)).collect();
        let ids: BTreeSet<&str> = events.iter().map(|event| event.actor_id.as_str()).collect();
        assert_eq!(ids.len(), 20_000);
        assert!(ids.iter().all(|id| id.len() == 64));
        let world = Invention::new(Some(7), 1_000_000);
        assert_eq!(world.event(50, 1, 1).actor_id, events[1].actor_id);
        let actions: BTreeSet<String> = (0..8).map(|n| world.event(n, 1, 1).action).collect();
        assert_eq!(actions.len(), 7, "{actions:?}");
    }

    #[test]
    fn a_container_keeps_its_ids_and_lives_in_order() {
        let world = Invention::new(Some(7), 3);
        let life: Vec<Event> = (0..8).map(|round| world.event(round * 3 + 1, 1, 1)).collect();
        assert!(life.iter().all(|event| event.actor_id == life[0].actor_id));
        let name = |event: &Event| event.attributes["name"].clone();
        assert!(life.iter().all(|event| name(event) == name(&life[0])));
        let actions: Vec<&str> = life.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(
            actions,
            [
                "start", "pause", "unpause", "kill", "die", "stop", "start", "create"
            ]
        );
    }
}
