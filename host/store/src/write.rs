//! Writing a block: one batch, one sync.

use crate::columns::{
    BATCHES, BLOCKS, HEADERS, LOGS, STATE, TRANSACTIONS, TX_INDEX, batch_key, half, log_key, log_node_key,
    transaction_key,
};
use crate::database::Database;
use crate::error::StoreError;
use crate::ledger_store::Tip;
use crate::log_run::{self, LogItem, LogRun};
use crate::records::Skeleton;
use crate::seal::{seal, seal_with};
use crate::transactions::TransactionWriter;
use crate::view::BatchPlace;
use crate::votes::ActorVote;
use borsh::BorshSerialize;
use e2l_ledger::{Block, Canonical, Digest, PackedCalls, StateKey, StatementHeader, Vote, pack_calls};
use rocksdb::WriteBatch;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

/// A block and everything that is written with it.
#[derive(Debug, Clone)]
pub struct BlockWrite<'a> {
    /// The block; the next of the chain.
    pub block: &'a Block,
    /// New values of state keys, log heads among them; `None` removes. Of several for a key the last counts.
    pub state: Vec<(StateKey, Option<Vec<u8>>)>,
    /// New entries of logs.
    pub logs: Vec<LogRun>,
    /// Raft's applied state after the block: opaque.
    pub raft_applied: &'a [u8],
    /// How the calls of each envelope are packed; those of an envelope that is not there are packed here.
    pub packed: Vec<Arc<Vec<PackedCalls>>>,
    /// Whether this peer acknowledges the block's proposal only now: the sign-once record is written with it.
    pub acknowledges: bool,
    /// This peer's endorsement of the block's header with its actor's name; the sign-once record is written
    /// with it.
    pub endorsement: Option<&'a ActorVote>,
}

impl BlockWrite<'_> {
    /// Whether it is the block after `tip`; says what does not fit.
    pub(crate) fn check(&self, tip: &Tip) -> Result<(), String> {
        let header = &self.block.header;
        if header.height != tip.height + 1 {
            return Err(format!("the next height is {}", tip.height + 1));
        }
        if header.network != tip.header.network {
            return Err(format!("it is of network {}", header.network));
        }
        if header.previous != tip.header_digest {
            return Err(format!(
                "it follows header {}, the last one is {}",
                header.previous, tip.header_digest
            ));
        }
        if header.time_nano < tip.header.time_nano {
            return Err("its time is before the last block's".to_owned());
        }
        if !self.block.is_consistent() {
            return Err("its header does not describe its proposal and results".to_owned());
        }
        Ok(())
    }

    /// Bytes that it takes in a batch, about: one that grows is copied each time.
    pub(crate) fn size(&self) -> usize {
        let envelopes: usize = self
            .block
            .proposal
            .envelopes
            .iter()
            .map(|envelope| envelope.size())
            .sum();
        let state = self
            .state
            .iter()
            .map(|(key, value)| key.as_bytes().len() + value.as_ref().map_or(0, Vec::len));
        envelopes
            + state.sum::<usize>()
            + 64 * (self.block.results.len() + self.state.len() + self.logs.len())
            + 8192
    }

    /// What is signed, if there is an endorsement.
    pub(crate) fn signed_header(&self, header_digest: Digest) -> Result<Option<Digest>, String> {
        match self.endorsement.map(|(_, signed)| &signed.vote) {
            None => Ok(None),
            Some(Vote::Endorsement(vote))
                if vote.header == header_digest
                    && vote.height == self.block.header.height
                    && vote.network == self.block.header.network =>
            {
                Ok(Some(header_digest))
            }
            Some(_) => Err("the vote with it does not endorse its header".to_owned()),
        }
    }

    /// Adds the block to a batch.
    pub(crate) fn put(
        &self,
        database: &Database,
        batch: &mut WriteBatch,
        skeleton: &Skeleton,
    ) -> Result<(), StoreError> {
        let height = self.block.header.height.to_be_bytes();
        let header = seal(HEADERS, &height, &self.block.header.encode());
        batch.put_cf(database.column(HEADERS)?, height, header);
        batch.put_cf(
            database.column(BLOCKS)?,
            height,
            seal(BLOCKS, &height, &skeleton.encode()),
        );
        self.put_transactions(database, batch, skeleton)?;
        self.put_batches(database, batch, skeleton)?;
        self.put_state(database, batch)?;
        self.put_logs(database, batch, skeleton)
    }

    fn put_transactions(
        &self,
        database: &Database,
        batch: &mut WriteBatch,
        skeleton: &Skeleton,
    ) -> Result<(), StoreError> {
        let height = self.block.header.height;
        let (transactions, ids) = (database.column(TRANSACTIONS)?, database.column(TX_INDEX)?);
        let packed = self.packed_calls();
        let mut refused = HashSet::new();
        let mut places = Vec::with_capacity(skeleton.results());
        let mut writer =
            TransactionWriter::new(height, |key, record| batch.put_cf(transactions, key, record));
        let envelopes = self.block.proposal.envelopes.iter().zip(&skeleton.envelopes);
        for ((envelope, part), groups) in envelopes.zip(&packed) {
            let calls = envelope.calls();
            // Skeleton::of has compared these lengths.
            let results = &self.block.results[part.first as usize..][..part.results as usize];
            if let ([result], true) = (results, part.refused) {
                writer.refused(calls, result);
                // The same envelope can be refused again and again: the first one keeps its place.
                if refused.insert(result.id) && !is_known(database, &result.id)? {
                    places.push((half(&result.id), transaction_key(height, part.first)));
                }
                continue;
            }
            let mut start = 0;
            for group in groups.iter() {
                let end = start + group.count as usize;
                writer.group(&calls[start..end], group, &results[start..end]);
                start = end;
            }
            let ids = results.iter().zip(part.first..);
            places.extend(ids.map(|(result, index)| (half(&result.id), transaction_key(height, index))));
        }
        writer.close();
        drop(writer);
        places.sort_unstable();
        for (id, place) in places {
            batch.put_cf(ids, id, place);
        }
        Ok(())
    }

    /// The calls of each envelope, packed: those that came with the block, if they are as many as its calls.
    fn packed_calls(&self) -> Vec<Cow<'_, [PackedCalls]>> {
        let envelopes = self.block.proposal.envelopes.iter().enumerate();
        let packed = envelopes.map(|(number, envelope)| {
            let calls = envelope.calls();
            let came = self.packed.get(number).map(|groups| groups.as_slice());
            let fits = |groups: &&[PackedCalls]| {
                groups.iter().map(|group| group.count as usize).sum::<usize>() == calls.len()
            };
            came.filter(fits)
                .map_or_else(|| pack_calls(calls).into(), Cow::Borrowed)
        });
        packed.collect()
    }

    fn put_batches(
        &self,
        database: &Database,
        batch: &mut WriteBatch,
        skeleton: &Skeleton,
    ) -> Result<(), StoreError> {
        let column = database.column(BATCHES)?;
        for envelope in skeleton.envelopes.iter().filter(|envelope| !envelope.refused) {
            let StatementHeader::Batch(header) = &envelope.statement else {
                continue;
            };
            let key = batch_key(&header.sender, header.incarnation, header.sequence);
            let place = BatchPlace {
                height: self.block.header.height,
                first_index: envelope.first,
                digest: header.digest(),
            };
            let mut record = Vec::new();
            seal_with(BATCHES, &key, &mut record, |record| {
                let written = place.serialize(record);
                debug_assert!(written.is_ok(), "memory accepts every byte");
            });
            batch.put_cf(column, key, record);
        }
        Ok(())
    }

    fn put_state(&self, database: &Database, batch: &mut WriteBatch) -> Result<(), StoreError> {
        let column = database.column(STATE)?;
        let mut state: Vec<_> = self.state.iter().collect();
        // In the order of their keys, in which the memtable takes them fastest; of several for one the last stays last.
        state.sort_by_key(|(key, _)| key);
        for (key, value) in state {
            match value {
                Some(value) => batch.put_cf(column, key.as_bytes(), value),
                None => batch.delete_cf(column, key.as_bytes()),
            }
        }
        Ok(())
    }

    fn put_logs(
        &self,
        database: &Database,
        batch: &mut WriteBatch,
        skeleton: &Skeleton,
    ) -> Result<(), StoreError> {
        let column = database.column(LOGS)?;
        let height = self.block.header.height;
        let mut records = Vec::with_capacity(2 * self.logs.len());
        for run in &self.logs {
            for item in &run.items {
                let executed = skeleton.envelope(item.index).is_some_and(|part| !part.refused);
                if !executed {
                    let why = format!(
                        "a log entry comes from index {}, which was not executed",
                        item.index
                    );
                    return Err(StoreError::BadBlock { height, why });
                }
            }
            let prefix = half(&run.log);
            records.push((log_key(&prefix, run.first), LogRecord::Run(&run.items)));
            let nodes = run.nodes.iter();
            records.extend(nodes.map(|node| {
                let key = log_node_key(&prefix, node.level, node.index);
                (key, LogRecord::Node(&node.root))
            }));
        }
        records.sort_unstable_by_key(|(key, _)| *key);
        let mut run = Vec::with_capacity(64);
        for (key, record) in records {
            match record {
                LogRecord::Node(root) => batch.put_cf(column, key, root.as_bytes()),
                LogRecord::Run(items) => {
                    run.clear();
                    log_run::write(height, items, &mut run);
                    batch.put_cf(column, key, &run);
                }
            }
        }
        Ok(())
    }
}

/// What a log's column holds.
enum LogRecord<'a> {
    Run(&'a [LogItem]),
    Node(&'a Digest),
}

fn is_known(database: &Database, id: &Digest) -> Result<bool, StoreError> {
    let known = database.db().get_pinned_cf(database.column(TX_INDEX)?, half(id));
    known
        .map(|place| place.is_some())
        .map_err(|error| database.read_error(TX_INDEX, error))
}
