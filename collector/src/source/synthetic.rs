//! Invented events, like those of an engine in form and size (about 600 bytes).

use super::{Resume, Source, SourceError, Sourced};
use crate::clock::now_nano;
use e2l_ledger::event::{Event, EventKind, Facts, Observation};
use futures::future::BoxFuture;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

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

/// What is invented.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntheticOptions {
    /// Events a second; without it, or with 0, as fast as they become final.
    #[serde(default)]
    pub rate: Option<f64>,
    /// Containers that they are about.
    #[serde(default = "default_containers")]
    pub containers: u32,
    /// How many events, if that is the end.
    #[serde(default)]
    pub events: Option<u64>,
    /// For how many seconds, if that is the end.
    #[serde(default)]
    pub duration_s: Option<u64>,
    /// Makes the same ids again.
    #[serde(default)]
    pub seed: Option<u64>,
}

fn default_containers() -> u32 {
    10
}

/// Where nothing is configured: slow enough to watch.
impl Default for SyntheticOptions {
    fn default() -> Self {
        Self {
            rate: Some(2.0),
            containers: default_containers(),
            events: None,
            duration_s: None,
            seed: None,
        }
    }
}

/// See the module.
pub struct SyntheticSource {
    options: SyntheticOptions,
}

impl SyntheticSource {
    /// With these options.
    pub fn new(options: SyntheticOptions) -> Self {
        Self { options }
    }
}

impl Source for SyntheticSource {
    fn name(&self) -> String {
        "synthetic".to_owned()
    }

    fn repeats(&self) -> bool {
        false
    }

    fn waits(&self) -> bool {
        true
    }

    fn run(
        self: Box<Self>,
        _resume: Resume,
        events: mpsc::Sender<Sourced>,
    ) -> BoxFuture<'static, Result<(), SourceError>> {
        Box::pin(async move {
            invent(&self.options, events).await;
            Ok(())
        })
    }
}

async fn invent(options: &SyntheticOptions, events: mpsc::Sender<Sourced>) {
    let mut world = World::new(options);
    let (start, start_nano) = (Instant::now(), now_nano());
    let end = options.duration_s.map(Duration::from_secs);
    let rate = options.rate.unwrap_or_default();
    for number in 0..options.events.unwrap_or(u64::MAX) {
        let after = due(rate, number);
        let passed = after.unwrap_or_else(|| start.elapsed());
        if end.is_some_and(|end| passed >= end) {
            return;
        }
        // The latency counts from when the event was meant to happen, so that a stall shows in every event that
        // it delays.
        let since_nano = match after {
            Some(after) => {
                tokio::select! {
                    () = tokio::time::sleep_until(start + after) => {}
                    () = events.closed() => return,
                }
                start_nano.saturating_add(i64::try_from(after.as_nanos()).unwrap_or(i64::MAX))
            }
            None => 0,
        };
        let Ok(place) = events.reserve().await else { return };
        let now = now_nano();
        let since_nano = if since_nano == 0 { now } else { since_nano };
        place.send(Sourced {
            event: world.event(number, since_nano, now),
            since_nano,
            line: 0,
        });
    }
}

/// When an event is meant to happen, from the start on; `None`: at once.
fn due(rate: f64, number: u64) -> Option<Duration> {
    (rate > 0.0).then(|| Duration::try_from_secs_f64(number as f64 / rate).unwrap_or(Duration::MAX))
}

struct World {
    ids: Vec<String>,
    host: String,
}

impl World {
    fn new(options: &SyntheticOptions) -> Self {
        let mut random = match options.seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => StdRng::from_os_rng(),
        };
        let mut id = |bytes: usize| {
            let mut buffer = vec![0; bytes];
            random.fill_bytes(&mut buffer);
            hex::encode(buffer)
        };
        Self {
            ids: (0..options.containers.max(1)).map(|_| id(32)).collect(),
            host: id(12),
        }
    }

    fn event(&mut self, number: u64, time_nano: i64, received_nano: i64) -> Event {
        let containers = self.ids.len() as u64;
        let index = (number % containers) as usize;
        let action = ACTIONS[(number / containers) as usize % ACTIONS.len()];
        let image = IMAGES[index % IMAGES.len()];
        Event {
            kind: EventKind::Container,
            action: action.to_owned(),
            actor_id: self.ids[index].clone(),
            attributes: self.attributes(index, image, action),
            scope: "local".to_owned(),
            time: time_nano / 1_000_000_000,
            time_nano,
            received_nano,
            sequence: 0,
            observation: Observation::Observed,
            facts: facts(action, time_nano),
        }
    }

    fn attributes(&self, index: usize, image: &str, action: &str) -> BTreeMap<String, String> {
        let service = format!("shop_api-{}", index % 16);
        let mut attributes = vec![
            ("com.docker.swarm.node.id", self.host.clone()),
            ("com.docker.swarm.service.name", service.clone()),
            ("com.docker.swarm.task.name", format!("{service}.{index}")),
            ("image", image.to_owned()),
            ("maintainer", "Platform team <platform@example.org>".to_owned()),
            ("name", format!("{service}.{index}.synthetic")),
            (
                "org.opencontainers.image.source",
                "https://git.example.org/shop/api".to_owned(),
            ),
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

fn facts(action: &str, time_nano: i64) -> Option<Facts> {
    let image_digest = Some(format!("sha256:{}", "5".repeat(64)));
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

    async fn all(options: SyntheticOptions) -> Vec<Event> {
        let (sender, mut receiver) = mpsc::channel(4096);
        invent(&options, sender).await;
        let mut events = Vec::new();
        while let Ok(sourced) = receiver.try_recv() {
            events.push(sourced.event);
        }
        events
    }

    #[tokio::test]
    async fn as_many_as_asked_of_the_size_of_real_ones() {
        let options = SyntheticOptions {
            rate: None,
            events: Some(100),
            seed: Some(1),
            ..Default::default()
        };
        let events = all(options.clone()).await;
        assert_eq!(events.len(), 100);
        let size = events.iter().map(|event| event.encode().len()).sum::<usize>() / 100;
        assert!((450..750).contains(&size), "{size} bytes");
        let ids = |events: &[Event]| events.iter().map(|e| e.actor_id.clone()).collect::<Vec<_>>();
        assert!(events.iter().all(|event| event.actor_id.len() == 64));
        assert_eq!(
            ids(&events),
            ids(&all(options).await),
            "a seed makes the same ids"
        );
    }

    #[tokio::test]
    async fn a_rate_and_a_time_make_a_number() {
        let options = SyntheticOptions {
            rate: Some(3000.0),
            duration_s: Some(1),
            ..Default::default()
        };
        assert_eq!(all(options).await.len(), 3000);
    }
}
