//! Keeps to the component that is in force.

use super::component::Component;
use super::store::{CodeError, CodeStore};
use crate::stats::SharedStats;
use e2l_client::{LedgerClient, Verifier, VerifyError, learn_changes};
use e2l_ledger::proof::Anchor;
use e2l_ledger::{Digest, Limits, Member};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// Between two looks at the configuration that is known.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two attempts to get what is in force.
const RETRY: Duration = Duration::from_secs(3);
/// How long a start waits for peers to say what is in force.
const FIRST: Duration = Duration::from_secs(5);
/// Said while it is so.
const NOT_IN_USE: &str = "the component in force cannot be used: what is read is recorded by the one before";

/// What to record by from now on; `None`: the rules that are built in.
pub struct NewCode(pub Option<Component>);

/// Why the component in force is not in use.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("no peer shows component {0}")]
    NotShown(Digest),
}

/// See the module.
pub struct CodeFollower {
    client: LedgerClient,
    anchor: Arc<Anchor>,
    store: CodeStore,
    collector: Member,
    stats: SharedStats,
    /// What is in use, and the limits that it was made ready with.
    used: Option<Digest>,
    limits: Limits,
}

impl CodeFollower {
    /// Of a collector whose last event was recorded by `used`.
    pub fn new(
        client: LedgerClient,
        anchor: Arc<Anchor>,
        store: CodeStore,
        collector: Member,
        (used, stats): (Option<Digest>, SharedStats),
    ) -> Self {
        Self {
            limits: anchor.newest().limits.clone(),
            client,
            anchor,
            store,
            collector,
            stats,
            used,
        }
    }

    /// What to begin with: what is in force, if a peer says so soon. Where it is not to be had, a spool that was `resumed` goes
    /// on with what was recorded by last, and a new one waits.
    pub async fn first(&mut self, resumed: bool) -> Option<Component> {
        loop {
            // Peers that cannot be reached now are asked again while it runs.
            let heard = timeout(FIRST, self.learn()).await.unwrap_or(false);
            if heard || resumed {
                let newest = self.anchor.newest().collector_component();
                let wanted = if heard { newest } else { self.used };
                match self.obtain(wanted).await {
                    Ok(NewCode(component)) => {
                        self.used = wanted;
                        self.stats.trouble(NOT_IN_USE, false);
                        return component;
                    }
                    Err(error) => self.complain(&error),
                }
                if resumed
                    && wanted != self.used
                    && let Ok(NewCode(component)) = self.obtain(self.used).await
                {
                    return component;
                }
            }
            sleep(RETRY).await;
        }
    }

    /// Whether a peer has said how the configuration has changed.
    async fn learn(&self) -> bool {
        let actors: Vec<String> = self.client.peers().map(|peer| peer.actor.clone()).collect();
        for peer in actors.iter().filter_map(|actor| self.client.only(actor)) {
            if learn_changes(&peer, &self.anchor).await.is_ok() {
                return true;
            }
        }
        false
    }

    /// Gives every component that comes into force to `new`, once it is fetched, checked and compiled.
    pub async fn run(mut self, new: mpsc::UnboundedSender<NewCode>) {
        loop {
            let config = self.anchor.newest();
            let wanted = config.collector_component();
            let same_limits = wanted.is_none() || self.limits == config.limits;
            if wanted == self.used && same_limits {
                sleep(LOOK_EVERY).await;
                continue;
            }
            match self.obtain(wanted).await {
                Ok(code) => {
                    self.used = wanted;
                    self.limits = config.limits.clone();
                    self.stats.trouble(NOT_IN_USE, false);
                    if new.send(code).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    self.complain(&error);
                    sleep(RETRY).await;
                }
            }
        }
    }

    fn complain(&self, error: &Unusable) {
        self.stats.trouble(NOT_IN_USE, true);
        tracing::error!(alarm = true, %error, "the component in force cannot be used yet");
    }

    /// What is in force, checked; from the peers in turn.
    async fn obtain(&self, wanted: Option<Digest>) -> Result<NewCode, Unusable> {
        let actors: Vec<String> = self.client.peers().map(|peer| peer.actor.clone()).collect();
        let mut failed = None;
        for peer in actors.iter().filter_map(|actor| self.client.only(actor)) {
            let verifier = Verifier::new(peer, Arc::clone(&self.anchor));
            match self.obtain_from(&verifier, wanted).await {
                Ok(code) => return Ok(code),
                // Of several the first says most: those behind it are asked because of it.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or(Unusable::NotShown(wanted.unwrap_or(Digest::ZERO))))
    }

    async fn obtain_from(&self, verifier: &Verifier, wanted: Option<Digest>) -> Result<NewCode, Unusable> {
        let known = wanted.filter(|digest| self.store.has(digest));
        // What is in use was approved when it came into use.
        if wanted != self.used || known != wanted {
            let component = verifier.collector_code(known.as_ref()).await?;
            if let Some(component) = component {
                self.store.keep(&component, self.used.as_slice())?;
            }
        }
        match wanted {
            Some(digest) => Ok(NewCode(Some(self.prepare(digest).await?))),
            None => Ok(NewCode(None)),
        }
    }

    async fn prepare(&self, digest: Digest) -> Result<Component, Unusable> {
        let limits = &self.anchor.newest().limits;
        Ok(self.store.load(digest, limits, &self.collector).await?)
    }
}
