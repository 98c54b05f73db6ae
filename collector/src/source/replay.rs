//! A recording of `docker events --format '{{json .}}'`.

use super::engine_event::{EngineEvent, LineError};
use super::{Given, Resume, Source, SourceError, Sourced};
use crate::clock::now_nano;
use e2l_ledger::event::Event;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How fast a recording is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ReplayPace {
    /// As fast as the ledger takes it.
    #[default]
    Instant,
    /// With the pauses of the recording.
    Recorded,
}

/// See the module.
pub struct ReplaySource {
    path: PathBuf,
    pace: ReplayPace,
}

impl ReplaySource {
    /// Of a file.
    pub fn new(path: &Path, pace: ReplayPace) -> Self {
        Self {
            path: path.to_owned(),
            pace,
        }
    }
}

/// When the first event was recorded and when it was replayed.
struct Pace {
    pace: ReplayPace,
    first: Option<(i64, Instant)>,
}

impl Pace {
    /// Waits until it is time for an event.
    async fn wait(&mut self, time_nano: i64) {
        if self.pace == ReplayPace::Instant {
            return;
        }
        let (first_nano, start) = *self.first.get_or_insert((time_nano, Instant::now()));
        let after = Duration::from_nanos(u64::try_from(time_nano - first_nano).unwrap_or_default());
        tokio::time::sleep_until(start + after).await;
    }
}

async fn replay(
    path: &Path,
    pace: ReplayPace,
    skip: u64,
    events: mpsc::Sender<Given>,
) -> Result<(), SourceError> {
    let unreadable = |source| SourceError::Read {
        path: path.to_owned(),
        source,
    };
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut lines = BufReader::new(file).lines();
    let mut pace = Pace { pace, first: None };
    let mut line = 0;
    while let Some(text) = lines.next_line().await.map_err(unreadable)? {
        line += 1;
        if line <= skip || text.trim().is_empty() {
            continue;
        }
        let failed = |source| SourceError::Line {
            path: path.to_owned(),
            line,
            source,
        };
        let Some(mut event) = read(&text).map_err(failed)? else {
            continue;
        };
        tokio::select! {
            () = pace.wait(event.time_nano) => {}
            () = events.closed() => return Ok(()),
        }
        event.received_nano = now_nano();
        let since_nano = event.received_nano;
        if events
            .send(Given::Event(Sourced {
                event,
                print: None,
                number: 0,
                since_nano,
                line,
            }))
            .await
            .is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}

fn read(line: &str) -> Result<Option<Event>, LineError> {
    EngineEvent::parse(line)?.normalise(now_nano())
}

impl Source for ReplaySource {
    fn name(&self) -> String {
        format!("replay:{}", self.path.display())
    }

    fn repeats(&self) -> bool {
        true
    }

    fn waits(&self) -> bool {
        true
    }

    fn run(
        self: Box<Self>,
        resume: Resume,
        events: mpsc::Sender<Given>,
    ) -> BoxFuture<'static, Result<(), SourceError>> {
        Box::pin(async move { replay(&self.path, self.pace, resume.lines, events).await })
    }
}
