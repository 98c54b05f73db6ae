//! Walks the whole ledger in the background, again and again, at a bounded rate: damage is found before anybody
//! asks for what is damaged.

use crate::chain_thread::ChainThread;
use crate::node::Node;
use crate::repair::{Damage, Damaged};
use crate::soundness::{Unsound, sound_block};
use crate::votes_in::now_nano;
use e2l_ledger::{LogHead, StateKey};
use e2l_store::StoreError;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Interval;

/// Keys read at a time.
const KEYS: usize = 256;
/// Keys counted at a time.
const KEYS_COUNTED: usize = 4096;

/// Settings of the scrubber.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScrubOptions {
    /// Blocks, and thousands of log entries, checked a second; 0 turns the scrubber off.
    pub blocks_per_second: u32,
}

impl Default for ScrubOptions {
    fn default() -> Self {
        Self {
            blocks_per_second: 50,
        }
    }
}

/// How far the scrubber is.
#[derive(Debug, Default)]
pub struct ScrubProgress {
    /// Height checked last.
    height: AtomicU64,
    /// When it last came to the newest height, nanoseconds since the Unix epoch; 0 for never.
    last_pass: AtomicI64,
}

impl ScrubProgress {
    /// Height checked last.
    pub fn height(&self) -> u64 {
        self.height.load(Ordering::Relaxed)
    }

    /// When the last full pass ended, nanoseconds since the Unix epoch; 0 for never.
    pub fn last_pass_nano(&self) -> i64 {
        self.last_pass.load(Ordering::Relaxed)
    }
}

/// Runs until the process ends.
pub async fn scrub(node: Arc<Node>, chain: ChainThread, options: ScrubOptions) {
    if options.blocks_per_second == 0 {
        return;
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / options.blocks_per_second);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut scrubber = Scrubber { node, chain, ticks };
    loop {
        match scrubber.pass().await {
            Ok(true) => scrubber.node.scrub.last_pass.store(now_nano(), Ordering::Relaxed),
            // What is damaged is looked at again when it is repaired.
            Ok(false) => {}
            Err(Stopped) => return,
        }
        // A small ledger is not read fifty times a second.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The process is about to end.
struct Stopped;

struct Scrubber {
    node: Arc<Node>,
    chain: ChainThread,
    ticks: Interval,
}

impl Scrubber {
    /// One walk over everything; says whether all of it holds.
    async fn pass(&mut self) -> Result<bool, Stopped> {
        // A damaged state is served at once by queries, and ends in a restore: it comes first.
        let mut clean = self.state().await? && self.state_is_complete().await?;
        let mut height = 1;
        while height <= self.node.with_finality(|finality| finality.final_height()) {
            self.ticks.tick().await;
            let node = self.node.clone();
            let damage = blocking(move || check_block(&node, height)).await?;
            clean &= self.report(damage);
            self.node.scrub.height.store(height, Ordering::Relaxed);
            height += 1;
        }
        // Nothing is final yet, and there is nothing to say about it.
        clean &= height > 1;
        clean &= self.logs().await?;
        Ok(clean)
    }

    async fn logs(&mut self) -> Result<bool, Stopped> {
        let mut clean = true;
        let mut after: Option<StateKey> = None;
        loop {
            let (node, from) = (self.node.clone(), after.clone());
            let found = blocking(move || node.store.view().logs_after(from.as_ref(), KEYS)).await?;
            let keys = self.readable(found).unwrap_or_default();
            let Some(last) = keys.last() else {
                return Ok(clean);
            };
            after = Some(last.clone());
            for key in keys {
                clean &= self.log(key).await?;
            }
        }
    }

    async fn log(&mut self, key: StateKey) -> Result<bool, Stopped> {
        let mut found = LogHead::default();
        loop {
            self.ticks.tick().await;
            let (node, log, mut so_far) = (self.node.clone(), key.clone(), found);
            let (checked, so_far) = blocking(move || {
                let checked = node.store.view().check_log_further(&log, &mut so_far);
                (checked, so_far)
            })
            .await?;
            found = so_far;
            match checked {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) if error.is_damage() => {
                    // A log reads its values from blocks, whose damage is their own.
                    let what = match error.damaged_height() {
                        Some(height) => Damaged::Block(height),
                        None => Damaged::Log(key),
                    };
                    return Ok(self.report(Some((what, error.to_string()))));
                }
                Err(error) => {
                    tracing::warn!(%error, "a log cannot be checked now");
                    return Ok(false);
                }
            }
        }
    }

    /// The state, compared with the map that was compared with the last header when the peer was started.
    async fn state(&mut self) -> Result<bool, Stopped> {
        let mut after: Option<StateKey> = None;
        loop {
            self.ticks.tick().await;
            let from = after.clone();
            let checked = self
                .chain
                .run(move |chain| chain.check_state(from.as_ref(), KEYS))
                .await;
            match checked {
                Ok(Ok(Some(last))) => after = Some(last),
                Ok(Ok(None)) => return Ok(true),
                Ok(Err(error)) => {
                    self.node.must_restore(&error.to_string());
                    return Ok(false);
                }
                Err(_) => return Err(Stopped),
            }
        }
    }

    /// That no key is missing: each that is there was compared, and a key that is gone compares with nothing.
    async fn state_is_complete(&mut self) -> Result<bool, Stopped> {
        let taken = self.chain.run(|chain| Ok(chain.state())).await;
        let Ok(Ok((view, expected))) = taken else {
            return Err(Stopped);
        };
        let (mut after, mut found) = (None, 0);
        loop {
            self.ticks.tick().await;
            let (view, from) = (view.clone(), after.clone());
            let counted = blocking(move || view.count_state(from.as_ref(), KEYS_COUNTED)).await?;
            let Some((last, count)) = self.readable(counted) else {
                return Ok(false);
            };
            found += count;
            match last {
                Some(last) => after = Some(last),
                None if found == expected => return Ok(true),
                None => {
                    self.node.must_restore(&format!(
                        "its state has {found} keys, {expected} were executed: some were removed or added"
                    ));
                    return Ok(false);
                }
            }
        }
    }

    fn readable<T>(&self, found: Result<T, StoreError>) -> Option<T> {
        found
            .map_err(|error| tracing::warn!(%error, "the ledger cannot be checked now"))
            .ok()
    }

    /// Says whether there is no damage.
    fn report(&self, damage: Option<(Damaged, String)>) -> bool {
        let Some((what, why)) = damage else { return true };
        self.node.report(Damage {
            what,
            found_by: "scrub",
            why,
        });
        false
    }
}

fn check_block(node: &Node, height: u64) -> Option<(Damaged, String)> {
    let checked = sound_block(node, height).and_then(|found| match found {
        Some((block, _)) => Ok(node.store.view().index_fault(&block)?),
        None => Ok(None),
    });
    match checked {
        Ok(fault) => fault.map(|why| (Damaged::Index(height), why)),
        Err(Unsound::Damaged { height, why }) => Some((Damaged::Block(height), why)),
        Err(Unsound::Unproven(why)) => {
            tracing::debug!(height, %why, "not proven now");
            None
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Stopped> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Stopped)
}
