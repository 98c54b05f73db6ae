//! What a block writes, on top of the state below it, with a savepoint per call.

use e2l_ledger::{Digest, Domain, LogEntry, LogHead, Provenance, StateKey};
use e2l_store::{LogAppend, LogValue, StoreError, View};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of an appended value: a range of a shared buffer, so that an argument that goes to two logs is
/// copied for neither.
#[derive(Clone)]
pub struct SharedBytes {
    /// The buffer.
    pub buffer: Arc<[u8]>,
    /// The part that counts; within the buffer.
    pub range: Range<usize>,
}

impl SharedBytes {
    fn to_vec(&self) -> Vec<u8> {
        self.buffer.get(self.range.clone()).unwrap_or_default().to_vec()
    }
}

/// A value appended within the block, before the store knows it.
struct Appended {
    provenance: Provenance,
    value: SharedBytes,
}

/// The state of a block in execution.
pub struct Overlay {
    base: Arc<View>,
    written: BTreeMap<StateKey, Option<Vec<u8>>>,
    heads: HashMap<StateKey, LogHead>,
    entries: HashMap<StateKey, Vec<Appended>>,
    appends: Vec<LogAppend>,
    call: CallWrites,
}

/// What the current call has written so far.
#[derive(Default)]
struct CallWrites {
    written: BTreeMap<StateKey, Option<Vec<u8>>>,
    appends: Vec<PendingAppend>,
}

struct PendingAppend {
    log: StateKey,
    value: SharedBytes,
    stored: LogValue,
    digest: Digest,
}

/// What a block writes in all.
pub struct Writes {
    /// New values of state keys, log heads among them; `None` removes.
    pub state: Vec<(StateKey, Option<Vec<u8>>)>,
    /// Entries of logs.
    pub logs: Vec<LogAppend>,
}

impl Overlay {
    /// Nothing written yet.
    pub fn new(base: Arc<View>) -> Self {
        Self {
            base,
            written: BTreeMap::new(),
            heads: HashMap::new(),
            entries: HashMap::new(),
            appends: Vec::new(),
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

    /// Appends to a log in the current call; returns the position. `stored` says how the store keeps it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn append(
        &mut self,
        log: StateKey,
        value: SharedBytes,
        stored: LogValue,
        digest: Digest,
    ) -> Result<u64, StoreError> {
        let position = self.length(&log)?;
        self.call.appends.push(PendingAppend {
            log,
            value,
            stored,
            digest,
        });
        Ok(position)
    }

    /// Number of entries of a log, as the current call sees it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn length(&self, log: &StateKey) -> Result<u64, StoreError> {
        let committed = match self.heads.get(log) {
            Some(head) => head.length,
            None => self.base.log_head(log)?.length,
        };
        Ok(committed
            + self
                .call
                .appends
                .iter()
                .filter(|append| append.log == *log)
                .count() as u64)
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
        let stored = self.base.log_head(log)?.length;
        let mut found = self.base.log_read(log, start, limit)?;
        let block = self.entries.get(log).map(Vec::as_slice).unwrap_or_default();
        // Straight to the first one wanted: a long block must not cost at every read.
        let skipped = start.saturating_sub(stored).min(block.len() as u64);
        let block = block.get(skipped as usize..).unwrap_or_default();
        let block = block.iter().map(|entry| (&entry.provenance, &entry.value));
        let pending = self.call.appends.iter().filter(|append| append.log == *log);
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
        self.call = CallWrites::default();
    }

    /// Keeps what the current call has written and begins the next.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn keep_call(&mut self, provenance: &Provenance) -> Result<(), StoreError> {
        let call = std::mem::take(&mut self.call);
        self.written.extend(call.written);
        for append in call.appends {
            if !self.heads.contains_key(&append.log) {
                let head = self.base.log_head(&append.log)?;
                self.heads.insert(append.log.clone(), head);
            }
            let head = self.heads.entry(append.log.clone()).or_default();
            let position = head.append(LogEntry::digest(provenance, &append.digest));
            let entry = Appended {
                provenance: provenance.clone(),
                value: append.value,
            };
            self.entries.entry(append.log.clone()).or_default().push(entry);
            self.appends.push(LogAppend {
                log: append.log,
                position,
                index: provenance.index,
                value: append.stored,
            });
        }
        Ok(())
    }

    /// What the block writes.
    pub fn finish(self) -> Writes {
        use e2l_ledger::Canonical;
        let mut state: Vec<_> = self.written.into_iter().collect();
        state.extend(
            self.heads
                .into_iter()
                .map(|(key, head)| (key, Some(head.encode()))),
        );
        Writes {
            state,
            logs: self.appends,
        }
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

/// The state map's changes for a block's writes.
pub fn map_changes(state: &[(StateKey, Option<Vec<u8>>)]) -> Vec<(Digest, Option<Digest>)> {
    state
        .iter()
        .map(|(key, value)| (key.hash(), value.as_ref().map(|value| Domain::Value.hash(value))))
        .collect()
}
