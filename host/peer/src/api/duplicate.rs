//! The answer to a batch that is on the ledger already: what the block says, never what an index alone says.

use super::submit::{Settled, refuse};
use crate::evidence::{batches_of_number, check_batches};
use crate::node::Node;
use crate::pool::Pooled;
use crate::repair::{Damage, Damaged};
use crate::soundness::{Unsound, sound_block};
use crate::waiters::{answers, complete};
use e2l_client::refusal;
use e2l_client::wire::refusal::Reason;
use e2l_ledger::{BatchHeader, Block, Envelope, SignedBatch};
use e2l_store::StoreError;

/// The original answer.
///
/// # Errors
/// Its block is damaged or cannot be read.
pub(super) fn on_ledger(node: &Node, pooled: &Pooled) -> Result<Settled, Unsound> {
    let Envelope::Batch(batch) = &*pooled.envelope else {
        return Ok(refuse(refusal(
            Reason::Duplicate,
            "this request is already on the ledger",
        )));
    };
    let header = &batch.header;
    let Some(block) = block_of(node, header)? else {
        return not_found(node, header);
    };
    let height = block.header.height;
    if let Some(stored) = executed(&block, header)
        && stored.header.digest() != header.digest()
    {
        if let Some(known) = node.certificate(&stored.signature.certificate)? {
            check_batches(node, (stored, &known), (batch, &pooled.certificate))?;
        }
        let message = format!(
            "batch {} of incarnation {} is on the ledger at height {height} with another content: two batches may \
             never have one number",
            header.sequence, header.incarnation
        );
        return Ok(refuse(refusal(Reason::Conflict, message)));
    }
    let source = pooled.envelope.source();
    let answer = answers(&block)
        .into_iter()
        .find(|(envelope, _)| envelope.source() == source);
    let answer = answer.map_or_else(
        || {
            Err(refusal(
                Reason::Unavailable,
                "the block does not hold this batch: try another peer",
            ))
        },
        |(_, answer)| answer,
    );
    if node.with_finality(|finality| finality.final_height()) < height {
        let receiver = node.waiters.register_executed(height, answer);
        // It may have become final while we looked.
        node.settle();
        return Ok(Settled::Later(receiver));
    }
    let (endorsed_by, voters) =
        node.with_finality(|finality| (finality.endorsed_by(height), finality.voters(height)));
    Ok(Settled::Now(Box::new(
        answer.map(|settled| complete(settled, &endorsed_by, voters)),
    )))
}

/// The block that holds a batch of this sender and number, checked. The index of batches says where, and so do the
/// ids of its transactions: both may be damaged.
fn block_of(node: &Node, header: &BatchHeader) -> Result<Option<Block>, Unsound> {
    let view = node.newest().view;
    let noted = readable(view.batch(&header.sender, header.incarnation, header.sequence))?;
    let indexed = match noted {
        Some(place) => block_with(node, place.height, header)?.map(|block| (block, place.digest)),
        None => None,
    };
    if let Some((block, digest)) = &indexed
        && executed(block, header).is_some_and(|batch| batch.header.digest() == *digest)
    {
        return Ok(indexed.map(|(block, _)| block));
    }
    let block = match indexed {
        Some((block, _)) => Some(block),
        None => match readable(view.transaction(&header.transaction_id(0)))? {
            Some((height, _)) => block_with(node, height, header)?,
            None => None,
        },
    };
    if let Some(block) = &block {
        node.damage.report(Damage {
            what: Damaged::Index(block.header.height),
            found_by: "read",
            why: format!(
                "batch {} of {} is not found by its number",
                header.sequence, header.sender
            ),
        });
    }
    Ok(block)
}

/// A damaged index entry is as good as none.
fn readable<T>(found: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match found {
        Err(error) if error.is_damage() => Ok(None),
        found => found,
    }
}

fn block_with(node: &Node, height: u64, header: &BatchHeader) -> Result<Option<Block>, Unsound> {
    let is_final = height <= node.with_finality(|finality| finality.final_height());
    let block = if is_final {
        sound_block(node, height)?.map(|(block, _)| block)
    } else {
        // Whoever asks is not answered before it is final.
        node.newest().view.block(height)?
    };
    Ok(block.filter(|block| executed(block, header).is_some()))
}

/// The executed batch of this sender and number in a block.
fn executed<'a>(block: &'a Block, header: &BatchHeader) -> Option<&'a SignedBatch> {
    let mut batches = batches_of_number(block, header);
    let executed = batches.find(|(_, refused)| !refused);
    executed.map(|(batch, _)| batch)
}

/// Batches are executed without a gap, so one at or below the head of its incarnation is there.
fn not_found(node: &Node, header: &BatchHeader) -> Result<Settled, Unsound> {
    let head = node
        .ledger_head(&header.sender)
        .map_err(crate::proofs::NoProof::from)?;
    // They are counted from 1.
    let may_be = header.sequence > 0 && header.incarnation > 0;
    let there = may_be && head.incarnation == header.incarnation && header.sequence <= head.sequence;
    if there {
        node.damage.report(Damage {
            what: Damaged::Lookup(header.transaction_id(0)),
            found_by: "read",
            why: format!(
                "batch {} of {} is on the ledger and is not found",
                header.sequence, header.sender
            ),
        });
    }
    if there || (may_be && node.scrub.last_pass_nano() == 0) {
        let message = format!(
            "this peer's index does not find batch {} of incarnation {}, and it is or may be on the ledger: try \
             another peer",
            header.sequence, header.incarnation
        );
        return Ok(refuse(refusal(Reason::Unavailable, message)));
    }
    let message = format!(
        "batch {} of incarnation {} lies below the sender's last one and is not on the ledger: continue after the \
         sender's head",
        header.sequence, header.incarnation
    );
    Ok(refuse(refusal(Reason::SequenceGap, message)))
}
