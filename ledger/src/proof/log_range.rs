//! Proof that entries are those of a log from one position to another, against the log's head.

use crate::hash::{Digest, Domain};
use crate::log::LogHead;
use std::ops::Range;

/// A perfect subtree: its first position and its size.
#[derive(Clone, Copy)]
struct Subtree {
    start: u64,
    size: u64,
}

impl Subtree {
    fn halves(self) -> (Self, Self) {
        let size = self.size / 2;
        let left = Self { size, ..self };
        let right = Self {
            start: self.start + size,
            size,
        };
        (left, right)
    }

    fn overlaps(self, range: &Range<u64>) -> bool {
        self.start < range.end && range.start < self.start + self.size
    }
}

/// The subtrees under the peaks of a log, the first first.
fn peaks(length: u64) -> impl Iterator<Item = Subtree> {
    let mut start = 0;
    (0..u64::BITS).rev().filter_map(move |power| {
        let size = 1 << power;
        (length & size != 0).then(|| {
            let subtree = Subtree { start, size };
            start += size;
            subtree
        })
    })
}

/// Hashes that prove `range` of a log whose entries have these digests, from left to right. Empty for the whole
/// log.
pub fn prove_range(entries: &[Digest], range: Range<u64>) -> Vec<Digest> {
    // Positions are below the number of entries, which are in memory.
    let root = |of: Range<u64>| {
        let entries = &entries[of.start as usize..of.end as usize];
        Ok::<_, std::convert::Infallible>(perfect_root(entries))
    };
    match prove_range_with(entries.len() as u64, range, root) {
        Ok(beside) => beside,
        Err(never) => match never {},
    }
}

/// The same for a log of `length` entries that need not be in memory: `root` gives the root over a perfect subtree, by
/// its positions.
///
/// # Errors
/// The first error of `root`.
pub fn prove_range_with<E>(
    length: u64,
    range: Range<u64>,
    mut root: impl FnMut(Range<u64>) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    let mut beside = Vec::new();
    for peak in peaks(length).filter(|peak| peak.overlaps(&range)) {
        collect(peak, &range, &mut root, &mut beside)?;
    }
    Ok(beside)
}

fn collect<E>(
    subtree: Subtree,
    range: &Range<u64>,
    root: &mut impl FnMut(Range<u64>) -> Result<Digest, E>,
    beside: &mut Vec<Digest>,
) -> Result<(), E> {
    if !subtree.overlaps(range) {
        beside.push(root(subtree.start..subtree.start + subtree.size)?);
    } else if subtree.size > 1 {
        let (left, right) = subtree.halves();
        collect(left, range, root, beside)?;
        collect(right, range, root, beside)?;
    }
    Ok(())
}

/// Root over the entries of a perfect subtree, or over the roots of as many subtrees of one size: their number is a
/// power of two. Zero for none.
pub fn perfect_root(entries: &[Digest]) -> Digest {
    match entries {
        [] => Digest::ZERO,
        [one] => *one,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            Domain::MerkleNode.hash_pair(&perfect_root(left), &perfect_root(right))
        }
    }
}

/// Whether `entries` are the digests of the log's entries from `from` on, given the hashes of [`prove_range`].
pub fn verify_range(head: &LogHead, from: u64, entries: &[Digest], beside: &[Digest]) -> bool {
    if head.peaks.len() != head.length.count_ones() as usize {
        return false;
    }
    let Some(end) = from.checked_add(entries.len() as u64) else {
        return false;
    };
    if end > head.length {
        return false;
    }
    let range = from..end;
    let mut climb = Climb {
        entries: entries.iter(),
        beside: beside.iter(),
    };
    for (peak, expected) in peaks(head.length).zip(&head.peaks) {
        if peak.overlaps(&range) && climb.root(peak, &range).as_ref() != Some(expected) {
            return false;
        }
    }
    climb.entries.next().is_none() && climb.beside.next().is_none()
}

struct Climb<'a> {
    entries: std::slice::Iter<'a, Digest>,
    beside: std::slice::Iter<'a, Digest>,
}

impl Climb<'_> {
    fn root(&mut self, subtree: Subtree, range: &Range<u64>) -> Option<Digest> {
        if !subtree.overlaps(range) {
            return self.beside.next().copied();
        }
        if subtree.size == 1 {
            return self.entries.next().copied();
        }
        let (left, right) = subtree.halves();
        let left = self.root(left, range)?;
        Some(Domain::MerkleNode.hash_pair(&left, &self.root(right, range)?))
    }
}
