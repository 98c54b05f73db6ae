//! The task that does nothing but read. containerd keeps what a subscriber has not read, and nothing for one that is not
//! there: what happened meanwhile is known from its state only, so that each subscription begins with a gap.

use super::api::events::Envelope;
use super::client::{Client, ContainerdError};
use super::roster::Roster;
use super::selection::ContainerdOptions;
use super::wording;
use crate::backoff::Backoff;
use crate::clock::now_nano;
use crate::gap;
use crate::source::EngineIdentity;
use crate::source::intake::{Intake, Origin, PUBLISHED_WITHIN};
use crate::stats::SharedStats;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::Streaming;

/// Said while it is so.
const NOT_READ: &str = "containerd's events are not read: it does not answer";
/// Why each subscription begins with a gap.
const FORGETS: &str = "containerd remembers no events: what is not known from its state was not read";
/// containerd answers a subscription with the first event only. After so long it surely has begun.
const BEGUN: Duration = Duration::from_millis(500);
/// Name and version of the interface.
const API: &str = "containerd.services.events.v1";

/// See the module.
pub struct Reader {
    /// Where containerd is.
    pub socket: PathBuf,
    /// What of it is read.
    pub selection: ContainerdOptions,
    /// Takes what is read.
    pub intake: Arc<Intake>,
    /// Knows which tasks there are.
    pub roster: Arc<Mutex<Roster>>,
    /// Up to when everything was read, or is not this spool's, nanoseconds since the Unix epoch.
    pub read_nano: i64,
    /// What containerd was when it was last recorded.
    pub identity: Option<EngineIdentity>,
    /// Counts the subscriptions; even: there is none.
    pub epoch: watch::Sender<u64>,
    /// Takes whether it answers.
    pub stats: SharedStats,
}

impl Reader {
    /// Reads until nobody listens; connects again whenever the stream ends.
    pub async fn run(mut self) {
        let mut pauses = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        let intake = Arc::clone(&self.intake);
        self.stats.trouble(NOT_READ, true);
        loop {
            let ended = tokio::select! {
                ended = self.subscribe(&mut pauses) => ended,
                () = intake.closed() => return,
            };
            self.epoch.send_if_modified(|epoch| {
                let connected = !epoch.is_multiple_of(2);
                *epoch += u64::from(connected);
                connected
            });
            let why = match ended {
                Ok(()) => "it ended the stream".to_owned(),
                Err(error) => error.to_string(),
            };
            self.stats.trouble(NOT_READ, true);
            let pause = pauses.fail();
            tracing::warn!(
                socket = %self.socket.display(), %why, retry_ms = pause.as_millis(),
                "containerd's events stopped: connecting again"
            );
            tokio::select! {
                () = sleep(pause) => {}
                () = intake.closed() => return,
            }
        }
    }

    /// One subscription.
    async fn subscribe(&mut self, pauses: &mut Backoff) -> Result<(), ContainerdError> {
        let client = Client::connect(&self.socket).await?;
        self.greet(&client).await?;
        let mut begin = pin!(client.subscribe());
        let early = tokio::select! {
            stream = &mut begin => Some(stream?),
            () = sleep(BEGUN) => None,
        };
        // It is still the same.
        client.version().await?;
        let begun_nano = now_nano();
        self.say_gap(begun_nano);
        self.epoch.send_modify(|epoch| *epoch += 1);
        self.stats.trouble(NOT_READ, false);
        pauses.reset();
        let stream = match early {
            Some(stream) => stream,
            None => begin.await?,
        };
        self.read(stream).await
    }

    async fn greet(&mut self, client: &Client) -> Result<(), ContainerdError> {
        let identity = EngineIdentity {
            name: "containerd",
            version: client.version().await?,
            api: API.to_owned(),
        };
        tracing::info!(
            socket = %self.socket.display(), version = %identity.version, "reading containerd's events"
        );
        if self.identity.as_ref() != Some(&identity) {
            let address = format!("unix://{}", self.socket.display());
            self.intake
                .say(identity.statement(self.intake.collector(), &address, now_nano()));
            self.identity = Some(identity);
        }
        Ok(())
    }

    /// What was before is known from its state only.
    fn say_gap(&mut self, to_nano: i64) {
        tracing::warn!(
            alarm = true, socket = %self.socket.display(),
            "containerd remembers no events: a gap is recorded, and what its state shows is inferred"
        );
        let from_nano = self.read_nano.saturating_sub(PUBLISHED_WITHIN);
        let bounds = (from_nano.min(to_nano), to_nano);
        self.intake
            .say(gap::unproven(self.intake.collector(), FORGETS, bounds));
        self.read_nano = to_nano;
    }

    async fn read(&mut self, mut stream: Streaming<Envelope>) -> Result<(), ContainerdError> {
        loop {
            let message = stream.message().await;
            let Some(envelope) = message.map_err(ContainerdError::interrupted)? else {
                return Ok(());
            };
            if !self.selection.selects(&envelope.namespace) {
                continue;
            }
            let event = wording::event(&envelope, &mut self.roster.lock());
            match event {
                Ok(Some(event)) => {
                    self.read_nano = event.time_nano;
                    self.intake.offer(event, Origin::Stream, now_nano());
                }
                Ok(None) => {}
                Err(error) => tracing::error!(
                    %error, topic = %envelope.topic, "containerd emitted an event that cannot be read"
                ),
            }
        }
    }
}
