//! Votes of all actors, beside the blocks. They can be asked for again, so they are not synced.

use crate::columns::{META, VOTES};
use crate::database::Database;
use crate::error::StoreError;
use crate::seal::{seal, unseal};
use e2l_ledger::{Canonical, SignedVote, Vote};
use parking_lot::{Mutex, RwLock};
use rocksdb::{DBRawIterator, ReadOptions, WriteBatch};
use std::collections::BTreeMap;

/// A vote and the name of the actor whose peer signed it.
pub type ActorVote = (String, SignedVote);

const NEWEST: &str = "newest/";

/// The newest vote of every kind and actor.
pub(crate) struct NewestVotes {
    newest: RwLock<BTreeMap<(u8, String), SignedVote>>,
    /// Held while votes are written, so that disk and memory agree on which is newest.
    writing: Mutex<()>,
}

fn kind(vote: &Vote) -> u8 {
    match vote {
        Vote::Acknowledgement(_) => b'a',
        Vote::Endorsement(_) => b'e',
    }
}

/// Two different statements of one actor about one height are evidence: neither may replace the other.
fn key(actor: &str, vote: &Vote) -> Vec<u8> {
    let mut key = Vec::with_capacity(48);
    key.extend_from_slice(&vote.height().to_be_bytes());
    key.push(kind(vote));
    key.extend_from_slice(&(actor.len() as u32).to_be_bytes());
    key.extend_from_slice(actor.as_bytes());
    key.extend_from_slice(&vote.digest().0[..16]);
    key
}

fn actor_of(key: &[u8]) -> Option<String> {
    let (length, rest) = key.get(9..)?.split_first_chunk::<4>()?;
    let actor = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    String::from_utf8(actor.to_vec()).ok()
}

impl NewestVotes {
    pub(crate) fn load(database: &Database) -> Result<Self, StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound("newest0");
        let mut iterator = database.db().raw_iterator_cf_opt(database.column(META)?, options);
        iterator.seek(NEWEST);
        let mut newest = BTreeMap::new();
        while let Some((key, record)) = iterator.item() {
            let name = String::from_utf8_lossy(key).into_owned();
            let vote = decode(database, META, &name, key, record)?;
            let actor = name.get(NEWEST.len() + 2..).unwrap_or_default().to_owned();
            newest.insert((kind(&vote.vote), actor), vote);
            iterator.next();
        }
        finish(database, META, &iterator)?;
        Ok(Self {
            newest: RwLock::new(newest),
            writing: Mutex::new(()),
        })
    }

    pub(crate) fn all(&self) -> Vec<ActorVote> {
        let newest = self.newest.read();
        newest
            .iter()
            .map(|((_, actor), vote)| (actor.clone(), vote.clone()))
            .collect()
    }

    pub(crate) fn height(&self, actor: &str, vote: &Vote) -> Option<u64> {
        let newest = self.newest.read();
        let known = newest.get(&(kind(vote), actor.to_owned()));
        known.map(|known| known.vote.height())
    }

    /// Writes votes, atomically with what the batch holds already.
    pub(crate) fn write(
        &self,
        database: &Database,
        mut batch: WriteBatch,
        votes: &[ActorVote],
        sync: bool,
    ) -> Result<(), StoreError> {
        let column = database.column(VOTES)?;
        let _in_order = self.writing.lock();
        let mut newer = BTreeMap::new();
        for (actor, vote) in votes {
            let key = key(actor, &vote.vote);
            let content = vote.encode();
            batch.put_cf(column, &key, seal(VOTES, &key, &content));
            let place = (kind(&vote.vote), actor.clone());
            let known = newer.get(&place).map(|known: &SignedVote| known.vote.height());
            let known = known.or_else(|| self.newest.read().get(&place).map(|known| known.vote.height()));
            if known.is_none_or(|height| height < vote.vote.height()) {
                let name = format!("{NEWEST}{}/{actor}", char::from(place.0));
                database.put_named(&mut batch, META, &name, &content)?;
                newer.insert(place, vote.clone());
            }
        }
        database.write(batch, sync)?;
        self.newest.write().extend(newer);
        Ok(())
    }
}

/// All votes about a height.
pub(crate) fn votes_at(database: &Database, height: u64) -> Result<Vec<ActorVote>, StoreError> {
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(height.saturating_add(1).to_be_bytes());
    let mut iterator = database
        .db()
        .raw_iterator_cf_opt(database.column(VOTES)?, options);
    iterator.seek(height.to_be_bytes());
    let mut votes = Vec::new();
    while let Some((place, record)) = iterator.item() {
        let name = format!("height {height}");
        let actor =
            actor_of(place).ok_or_else(|| database.corrupt(VOTES, &name, "its key names no actor"))?;
        let vote = decode(database, VOTES, &name, place, record)?;
        if key(&actor, &vote.vote) != place {
            return Err(database.corrupt(VOTES, &name, "a vote stands in another's place"));
        }
        votes.push((actor, vote));
        iterator.next();
    }
    finish(database, VOTES, &iterator)?;
    Ok(votes)
}

/// Keys of the records about a height that are no votes, or of which `holds` says that they do not.
pub(crate) fn votes_to_discard(
    database: &Database,
    height: u64,
    holds: impl Fn(&str, &SignedVote) -> bool,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(height.saturating_add(1).to_be_bytes());
    let mut iterator = database
        .db()
        .raw_iterator_cf_opt(database.column(VOTES)?, options);
    iterator.seek(height.to_be_bytes());
    let mut found = Vec::new();
    while let Some((place, record)) = iterator.item() {
        let vote = decode(database, VOTES, "", place, record).ok();
        let vote = actor_of(place).zip(vote);
        if !vote.is_some_and(|(actor, vote)| key(&actor, &vote.vote) == place && holds(&actor, &vote)) {
            found.push(place.to_vec());
        }
        iterator.next();
    }
    finish(database, VOTES, &iterator)?;
    Ok(found)
}

fn decode(
    database: &Database,
    column: &'static str,
    name: &str,
    key: &[u8],
    record: &[u8],
) -> Result<SignedVote, StoreError> {
    let content = unseal(column, key, record)
        .ok_or_else(|| database.corrupt(column, name, "its checksum does not hold"))?;
    SignedVote::decode(content).map_err(|error| database.corrupt(column, name, error))
}

fn finish(database: &Database, column: &'static str, iterator: &DBRawIterator<'_>) -> Result<(), StoreError> {
    iterator
        .status()
        .map_err(|error| database.read_error(column, error))
}
