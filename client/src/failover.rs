//! The same call at one peer after another.

use crate::backoff::Backoff;
use crate::error::ClientError;
use crate::introduction::Introduction;
use crate::link::{LedgerStub, Link};
use crate::options::ClientOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

/// What an attempt can end in besides an answer.
pub(crate) enum Failure {
    /// The call's status.
    Status(Status),
    /// Something already understood.
    Error(ClientError),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Error(error)
    }
}

/// Peers in order of preference.
#[derive(Clone)]
pub(crate) struct Failover {
    pub(crate) links: Arc<[Arc<Link>]>,
    pub(crate) options: ClientOptions,
    pub(crate) introduction: Option<Introduction>,
}

impl Failover {
    /// Makes `attempt` at the peers in turn until one answers, none is left, and patience has run out. Only
    /// calls that may be made twice belong here.
    pub(crate) async fn call<T, F>(
        &self,
        name: &'static str,
        limit: Duration,
        attempt: impl Fn(LedgerStub, String) -> F,
    ) -> Result<(T, Arc<Link>), ClientError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let deadline = Instant::now() + self.options.patience;
        let mut pauses = Backoff::new(self.options.pause, self.options.max_pause);
        loop {
            let mut failures = Vec::new();
            for link in self.in_order() {
                let mut answer = Self::attempt(&link, name, limit, &attempt).await;
                if answer.is_err() && self.is_introduced_by(&link).await {
                    answer = Self::attempt(&link, name, limit, &attempt).await;
                }
                match answer {
                    Ok(answer) => return Ok((answer, link)),
                    Err(error) if error.is_transient() => {
                        tracing::debug!(peer = %link.peer.actor, call = name, %error, "peer failed");
                        failures.push(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            let asked = failures.iter().filter_map(ClientError::retry_after).min();
            let pause = pauses.fail().max(asked.unwrap_or_default());
            if Instant::now() + pause > deadline {
                return Err(summary(failures));
            }
            sleep(pause).await;
        }
    }

    /// Whether a peer's certificate may be trusted now that was refused.
    async fn is_introduced_by(&self, link: &Link) -> bool {
        match &self.introduction {
            Some(introduction) if link.target().is_untrusted() => introduction.by(link).await,
            _ => false,
        }
    }

    /// Peers that failed a moment ago come last.
    fn in_order(&self) -> Vec<Arc<Link>> {
        let mut links: Vec<_> = self.links.iter().map(|link| (link.is_resting(), link)).collect();
        links.sort_by_key(|(resting, _)| *resting);
        links.into_iter().map(|(_, link)| Arc::clone(link)).collect()
    }

    async fn attempt<T, F>(
        link: &Link,
        name: &'static str,
        limit: Duration,
        attempt: impl Fn(LedgerStub, String) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let outcome = match timeout(limit, attempt(link.stub()?, link.address().to_owned())).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Failure::Status(status))) => Err(link.error(&status)),
            Ok(Err(Failure::Error(error))) => Err(error),
            Err(_) => Err(ClientError::Timeout {
                address: link.address().to_owned(),
                call: name,
                after: limit,
            }),
        };
        match &outcome {
            Err(error) if error.is_transient() => link.failed(),
            _ => link.worked(),
        }
        outcome
    }
}

/// One failure as it is. Of several, a refusal says most: somebody was reachable. Else all of them.
fn summary(mut failures: Vec<ClientError>) -> ClientError {
    let refused = |error: &ClientError| matches!(error, ClientError::Refused { .. });
    if let Some(at) = failures.iter().position(refused) {
        return failures.swap_remove(at);
    }
    if failures.len() == 1 {
        return failures.swap_remove(0);
    }
    ClientError::NoPeer {
        tried: failures.len(),
        attempts: failures
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; "),
    }
}
