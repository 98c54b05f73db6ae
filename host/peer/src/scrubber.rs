//! Walks the whole ledger in the background, again and again, at a bounded rate: damage is found before anybody
//! asks for what is damaged.

use crate::node::Node;
use crate::repair::{Damage, Unsound, sound_block};
use crate::votes_in::now_nano;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Settings of the scrubber.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScrubOptions {
    /// Blocks checked a second; 0 turns the scrubber off.
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
pub async fn scrub(node: Arc<Node>, options: ScrubOptions) {
    if options.blocks_per_second == 0 {
        return;
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / options.blocks_per_second);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut height = 1;
    loop {
        ticks.tick().await;
        let newest = node.with_finality(|finality| finality.final_height());
        if height > newest {
            if newest > 0 {
                node.scrub.last_pass.store(now_nano(), Ordering::Relaxed);
            }
            height = 1;
            // A small ledger is not read fifty times a second.
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        }
        let (reader, at) = (node.clone(), height);
        match tokio::task::spawn_blocking(move || sound_block(&reader, at)).await {
            Ok(Err(Unsound::Damaged { height, why })) => node.report(Damage {
                height,
                found_by: "scrub",
                why,
            }),
            Ok(Err(Unsound::Unproven(why))) => tracing::debug!(height, %why, "not proven now"),
            Ok(Ok(_)) => {}
            Err(_) => return,
        }
        node.scrub.height.store(height, Ordering::Relaxed);
        height += 1;
    }
}
