//! Events of a container engine, as they happen.
//!
//! Two tasks: one does nothing but read, because the engine skips a subscriber that does not; the other asks
//! for facts and passes on, in order.

use super::engine_event::EngineEvent;
use super::{Resume, Source, SourceError, SourceSpec, Sourced, facts};
use crate::backoff::Backoff;
use crate::clock::now_nano;
use crate::gap;
use crate::recent::{Fingerprint, fingerprint};
use bollard::query_parameters::EventsOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};
use e2l_ledger::event::Event;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;

/// Raw events that may wait for their facts: at 2 KB each, 64 MB.
const RAW_EVENTS: usize = 32_768;
/// With more than this waiting, facts are left out until the backlog is gone.
const FACTS_BACKLOG: usize = 512;
/// Inspections at the same time.
const INSPECTIONS: usize = 16;
/// Longest wait for the engine to answer a request, seconds.
const ANSWER_SECONDS: u64 = 30;
/// Where the engine is, unless `DOCKER_HOST` says.
const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";

/// See the module.
pub struct DockerSource {
    address: String,
}

impl DockerSource {
    /// The engine that `spec` names.
    pub fn new(spec: &SourceSpec) -> Self {
        let address = match spec {
            SourceSpec::Socket(path) => format!("unix://{}", path.display()),
            _ => std::env::var("DOCKER_HOST")
                .ok()
                .filter(|host| !host.is_empty())
                .unwrap_or_else(|| DEFAULT_SOCKET.to_owned()),
        };
        Self { address }
    }
}

impl Source for DockerSource {
    fn name(&self) -> String {
        format!("docker at {}", self.address)
    }

    fn repeats(&self) -> bool {
        true
    }

    fn waits(&self) -> bool {
        false
    }

    fn run(
        self: Box<Self>,
        resume: Resume,
        events: mpsc::Sender<Sourced>,
    ) -> BoxFuture<'static, Result<(), SourceError>> {
        Box::pin(async move {
            check_address(&self.address)?;
            let (raw, waiting) = mpsc::channel(RAW_EVENTS);
            let reader = Reader {
                address: self.address.clone(),
                raw,
                gaps: events.clone(),
                newest: resume.newest.map(Newest::Taken),
                floor_nano: resume.floor_nano,
                collector: resume.collector,
            };
            let reading = reader.run();
            let passing = pass_on(&self.address, waiting, events);
            // Each on a thread's time of its own: decoding facts must not delay the reading. The set ends both
            // when this task is aborted.
            let mut tasks = JoinSet::new();
            tasks.spawn(reading);
            tasks.spawn(passing);
            while tasks.join_next().await.is_some() {}
            Ok(())
        })
    }
}

fn check_address(address: &str) -> Result<(), SourceError> {
    let known = ["unix://", "tcp://", "http://"]
        .iter()
        .any(|scheme| address.starts_with(scheme));
    if known {
        return Ok(());
    }
    let why = "only unix://, tcp:// and http:// are known".to_owned();
    Err(SourceError::Engine {
        address: address.to_owned(),
        why,
    })
}

/// A client; connects at each request. A missing socket is an error here, and may be there later.
fn client(address: &str) -> Result<Docker, bollard::errors::Error> {
    if address.starts_with("unix://") {
        return Docker::connect_with_unix(address, ANSWER_SECONDS, API_DEFAULT_VERSION);
    }
    Docker::connect_with_http(address, ANSWER_SECONDS, API_DEFAULT_VERSION)
}

/// The event that was read last. While the engine remembers it, nothing after it is missing.
enum Newest {
    /// In this run.
    Read(EngineEvent),
    /// Before the collector was started.
    Taken(Fingerprint),
}

impl Newest {
    fn fingerprint(&self) -> Option<Fingerprint> {
        match self {
            Self::Taken(known) => Some(*known),
            Self::Read(event) => print_of(event.clone()),
        }
    }

    fn time_nano(&self) -> Option<i64> {
        match self {
            Self::Taken(_) => None,
            Self::Read(event) => Some(event.time_nano),
        }
    }
}

fn print_of(event: EngineEvent) -> Option<Fingerprint> {
    event.normalise(1).ok().flatten().map(|event| fingerprint(&event))
}

/// The task that reads.
struct Reader {
    address: String,
    raw: mpsc::Sender<(EngineEvent, i64)>,
    gaps: mpsc::Sender<Sourced>,
    newest: Option<Newest>,
    floor_nano: i64,
    collector: String,
}

impl Reader {
    /// Reads until nobody listens; connects again whenever the stream ends.
    async fn run(mut self) {
        let mut pauses = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        let raw = self.raw.clone();
        loop {
            let why = tokio::select! {
                why = self.read_once(&mut pauses) => why,
                () = raw.closed() => return,
            };
            let pause = pauses.fail();
            tracing::warn!(
                address = %self.address, %why, retry_ms = pause.as_millis(),
                "the engine's events stopped: connecting again"
            );
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = raw.closed() => return,
            }
        }
    }

    /// One subscription. Asks for everything that the engine still has: from a moment on, it would stop at the
    /// first older timestamp, and clocks step. Repeats are known by their content.
    async fn read_once(&mut self, pauses: &mut Backoff) -> String {
        let docker = match connect(&self.address).await {
            Ok(docker) => docker,
            Err(error) => return error.to_string(),
        };
        if let Err(error) = self.check_continuity(&docker).await {
            return error.to_string();
        }
        let mut stream = subscribe(&docker, None);
        while let Some(item) = stream.next().await {
            let event: EngineEvent = match item {
                Ok(message) => message.into(),
                Err(error) => return error.to_string(),
            };
            pauses.reset();
            if event.time_nano < self.floor_nano {
                continue;
            }
            match self.raw.try_send((event.clone(), now_nano())) {
                Ok(()) => self.newest = Some(Newest::Read(event)),
                Err(TrySendError::Closed(_)) => return "the collector stops".to_owned(),
                Err(TrySendError::Full(_)) => {
                    // The engine skips who does not read, silently: what it skips shows when the stream is opened
                    // again.
                    let waited = self.raw.reserve().await;
                    drop(waited);
                    return "the spool is too slow for the engine".to_owned();
                }
            }
        }
        "the engine ended the stream".to_owned()
    }

    /// Records a gap unless the engine remembers the event that was read last.
    async fn check_continuity(&mut self, docker: &Docker) -> Result<(), bollard::errors::Error> {
        let Some(newest) = self.newest.as_ref() else {
            return Ok(());
        };
        let (wanted, from_nano, to_nano) = (newest.fingerprint(), newest.time_nano(), now_nano());
        // With an end, the engine tells what it remembers and closes the stream.
        let mut remembered = subscribe(docker, Some(to_nano));
        while let Some(item) = remembered.next().await {
            if print_of(item?.into()) == wanted {
                return Ok(());
            }
        }
        tracing::error!(
            alarm = true, address = %self.address,
            "the engine does not remember the last event that was read: events may be missing, a gap is recorded"
        );
        let event = gap::not_continuous(&self.collector, from_nano, to_nano);
        // Said once: from here on there is nothing to be continuous with.
        self.newest = None;
        // Nobody takes it only when the collector stops; then the next start says it.
        let _ = self
            .gaps
            .send(Sourced {
                event,
                since_nano: to_nano,
                line: 0,
            })
            .await;
        Ok(())
    }
}

async fn connect(address: &str) -> Result<Docker, bollard::errors::Error> {
    let docker = client(address)?;
    let version = docker.version().await?;
    tracing::info!(
        %address,
        engine = version.version.as_deref().unwrap_or("unknown"),
        api = version.api_version.as_deref().unwrap_or("unknown"),
        "reading the engine's events"
    );
    Ok(docker)
}

/// Everything that the engine remembers, and then what happens, or only up to a moment.
fn subscribe(
    docker: &Docker,
    until_nano: Option<i64>,
) -> impl Stream<Item = Result<bollard::models::EventMessage, bollard::errors::Error>> + Unpin + use<> {
    let filters = HashMap::from([("type", vec!["container", "service"])]);
    let mut options = EventsOptionsBuilder::new().since("1").filters(&filters);
    if let Some(nano) = until_nano {
        options = options.until(&format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000));
    }
    Box::pin(docker.events(Some(options.build())))
}

fn pass_on(
    address: &str,
    waiting: mpsc::Receiver<(EngineEvent, i64)>,
    events: mpsc::Sender<Sourced>,
) -> impl Future<Output = ()> + Send + 'static {
    let address = address.to_owned();
    async move {
        let mut enriched = ReceiverWithBacklog(waiting)
            .filter_map(|(raw, received, backlog)| async move { Some((normalise(raw, received)?, backlog)) })
            .map(|(event, backlog)| with_facts(&address, event, backlog))
            .buffered(INSPECTIONS)
            .boxed();
        loop {
            let event = tokio::select! {
                next = enriched.next() => match next {
                    Some(event) => event,
                    None => return,
                },
                // Its end ends the reader too, which an engine without events would not notice.
                () = events.closed() => return,
            };
            let since_nano = event.received_nano;
            if events
                .send(Sourced {
                    event,
                    since_nano,
                    line: 0,
                })
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

/// Raw events, each with the number that waits behind it.
struct ReceiverWithBacklog(mpsc::Receiver<(EngineEvent, i64)>);

impl Stream for ReceiverWithBacklog {
    type Item = (EngineEvent, i64, usize);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = std::task::ready!(self.0.poll_recv(context));
        Poll::Ready(next.map(|(event, received)| (event, received, self.0.len())))
    }
}

fn normalise(raw: EngineEvent, received_nano: i64) -> Option<Event> {
    let action = raw.action.clone();
    raw.normalise(received_nano).unwrap_or_else(|error| {
        tracing::error!(%error, %action, "the engine emitted an event that cannot be recorded");
        None
    })
}

async fn with_facts(address: &str, mut event: Event, backlog: usize) -> Event {
    if facts::wanted(&event)
        && backlog < FACTS_BACKLOG
        && let Ok(docker) = client(address)
    {
        event.facts = facts::ask(&docker, &event).await;
    }
    event
}
