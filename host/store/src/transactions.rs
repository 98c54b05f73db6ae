//! Records of a block's transactions: neighbours share one, for a record costs more than what is in it. Calls stay as
//! they were packed when they came.
//!
//! Where a record ends depends on the sizes of the calls alone, so that a block that is written again has the same ones.

use crate::columns::{TRANSACTIONS, transaction_key};
use crate::seal::seal_with;
use borsh::{BorshDeserialize, BorshSerialize};
use e2l_ledger::{Call, Digest, GROUP_BYTES, PackedCalls, TransactionResult, ValidationCode};
use std::borrow::Cow;

/// Groups with fewer bytes of calls share a record with others: many small envelopes make few records.
const SHARES: usize = GROUP_BYTES / 4;

/// A result without its id, which follows from its envelope, and the calls that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredTransaction {
    pub calls: Vec<Call>,
    pub code: ValidationCode,
    pub fuel: u64,
    pub output: Vec<u8>,
}

impl StoredTransaction {
    pub(crate) fn result(self, id: Digest) -> (Vec<Call>, TransactionResult) {
        let Self {
            calls,
            code,
            fuel,
            output,
        } = self;
        (
            calls,
            TransactionResult {
                id,
                code,
                fuel,
                output,
            },
        )
    }
}

/// Transactions that share a record.
pub(crate) struct TransactionChunk {
    height: u64,
    first: u32,
    transactions: Vec<StoredTransaction>,
}

impl TransactionChunk {
    /// The transactions of a record of this block, the first of which has this index.
    pub(crate) fn new(height: u64, first: u32, transactions: Vec<StoredTransaction>) -> Self {
        Self {
            height,
            first,
            transactions,
        }
    }

    /// A transaction by its place, if it is one of these.
    pub(crate) fn get(&self, height: u64, index: u32) -> Option<&StoredTransaction> {
        let number = index.checked_sub(self.first).filter(|_| height == self.height)?;
        self.transactions.get(number as usize)
    }
}

/// What became of some calls of a record.
#[derive(BorshSerialize, BorshDeserialize)]
struct Outcome {
    /// Number of the calls: one, or all of a refused envelope.
    calls: u32,
    code: ValidationCode,
    fuel: u64,
    output: Vec<u8>,
}

/// The transactions of a record's content; says what is wrong with it.
pub(crate) fn read_transactions(content: &[u8]) -> Result<Vec<StoredTransaction>, String> {
    let (outcomes, packed): (Vec<Outcome>, PackedCalls) =
        borsh::from_slice(content).map_err(|error| error.to_string())?;
    if outcomes.is_empty() {
        return Err("there is nothing in it".to_owned());
    }
    let mut calls = packed.unpack()?.into_iter();
    let mut transactions = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        let own: Vec<Call> = calls.by_ref().take(outcome.calls as usize).collect();
        if own.len() != outcome.calls as usize {
            return Err("it has more results than calls".to_owned());
        }
        transactions.push(StoredTransaction {
            calls: own,
            code: outcome.code,
            fuel: outcome.fuel,
            output: outcome.output,
        });
    }
    match calls.next() {
        None => Ok(transactions),
        Some(_) => Err("it has more calls than results".to_owned()),
    }
}

/// The content with bytes changed in the argument of the transaction of this number in the record; for
/// [`Intruder`](crate::Intruder). Says what cannot be.
pub(crate) fn falsify(content: &[u8], number: usize, from: &[u8], to: &[u8]) -> Result<Vec<u8>, String> {
    let (outcomes, packed): (Vec<Outcome>, PackedCalls) =
        borsh::from_slice(content).map_err(|error| error.to_string())?;
    let mut calls = packed.unpack()?;
    let place = outcomes
        .iter()
        .take(number)
        .map(|outcome| outcome.calls as usize)
        .sum::<usize>();
    let argument = calls.get_mut(place).map(|call| &mut call.argument);
    let argument = argument.ok_or_else(|| format!("the record has no transaction {number}"))?;
    let at = argument
        .windows(from.len().max(1))
        .position(|window| window == from);
    let at = at.ok_or("the transaction does not hold these bytes")?;
    argument.splice(at..at + from.len(), to.iter().copied());
    borsh::to_vec(&(outcomes, PackedCalls::pack(&calls))).map_err(|error| error.to_string())
}

/// Writes the records of one block.
pub(crate) struct TransactionWriter<'a, F: FnMut(&[u8], &[u8])> {
    height: u64,
    put: F,
    /// What the open record has.
    first: u32,
    outcomes: Vec<u8>,
    count: u32,
    calls: Vec<&'a [Call]>,
    bytes: usize,
    /// How its calls are packed, if one group is all it has.
    packed: Option<&'a PackedCalls>,
    record: Vec<u8>,
}

impl<'a, F: FnMut(&[u8], &[u8])> TransactionWriter<'a, F> {
    /// For the block of this height; `put` takes keys and sealed records.
    pub(crate) fn new(height: u64, put: F) -> Self {
        Self {
            height,
            put,
            first: 0,
            outcomes: Vec::new(),
            count: 0,
            calls: Vec::new(),
            bytes: 0,
            packed: None,
            record: Vec::new(),
        }
    }

    /// Adds a group of an executed envelope, with one result for each of its calls.
    pub(crate) fn group(
        &mut self,
        calls: &'a [Call],
        packed: &'a PackedCalls,
        results: &[TransactionResult],
    ) {
        let length = packed.length as usize;
        let outputs: usize = results.iter().map(|result| result.output.len()).sum();
        if outputs >= GROUP_BYTES && results.len() > 1 {
            // One record for all of it would be too much to read for each.
            for (call, result) in calls.iter().zip(results) {
                self.single(std::slice::from_ref(call), 1, result);
            }
            return;
        }
        if length >= SHARES {
            self.close();
        }
        self.packed = (self.count == 0).then_some(packed);
        results.iter().for_each(|result| self.outcome(1, result));
        self.hold(calls, length);
    }

    /// Adds a refused envelope: all its calls have one result.
    pub(crate) fn refused(&mut self, calls: &'a [Call], result: &TransactionResult) {
        // Limits on envelopes keep their number far below 4 billion.
        self.single(calls, calls.len() as u32, result);
    }

    /// Adds calls with one result, which are packed here.
    fn single(&mut self, calls: &'a [Call], count: u32, result: &TransactionResult) {
        self.packed = None;
        self.outcome(count, result);
        self.hold(calls, calls.iter().map(Call::size).sum());
    }

    fn hold(&mut self, calls: &'a [Call], length: usize) {
        self.calls.push(calls);
        self.bytes += length;
        if self.bytes + self.outcomes.len() >= GROUP_BYTES || length >= SHARES {
            self.close();
        }
    }

    fn outcome(&mut self, calls: u32, result: &TransactionResult) {
        self.count += 1;
        let written = (calls, &result.code, result.fuel, &result.output).serialize(&mut self.outcomes);
        debug_assert!(written.is_ok(), "memory accepts every byte");
    }

    /// Writes the open record, if there is anything in it.
    pub(crate) fn close(&mut self) {
        if self.count == 0 {
            return;
        }
        let packed = match self.packed.take() {
            Some(packed) => Cow::Borrowed(packed),
            None => Cow::Owned(PackedCalls::pack(&self.calls.concat())),
        };
        let key = transaction_key(self.height, self.first);
        let (count, outcomes) = (self.count, &self.outcomes);
        seal_with(TRANSACTIONS, &key, &mut self.record, |record| {
            record.extend_from_slice(&count.to_le_bytes());
            record.extend_from_slice(outcomes);
            let written = packed.serialize(record);
            debug_assert!(written.is_ok(), "memory accepts every byte");
        });
        (self.put)(&key, &self.record);
        self.first += self.count;
        self.count = 0;
        self.outcomes.clear();
        self.calls.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::parse_transaction_key;
    use crate::seal::unseal;
    use e2l_ledger::pack_calls;

    fn calls(number: usize, bytes: usize) -> Vec<Call> {
        let call = |n: usize| Call {
            chaincode: "eventdb".to_owned(),
            function: "createEvent".to_owned(),
            argument: vec![n as u8; bytes],
        };
        (0..number).map(call).collect()
    }

    fn results(number: usize, output: usize) -> Vec<TransactionResult> {
        let result = |n: usize| TransactionResult {
            id: Digest([n as u8; 32]),
            code: ValidationCode::Valid,
            fuel: n as u64,
            output: vec![7; output],
        };
        (0..number).map(result).collect()
    }

    /// First index and transactions of each record that these envelopes become; refused ones have one result.
    fn records(
        envelopes: &[(Vec<Call>, Vec<TransactionResult>, bool)],
    ) -> Vec<(u32, Vec<StoredTransaction>)> {
        let packed: Vec<_> = envelopes.iter().map(|(calls, ..)| pack_calls(calls)).collect();
        let mut found = Vec::new();
        let mut writer = TransactionWriter::new(5, |key, record| {
            let (height, first) = parse_transaction_key(key).unwrap();
            assert_eq!(height, 5);
            let content = unseal(TRANSACTIONS, key, record).unwrap();
            found.push((first, read_transactions(content).unwrap()));
        });
        for ((calls, results, refused), groups) in envelopes.iter().zip(&packed) {
            if *refused {
                writer.refused(calls, &results[0]);
                continue;
            }
            let mut start = 0;
            for group in groups {
                let end = start + group.count as usize;
                writer.group(&calls[start..end], group, &results[start..end]);
                start = end;
            }
        }
        writer.close();
        drop(writer);
        found
    }

    /// All of them, in order, each in the record that its index leads to.
    fn check(envelopes: &[(Vec<Call>, Vec<TransactionResult>, bool)]) -> Vec<usize> {
        let records = records(envelopes);
        let mut index = 0;
        for (first, transactions) in &records {
            assert_eq!(*first as usize, index);
            index += transactions.len();
        }
        let stored = records.iter().flat_map(|(_, transactions)| transactions);
        let expected = envelopes.iter().flat_map(|(calls, results, refused)| {
            let each = if *refused { calls.len().max(1) } else { 1 };
            let chunks: Vec<Vec<Call>> = match calls.is_empty() {
                true => vec![Vec::new()],
                false => calls.chunks(each).map(<[Call]>::to_vec).collect(),
            };
            chunks.into_iter().zip(results)
        });
        let mut count = 0;
        for (stored, (calls, result)) in stored.zip(expected) {
            assert_eq!(stored.calls, calls);
            assert_eq!((stored.fuel, &stored.output), (result.fuel, &result.output));
            count += 1;
        }
        assert_eq!(count, index);
        records
            .iter()
            .map(|(_, transactions)| transactions.len())
            .collect()
    }

    #[test]
    fn a_group_is_a_record() {
        let sizes = check(&[(calls(50, 600), results(50, 0), false)]);
        let groups: Vec<usize> = pack_calls(&calls(50, 600))
            .iter()
            .map(|group| group.count as usize)
            .collect();
        assert_eq!(sizes, groups);
    }

    #[test]
    fn small_envelopes_share_records() {
        let one = (calls(1, 600), results(1, 3), false);
        let sizes = check(&vec![one; 100]);
        assert!(sizes.len() < 8, "{sizes:?}");
    }

    #[test]
    fn refused_envelopes_have_one_result() {
        let refused = |number| (calls(number, 500), results(1, 40), true);
        let good = (calls(3, 500), results(3, 0), false);
        check(&[
            refused(2),
            good.clone(),
            refused(100),
            refused(0),
            good,
            refused(0),
        ]);
        assert!(check(&vec![refused(0); 1000]).len() > 2, "results count as well");
    }

    #[test]
    fn large_outputs_are_records_of_their_own() {
        let sizes = check(&[(calls(10, 600), results(10, 9000), false)]);
        assert_eq!(sizes, [2; 5]);
    }

    #[test]
    fn what_does_not_fit_together_is_not_read() {
        let [one, two] = [1, 2].map(|number| PackedCalls::pack(&calls(number, 10)));
        let outcome = |calls| Outcome {
            calls,
            code: ValidationCode::Valid,
            fuel: 1,
            output: Vec::new(),
        };
        let read = |outcomes: Vec<Outcome>, packed: &PackedCalls| {
            read_transactions(&borsh::to_vec(&(outcomes, packed)).unwrap())
        };
        assert!(read(vec![outcome(1)], &one).is_ok());
        assert!(read(vec![outcome(1)], &two).is_err());
        assert!(read(vec![outcome(u32::MAX)], &two).is_err());
        assert!(read(Vec::new(), &one).is_err());
    }
}
