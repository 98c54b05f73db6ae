//! Batches that name other code than the actors have approved: peers will never take them.

use super::{Progress, Refusal, Submitter};
use crate::clock::now_nano;
use crate::submit::peers::is_final;
use e2l_client::{VerifyError, learn_changes};
use e2l_ledger::proof::FinalHeader;

impl Submitter {
    /// A peer says that the actors have approved other code than a batch names. It may be behind, or this collector may.
    pub(super) async fn resolve_code(&mut self, peer: usize, why: &str) {
        let client = self.peers.client(peer).clone();
        tracing::warn!(peer = self.peers.actor(peer), %why, "asking what the actors have approved");
        // What it cannot show is asked of the others, all the time.
        let _ = learn_changes(&client, &self.anchor).await;
        let verifier = self.proving.verifier(&client);
        match verifier.sender_head_at(self.proving.sender()).await {
            Ok((head, Some(block))) if self.is_given_up(&block) => {
                tracing::warn!(
                    incarnation = head.incarnation,
                    last_batch = head.sequence,
                    "peers take no more of what was signed: it is recorded anew"
                );
                self.given_up = self.last_incarnation();
                self.unfinal.clear();
                let _ = self.proving.take_back();
                // Nobody listens only when the collector stops.
                let _ = self.progress.send(Progress::GivenUp(head));
            }
            Ok(_) => self.peers.is_behind(peer),
            Err(VerifyError::Client(error)) if is_final(&error) => {
                self.refused_by(peer, Refusal::of(&error));
            }
            Err(error) => {
                tracing::warn!(peer = self.peers.actor(peer), %error, "it does not prove where this collector stands");
                self.peers.failed(peer, None);
            }
        }
    }

    /// Whether something that waits will not be taken in any later block than this one, while what is recorded now would be.
    /// A block's time never lies before that of the one below: what has run out stays so, unless the actors decide anew.
    fn is_given_up(&self, block: &FinalHeader) -> bool {
        let config = self.anchor.newest();
        // Where nothing is taken there is no later block that would show the time; the peers' clocks are hardly further back.
        let drift_nano = i64::try_from(config.limits.clock_drift_ms.saturating_mul(1_000_000));
        let clock_nano = now_nano().saturating_sub(drift_nano.unwrap_or(i64::MAX));
        let time_nano = block.header.time_nano.max(clock_nano);
        let outdated = self.unfinal.iter().map(|unfinal| &unfinal.batch).any(|batch| {
            !config.takes_component(batch.component, time_nano) || !config.takes_executable(&batch.executable)
        });
        // Every later block is executed under this configuration, or one that has come after it.
        let knows_newest = block.header.height.saturating_add(1) >= self.anchor.newest_from();
        if outdated && knows_newest && !self.code.is_taken(&config, time_nano) {
            tracing::error!(
                alarm = true, executable = %self.code.executable(),
                "the actors have not approved what this collector runs now: nothing is submitted until they have, or it has what \
                 they approved"
            );
            return false;
        }
        outdated && knows_newest
    }

    fn last_incarnation(&self) -> u64 {
        self.unfinal
            .back()
            .map_or(self.given_up, |unfinal| unfinal.batch.incarnation)
    }
}
