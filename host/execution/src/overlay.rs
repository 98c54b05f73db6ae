//! What a block writes, on top of the state below it, with a savepoint per call.

use crate::head_cache::HeadCache;
use e2l_ledger::{Canonical, Digest, Domain, Envelope, LogEntry, LogHead, Provenance, StateKey};
use e2l_store::{LogItem, LogNode, LogRun, LogValue, StoreError, View};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// A call's argument, shared with the envelope that brought it.
#[derive(Clone)]
pub struct SharedArgument {
    envelope: Option<Arc<Envelope>>,
    index: usize,
}

impl SharedArgument {
    /// The argument of an envelope's call.
    pub fn new(envelope: Arc<Envelope>, index: usize) -> Self {
        Self {
            envelope: Some(envelope),
            index,
        }
    }

    /// Where no call is executed: no bytes.
    pub fn none() -> Self {
        Self {
            envelope: None,
            index: 0,
        }
    }

    /// The bytes; none where there is no such call.
    pub fn bytes(&self) -> &[u8] {
        let call = match self.envelope.as_deref() {
            Some(Envelope::Batch(batch)) => batch.calls.get(self.index),
            Some(Envelope::Request(request)) => Some(&request.call),
            None => None,
        };
        call.map(|call| call.argument.as_slice()).unwrap_or_default()
    }
}

/// Bytes that were appended to a log; an argument that goes to two logs is copied for neither.
#[derive(Clone)]
pub enum Value {
    /// Bytes of their own.
    Own(Arc<[u8]>),
    /// Part of the call's argument, within it.
    Argument(SharedArgument, Range<usize>),
}

impl Value {
    fn to_vec(&self) -> Vec<u8> {
        match self {
            Self::Own(bytes) => bytes.to_vec(),
            Self::Argument(argument, range) => {
                argument.bytes().get(range.clone()).unwrap_or_default().to_vec()
            }
        }
    }

    fn stored(&self) -> LogValue {
        match self {
            Self::Own(bytes) => LogValue::Inline(bytes.to_vec()),
            Self::Argument(argument, range) if *range == (0..argument.bytes().len()) => LogValue::Whole,
            // A range within an argument, whose length is below 4 GiB.
            Self::Argument(_, range) => LogValue::Range {
                offset: range.start as u32,
                length: range.len() as u32,
            },
        }
    }
}

/// A value appended within the block, before the store knows it.
struct Appended {
    provenance: Provenance,
    value: Value,
}

/// A log that the block has touched.
struct BlockLog {
    key: StateKey,
    /// Of the key.
    hash: Digest,
    /// Entries below the block.
    stored: u64,
    head: LogHead,
    entries: Vec<Appended>,
    nodes: Vec<LogNode>,
}

/// The state of a block in execution.
pub struct Overlay {
    base: Arc<View>,
    /// Heads of logs as of the base.
    heads: HeadCache,
    written: BTreeMap<StateKey, Option<Vec<u8>>>,
    places: HashMap<StateKey, usize>,
    logs: Vec<BlockLog>,
    call: CallWrites,
}

/// What the current call has written so far.
#[derive(Default)]
struct CallWrites {
    written: BTreeMap<StateKey, Option<Vec<u8>>>,
    appends: Vec<PendingAppend>,
}

struct PendingAppend {
    /// Index of the log in the overlay.
    log: usize,
    value: Value,
    /// Digest of the value.
    digest: Digest,
}

/// A changed key's hash, and the digest of its new value, if it has one.
pub type MapChange = (Digest, Option<Digest>);

/// What a block writes in all.
pub struct Writes {
    /// New values of state keys, log heads among them; `None` removes.
    pub state: Vec<(StateKey, Option<Vec<u8>>)>,
    /// What was appended to each log.
    pub logs: Vec<LogRun>,
}

impl Overlay {
    /// Nothing written yet. `heads` are heads of logs as of the base, for those that are known.
    pub fn new(base: Arc<View>, heads: HeadCache) -> Self {
        Self {
            base,
            heads,
            written: BTreeMap::new(),
            places: HashMap::new(),
            logs: Vec::new(),
            call: CallWrites::default(),
        }
    }

    /// A value, as the current call sees it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = self.call.written.get(key).or_else(|| self.written.get(key)) {
            return Ok(value.clone());
        }
        self.base.get(key)
    }

    /// Writes or removes a value in the current call.
    pub fn set(&mut self, key: StateKey, value: Option<Vec<u8>>) {
        self.call.written.insert(key, value);
    }

    /// Writes one of the ledger's own records, between calls.
    pub fn put_system(&mut self, key: StateKey, value: Vec<u8>) {
        self.written.insert(key, Some(value));
    }

    /// Removes one of the ledger's own records, between calls.
    pub fn remove_system(&mut self, key: StateKey) {
        self.written.insert(key, None);
    }

    /// Pairs with `start <= key < end` in key order, at most `limit`, as the current call sees them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn scan(
        &self,
        start: &StateKey,
        end: &StateKey,
        limit: usize,
    ) -> Result<Vec<(StateKey, Vec<u8>)>, StoreError> {
        let mut call = self.call.written.range(start..end).peekable();
        let mut block = self.written.range(start..end).peekable();
        let mut below = Below::new(&self.base, start, end, limit);
        let mut found = Vec::new();
        while found.len() < limit {
            let of_call = call.peek().map(|(key, _)| *key);
            let of_block = block.peek().map(|(key, _)| *key);
            let nearest = [of_call, of_block, below.peek()?].into_iter().flatten().min();
            let Some(key) = nearest.cloned() else { break };
            // What was written later hides what was there before; `None` hides it and is nothing.
            let of_call = call.next_if(|(next, _)| **next == key).map(|(_, value)| value);
            let of_block = block.next_if(|(next, _)| **next == key).map(|(_, value)| value);
            let of_below = below.next_if(&key);
            let value = of_call.or(of_block).cloned().unwrap_or(of_below);
            found.extend(value.map(|value| (key, value)));
        }
        Ok(found)
    }

    /// Appends to a log in the current call; returns the position. `digest` is that of the value.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn append(&mut self, log: StateKey, value: Value, digest: Digest) -> Result<u64, StoreError> {
        let log = self.open_log(log)?;
        let position = self.logs[log].head.length + self.pending(log);
        self.call.appends.push(PendingAppend { log, value, digest });
        Ok(position)
    }

    /// Index of a log that is being touched.
    fn open_log(&mut self, key: StateKey) -> Result<usize, StoreError> {
        if let Some(place) = self.places.get(&key) {
            return Ok(*place);
        }
        let (hash, head) = match self.heads.get(&key) {
            Some(known) => known,
            None => (key.hash(), self.base.log_head(&key)?),
        };
        self.logs.push(BlockLog {
            key: key.clone(),
            hash,
            stored: head.length,
            head,
            entries: Vec::new(),
            nodes: Vec::new(),
        });
        let place = self.logs.len() - 1;
        self.places.insert(key, place);
        Ok(place)
    }

    /// Entries that the current call has appended to a log.
    fn pending(&self, log: usize) -> u64 {
        let appends = self.call.appends.iter();
        appends.filter(|append| append.log == log).count() as u64
    }

    /// Number of entries of a log, as the current call sees it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn length(&self, log: &StateKey) -> Result<u64, StoreError> {
        match self.places.get(log) {
            Some(place) => Ok(self.logs[*place].head.length + self.pending(*place)),
            None => Ok(self.base.log_head(log)?.length),
        }
    }

    /// Entries of a log from `start`, as the current call sees them. Entries of the call itself carry
    /// `provenance`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn read(
        &self,
        log: &StateKey,
        start: u64,
        limit: usize,
        provenance: &Provenance,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let mut found = self.base.log_read(log, start, limit)?;
        let Some(place) = self.places.get(log) else {
            return Ok(found);
        };
        let BlockLog { stored, entries, .. } = &self.logs[*place];
        // Straight to the first one wanted: a long block must not cost at every read.
        let skipped = start.saturating_sub(*stored).min(entries.len() as u64);
        let block = entries.get(skipped as usize..).unwrap_or_default();
        let block = block.iter().map(|entry| (&entry.provenance, &entry.value));
        let pending = self.call.appends.iter().filter(|append| append.log == *place);
        let pending = pending.map(|append| (provenance, &append.value));
        let written = (stored + skipped..).zip(block.chain(pending));
        let wanted = written.filter(|(position, _)| *position >= start);
        for (position, (provenance, value)) in wanted.take(limit.saturating_sub(found.len())) {
            found.push(LogEntry {
                position,
                provenance: provenance.clone(),
                value: value.to_vec(),
            });
        }
        Ok(found)
    }

    /// Drops what the current call has written.
    pub fn reset_call(&mut self) {
        self.call.written.clear();
        self.call.appends.clear();
    }

    /// Keeps what the current call has written and begins the next.
    pub fn keep_call(&mut self, provenance: &Provenance) {
        self.written.append(&mut self.call.written);
        // A value that goes to several logs is the same entry in each.
        let mut known: Option<(Digest, Digest)> = None;
        for PendingAppend { log, value, digest } in self.call.appends.drain(..) {
            let entry = match known {
                Some((of, entry)) if of == digest => entry,
                _ => LogEntry::digest(provenance, &digest),
            };
            known = Some((digest, entry));
            let log = &mut self.logs[log];
            let (position, nodes) = (log.head.length, &mut log.nodes);
            log.head.append_with(entry, |level, root| {
                nodes.extend(LogNode::kept(level, position, root));
            });
            log.entries.push(Appended {
                provenance: provenance.clone(),
                value,
            });
        }
    }

    /// What the block writes, what that changes in the state map, and the heads of logs after it.
    pub fn finish(mut self) -> (Writes, Vec<MapChange>, HeadCache) {
        let mut state: Vec<_> = self.written.into_iter().collect();
        let value = |value: &Vec<u8>| Domain::Value.hash(value);
        let changes = state.iter();
        let mut changes: Vec<MapChange> = changes
            .map(|(key, written)| (key.hash(), written.as_ref().map(value)))
            .collect();
        let mut logs = Vec::with_capacity(self.logs.len());
        for log in self.logs.into_iter().filter(|log| !log.entries.is_empty()) {
            let head = log.head.encode();
            changes.push((log.hash, Some(value(&head))));
            state.push((log.key.clone(), Some(head)));
            self.heads.put(log.key, log.hash, log.head);
            let items = log.entries.iter().map(|entry| LogItem {
                index: entry.provenance.index,
                value: entry.value.stored(),
            });
            logs.push(LogRun {
                first: log.stored,
                items: items.collect(),
                nodes: log.nodes,
                log: log.hash,
            });
        }
        (Writes { state, logs }, changes, self.heads)
    }
}

/// Pairs of the state below the block in key order, read as many at a time as are wanted in all.
struct Below<'a> {
    base: &'a View,
    next: StateKey,
    end: &'a StateKey,
    stride: usize,
    read: VecDeque<(StateKey, Vec<u8>)>,
    complete: bool,
}

impl<'a> Below<'a> {
    fn new(base: &'a View, start: &StateKey, end: &'a StateKey, stride: usize) -> Self {
        Self {
            base,
            next: start.clone(),
            end,
            stride,
            read: VecDeque::new(),
            complete: false,
        }
    }

    fn peek(&mut self) -> Result<Option<&StateKey>, StoreError> {
        if self.read.is_empty() && !self.complete {
            let found = self.base.scan(&self.next, self.end, self.stride)?;
            self.complete = found.len() < self.stride;
            if let Some((last, _)) = found.last() {
                self.next = StateKey::from_bytes([last.as_bytes(), &[0]].concat());
            }
            self.read = found.into();
        }
        Ok(self.read.front().map(|(key, _)| key))
    }

    fn next_if(&mut self, key: &StateKey) -> Option<Vec<u8>> {
        let (front, _) = self.read.front()?;
        if front != key {
            return None;
        }
        self.read.pop_front().map(|(_, value)| value)
    }
}
