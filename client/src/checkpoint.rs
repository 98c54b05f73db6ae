//! What a client has proven before: whatever it is shown later must be of the same chain, and no older.

use crate::client::LedgerClient;
use crate::config_changes::learn_changes;
use crate::verifier::VerifyError;
use crate::wire;
use e2l_ledger::proof::{AncestryProof, Anchor, ProofError};
use e2l_ledger::{Canonical, Digest, Header};
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// Headers asked for at a time: a stream of blocks needs the next ones, too.
const AHEAD: u32 = 1024;
/// Headers kept, 40 bytes each.
const KEPT: usize = 1 << 20;

/// A final header that was proven once (DESIGN section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its height.
    pub height: u64,
    /// Its digest.
    pub header: Digest,
}

/// A checkpoint, and headers that were proven to be of its chain.
pub(crate) struct Chain {
    checkpoint: Checkpoint,
    known: Mutex<BTreeMap<u64, Digest>>,
}

impl Chain {
    pub(crate) fn of(checkpoint: Checkpoint) -> Self {
        let known = BTreeMap::from([(checkpoint.height, checkpoint.header)]);
        Self {
            checkpoint,
            known: Mutex::new(known),
        }
    }

    /// Whether the newest block that a peer shows is not older than the checkpoint.
    pub(crate) fn check_newest(&self, height: u64) -> Result<(), VerifyError> {
        if height >= self.checkpoint.height {
            return Ok(());
        }
        Err(VerifyError::Behind {
            shown: height,
            checkpoint: self.checkpoint.height,
        })
    }

    /// Whether a final header is of the checkpoint's chain; asks for the proof if that is not known yet.
    pub(crate) async fn check(
        &self,
        header: &Header,
        client: &LedgerClient,
        anchor: &Anchor,
    ) -> Result<(), VerifyError> {
        // Held while it asks: the answer serves those who wait.
        let mut known = self.known.lock().await;
        if !known.contains_key(&header.height) {
            if known.len() > KEPT {
                known.retain(|height, _| *height == self.checkpoint.height);
            }
            self.learn(header.height, &mut known, client, anchor).await?;
        }
        match known.get(&header.height) {
            Some(of_chain) if *of_chain == header.digest() => Ok(()),
            Some(_) => Err(self.fork(header.height)),
            None => Err(VerifyError::OtherSubject(format!(
                "headers without that of height {}",
                header.height
            ))),
        }
    }

    /// Learns headers from a height on that are of the chain.
    async fn learn(
        &self,
        from: u64,
        known: &mut BTreeMap<u64, Digest>,
        client: &LedgerClient,
        anchor: &Anchor,
    ) -> Result<(), VerifyError> {
        let range = |from, count| wire::HeightRange { from, count };
        let ranges = vec![range(self.checkpoint.height, 1), range(from, AHEAD)];
        let reply = client.ancestry(wire::GetAncestryRequest { ranges }).await?;
        let proof = AncestryProof::decode(&reply.proof)?;
        let newest = match proof.verify(anchor) {
            Err(ProofError::Configuration {
                changed_later: true, ..
            }) => {
                learn_changes(client, anchor).await?;
                proof.verify(anchor)
            }
            verified => verified,
        };
        let newest = newest?.header;
        self.check_newest(newest.height)?;
        let newest = (newest.height, newest.digest());
        let of_chain = match newest {
            (height, header) if height == self.checkpoint.height => Some(header),
            _ => proof.header(self.checkpoint.height),
        };
        match of_chain {
            Some(header) if header == self.checkpoint.header => {}
            Some(_) => return Err(self.fork(self.checkpoint.height)),
            None => {
                return Err(VerifyError::OtherSubject(
                    "headers without the checkpoint's".to_owned(),
                ));
            }
        }
        for range in proof.ranges {
            known.extend((range.from..).zip(range.headers));
        }
        known.extend([newest]);
        Ok(())
    }

    fn fork(&self, height: u64) -> VerifyError {
        VerifyError::Fork {
            height,
            checkpoint: self.checkpoint.height,
        }
    }
}
