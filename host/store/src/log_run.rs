//! What one block appended to one log: a record of the log column. An entry is a few bytes, because a value that is
//! its transaction's argument is not stored again.

use crate::log_node::LogNode;
use borsh::{BorshDeserialize, BorshSerialize};
use e2l_ledger::Digest;

/// What a log entry holds. Its Borsh form is part of what peers send each other.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum LogValue {
    /// These bytes.
    Inline(Vec<u8>),
    /// The argument of the transaction that appended it, which is stored already.
    Whole,
    /// A range of that argument.
    Range {
        /// First byte.
        offset: u32,
        /// Number of bytes.
        length: u32,
    },
}

/// An entry of a log. Its Borsh form is part of what peers send each other.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LogItem {
    /// Index, in the block, of the transaction that appended it; an executed one.
    pub index: u32,
    /// What was appended.
    pub value: LogValue,
}

/// The entries that one block appends to a log, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRun {
    /// Hash of the state key of the log's head.
    pub log: Digest,
    /// Position of the first entry; the head that the same block writes to the state covers the last.
    pub first: u64,
    /// The entries; their indexes never decrease.
    pub items: Vec<LogItem>,
    /// Roots that the entries complete.
    pub nodes: Vec<LogNode>,
}

const INLINE: u8 = 0;
const WHOLE: u8 = 1;
const RANGE: u8 = 2;

/// Writes the height and the entries. Numbers are LEB128; an index is written as the difference to the one before.
pub(crate) fn write(height: u64, items: &[LogItem], buffer: &mut Vec<u8>) {
    number(height, buffer);
    let mut previous = 0;
    for item in items {
        number(u64::from(item.index.wrapping_sub(previous)), buffer);
        previous = item.index;
        match &item.value {
            LogValue::Inline(bytes) => {
                buffer.push(INLINE);
                number(bytes.len() as u64, buffer);
                buffer.extend_from_slice(bytes);
            }
            LogValue::Whole => buffer.push(WHOLE),
            LogValue::Range { offset, length } => {
                buffer.push(RANGE);
                number(u64::from(*offset), buffer);
                number(u64::from(*length), buffer);
            }
        }
    }
}

/// Reads what [`write`] wrote; `None` for anything else.
pub(crate) fn read(mut record: &[u8]) -> Option<(u64, Vec<LogItem>)> {
    let height = take_number(&mut record)?;
    let mut items = Vec::new();
    let mut previous: u32 = 0;
    while !record.is_empty() {
        let step = u32::try_from(take_number(&mut record)?).ok()?;
        let index = previous.wrapping_add(step);
        previous = index;
        let value = match take(&mut record, 1)? {
            [INLINE] => {
                let length = usize::try_from(take_number(&mut record)?).ok()?;
                LogValue::Inline(take(&mut record, length)?.to_vec())
            }
            [WHOLE] => LogValue::Whole,
            [RANGE] => LogValue::Range {
                offset: u32::try_from(take_number(&mut record)?).ok()?,
                length: u32::try_from(take_number(&mut record)?).ok()?,
            },
            _ => return None,
        };
        items.push(LogItem { index, value });
    }
    (!items.is_empty()).then_some((height, items))
}

fn number(mut value: u64, buffer: &mut Vec<u8>) {
    while value >= 0x80 {
        buffer.push(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.push(value as u8);
}

fn take_number(record: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take(record, 1)?[0];
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if bits << shift >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(record: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = record.split_at_checked(count)?;
    *record = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<LogItem> {
        [
            (0, LogValue::Whole),
            (0, LogValue::Inline(vec![7; 300])),
            (
                5,
                LogValue::Range {
                    offset: 200,
                    length: 70_000,
                },
            ),
            (u32::MAX, LogValue::Inline(Vec::new())),
        ]
        .map(|(index, value)| LogItem { index, value })
        .into()
    }

    #[test]
    fn what_is_written_is_read() {
        for height in [0, 127, 128, u64::MAX] {
            let mut record = Vec::new();
            write(height, &items(), &mut record);
            assert_eq!(read(&record), Some((height, items())));
            for end in 0..record.len() {
                assert_ne!(read(&record[..end]), Some((height, items())));
            }
        }
    }

    #[test]
    fn anything_else_is_nothing() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[5]), None, "no entry");
        assert_eq!(read(&[5, 0, 9]), None, "no such kind of value");
        assert_eq!(
            read(&[5, 0, INLINE, 200, 1, 1]),
            None,
            "fewer bytes than announced"
        );
        assert_eq!(read(&[0xff; 10]), None, "no number of 64 bits");
    }
}
