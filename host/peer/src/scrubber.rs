//! Walks the whole ledger in the background, again and again, at a bounded rate: damage is found before anybody
//! asks for what is damaged.

use crate::chain_thread::ChainThread;
use crate::node::Node;
use crate::repair::{Damage, Damaged};
use crate::soundness::{self, Unsound};
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
    /// Blocks, and pieces of logs and of the state, checked a second at most; 0 turns the scrubber off.
    pub blocks_per_second: u32,
    /// Transactions and log entries checked a second at most, on average. One costs about as much as it cost to
    /// execute it, so this bounds what the scrubber takes from a busy peer; at least 1.
    pub records_per_second: u32,
}

impl Default for ScrubOptions {
    fn default() -> Self {
        Self {
            blocks_per_second: 50,
            records_per_second: 500,
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
    let mut scrubber = Scrubber::new(node, chain, &options);
    loop {
        // What is damaged is looked at again when it is repaired.
        if let Err(Stopped) = scrubber.pass().await {
            return;
        }
        // A small ledger is not read fifty times a second.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The process is about to end.
#[derive(Debug)]
pub struct Stopped;

/// Walks over a ledger.
pub struct Scrubber {
    node: Arc<Node>,
    chain: ChainThread,
    pace: Interval,
    per_record: Duration,
}

impl Scrubber {
    /// Checks as much a second as `options` allow, and at least one of each.
    pub fn new(node: Arc<Node>, chain: ChainThread, options: &ScrubOptions) -> Self {
        let mut pace = tokio::time::interval(Duration::from_secs(1) / options.blocks_per_second.max(1));
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self {
            node,
            chain,
            pace,
            per_record: Duration::from_secs(1) / options.records_per_second.max(1),
        }
    }

    /// One walk over everything, which reports what is damaged; says whether all of it holds, and notes when.
    ///
    /// # Errors
    /// The process is about to end.
    pub async fn pass(&mut self) -> Result<bool, Stopped> {
        let clean = self.walk().await?;
        if clean {
            self.node.scrub.last_pass.store(now_nano(), Ordering::Relaxed);
        }
        Ok(clean)
    }

    async fn walk(&mut self) -> Result<bool, Stopped> {
        // A damaged state is served at once by queries, and ends in a restore: it comes first.
        let mut clean = self.state().await? && self.state_is_complete().await?;
        let mut height = 1;
        while height <= self.node.with_finality(|finality| finality.final_height()) {
            self.pace.tick().await;
            let node = self.node.clone();
            let (damage, transactions) = blocking(move || check_block(&node, height)).await?;
            clean &= self.report(damage);
            self.rest(transactions).await;
            self.node.scrub.height.store(height, Ordering::Relaxed);
            height += 1;
        }
        // Nothing is final yet, and there is nothing to say about it.
        clean &= height > 1;
        clean &= self.logs().await?;
        clean &= self.records().await?;
        Ok(clean)
    }

    /// Incidents, evidence, certificates of voters, and what was kept aside.
    async fn records(&mut self) -> Result<bool, Stopped> {
        let node = self.node.clone();
        let damaged = match blocking(move || node.store.damaged_kept()).await? {
            Err(error) if error.is_damage() => {
                self.node.must_restore(&error.to_string());
                return Ok(false);
            }
            damaged => self.readable(damaged).unwrap_or_default(),
        };
        for name in &damaged {
            self.pace.tick().await;
            self.report(Some((
                Damaged::Record(name.clone()),
                "its checksum does not hold".to_owned(),
            )));
        }
        Ok(damaged.is_empty())
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
            self.pace.tick().await;
            let before = found.length;
            let (node, log, mut so_far) = (self.node.clone(), key.clone(), found);
            let (checked, so_far) = blocking(move || {
                let checked = node.store.view().check_log_further(&log, &mut so_far);
                (checked, so_far)
            })
            .await?;
            found = so_far;
            self.rest(found.length - before).await;
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
            self.pace.tick().await;
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

    /// Waits as long as so many records may take.
    async fn rest(&self, records: u64) {
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        tokio::time::sleep(self.per_record.saturating_mul(records)).await;
    }

    /// That no key is missing: each that is there was compared, and a key that is gone compares with nothing.
    async fn state_is_complete(&mut self) -> Result<bool, Stopped> {
        let taken = self.chain.run(|chain| Ok(chain.state())).await;
        let Ok(Ok((view, expected))) = taken else {
            return Err(Stopped);
        };
        let (mut after, mut found) = (None, 0);
        loop {
            self.pace.tick().await;
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
        self.node.damage.report(Damage {
            what,
            found_by: "scrub",
            why,
        });
        false
    }
}

/// What is damaged, and how many transactions were checked.
fn check_block(node: &Node, height: u64) -> (Option<(Damaged, String)>, u64) {
    let checked = soundness::check_block(node, height);
    let fault = |block| match node.store.view().index_fault(&block) {
        Err(error) if error.is_damage() => Some(error.to_string()),
        Err(error) => {
            tracing::warn!(height, %error, "an index cannot be checked now");
            None
        }
        Ok(fault) => fault,
    };
    let mut transactions = 0;
    let damage = match checked {
        Ok(block) => {
            transactions = block
                .as_ref()
                .map_or(0, |block| u64::from(block.header.transactions));
            block.and_then(fault).map(|why| (Damaged::Index(height), why))
        }
        Err(Unsound::Damaged { height, why }) => Some((Damaged::Block(height), why)),
        Err(Unsound::Unproven(why)) => {
            tracing::debug!(height, %why, "not proven now");
            None
        }
    };
    (damage, transactions)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Stopped> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Stopped)
}
