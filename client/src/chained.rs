//! That final blocks, shown one by one and perhaps by several peers, are of one chain.

use crate::verifier::VerifyError;
use e2l_ledger::{Digest, Header};
use std::sync::{Mutex, PoisonError};

/// The run of blocks that were shown.
#[derive(Debug)]
struct Run {
    lowest: u64,
    /// What the lowest names as the block below it.
    below: Digest,
    highest: u64,
    /// Digest of the highest.
    top: Digest,
}

/// Blocks that were shown, in order upwards or downwards. Each is proven to be final by itself; that two are of one
/// ledger shows only in that one names the other.
#[derive(Debug, Default)]
pub(crate) struct Chained(Mutex<Option<Run>>);

impl Chained {
    /// Checks the next block against its neighbour. One that is no neighbour begins a new run.
    ///
    /// # Errors
    /// It does not follow, or is not followed.
    pub(crate) fn check(&self, header: &Header) -> Result<(), VerifyError> {
        let (height, digest) = (header.height, header.digest());
        let mut run = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let linked = match &mut *run {
            Some(run) if height == run.highest => digest == run.top,
            Some(run) if Some(height) == run.highest.checked_add(1) => {
                let follows = header.previous == run.top;
                (run.highest, run.top) = (height, digest);
                follows
            }
            Some(run) if height.checked_add(1) == Some(run.lowest) => {
                let followed = digest == run.below;
                (run.lowest, run.below) = (height, header.previous);
                followed
            }
            other => {
                *other = Some(Run {
                    lowest: height,
                    below: header.previous,
                    highest: height,
                    top: digest,
                });
                true
            }
        };
        if linked {
            return Ok(());
        }
        Err(VerifyError::Unlinked(height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers of a chain; `fork` makes it another one.
    fn chain(fork: u8, count: u64) -> Vec<Header> {
        let mut previous = Digest::ZERO;
        let headers = (1..=count).map(|height| {
            let header = Header {
                network: Digest::ZERO,
                height,
                previous,
                proposal: Digest([fork; 32]),
                data_root: Digest::ZERO,
                envelopes: 0,
                results_root: Digest::ZERO,
                transactions: 0,
                state_root: Digest::ZERO,
                config_root: Digest::ZERO,
                next_config_root: Digest::ZERO,
                time_nano: 0,
            };
            previous = header.digest();
            header
        });
        headers.collect()
    }

    #[test]
    fn blocks_of_one_chain_follow_each_other_up_and_down() {
        let blocks = chain(1, 9);
        let chained = Chained::default();
        for index in [4, 4, 3, 2, 5, 6, 1, 7] {
            chained.check(&blocks[index]).unwrap();
        }
    }

    #[test]
    fn a_block_of_another_chain_is_refused_above_below_and_in_the_same_place() {
        let (one, other) = (chain(1, 9), chain(2, 9));
        for (first, second) in [(4, 5), (4, 3), (4, 4)] {
            let chained = Chained::default();
            chained.check(&one[first]).unwrap();
            let refused = chained.check(&other[second]);
            let height = other[second].height;
            assert!(matches!(refused, Err(VerifyError::Unlinked(found)) if found == height));
        }
    }
}
