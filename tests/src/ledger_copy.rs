//! Everything that one peer has.

use crate::load::Receipt;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use e2l_client::LedgerClient;
use e2l_ledger::{Block, Canonical, Digest, ValidationCode};
use futures::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// Blocks read at once.
const AT_ONCE: usize = 32;

/// All blocks of a peer up to a height, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerCopy {
    /// Canonical bytes; block 1 first.
    pub encoded: Vec<Bytes>,
    /// The same, decoded.
    pub blocks: Vec<Block>,
}

impl LedgerCopy {
    /// Reads blocks 1 to `height` from the peer of `client`, and checks that they form a chain from `genesis`
    /// on.
    ///
    /// # Errors
    /// A block cannot be read, or does not fit.
    pub async fn read(client: &LedgerClient, genesis: Digest, height: u64) -> Result<Self> {
        let encoded: Vec<Bytes> = futures::stream::iter(1..=height)
            .map(|height| async move { Ok::<_, anyhow::Error>(client.block(height).await?.block) })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut blocks = Vec::with_capacity(encoded.len());
        let mut previous = genesis;
        for (bytes, height) in encoded.iter().zip(1..) {
            let block = Block::decode(bytes).with_context(|| format!("block {height}"))?;
            ensure!(
                block.header.height == height,
                "block {height} says {}",
                block.header.height
            );
            ensure!(
                block.header.previous == previous,
                "block {height} does not follow"
            );
            ensure!(block.is_consistent(), "block {height} is not consistent");
            previous = block.header.digest();
            blocks.push(block);
        }
        Ok(Self { encoded, blocks })
    }

    /// State root after the last block.
    pub fn state_root(&self) -> Option<Digest> {
        self.blocks.last().map(|block| block.header.state_root)
    }

    /// Where each transaction is: height, index in its block, code.
    ///
    /// # Errors
    /// One is there twice.
    pub fn transactions(&self) -> Result<BTreeMap<Digest, (u64, usize, ValidationCode)>> {
        let mut all = BTreeMap::new();
        for block in &self.blocks {
            for (index, result) in block.results.iter().enumerate() {
                let place = (block.header.height, index, result.code);
                let before = all.insert(result.id, place);
                ensure!(
                    before.is_none(),
                    "transaction {} is at {before:?} and {place:?}",
                    result.id
                );
            }
        }
        Ok(all)
    }

    /// Checks that everything acknowledged is here, at the acknowledged place, valid, and once.
    ///
    /// # Errors
    /// Names the first transaction that is not.
    pub fn check_receipts(&self, receipts: &[Receipt]) -> Result<()> {
        let all = self.transactions()?;
        for receipt in receipts {
            for (id, offset) in receipt.transactions.iter().zip(0..) {
                let found = all.get(id);
                let index = receipt.answer.first_index as usize + offset;
                let expected = (receipt.answer.height, index, ValidationCode::Valid);
                ensure!(
                    found == Some(&expected),
                    "transaction {id} was acknowledged at {expected:?} and is at {found:?}"
                );
            }
        }
        Ok(())
    }
}
