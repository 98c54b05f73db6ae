//! The evidence that a peer keeps, in memory: what it has, for how much more of whom there is room, and what it has still
//! to pass on.

use bytes::Bytes;
use e2l_ledger::proof::{Anchor, Evidence};
use e2l_ledger::{Canonical, Domain, Member};
use e2l_store::{LedgerStore, StoreError};
use parking_lot::Mutex;

/// Pieces kept about one member: one is enough to act on, and a liar must not fill the disk.
const MAX_PER_MEMBER: usize = 16;
/// Pieces kept about all members of one actor, which can make as many as it likes.
const MAX_PER_ACTOR: usize = 128;
/// Heights to be compared with the others that are remembered.
const MAX_HEIGHTS: usize = 64;

/// A piece of evidence that holds for anybody who has the genesis.
pub struct Piece {
    /// One name for one member and place, whichever two statements came first.
    pub name: String,
    /// Who is convicted.
    pub guilty: Member,
    /// Of what, one sentence.
    pub what: String,
    /// Canonical bytes.
    pub bytes: Bytes,
    /// The height it is about, if it is about one.
    height: Option<u64>,
}

impl Piece {
    /// Evidence that convicts somebody; anything else is none.
    pub fn of(evidence: &Evidence, anchor: &Anchor) -> Option<Self> {
        let guilt = evidence.verify(anchor).ok()?;
        let what = format!("{} {}", guilt.member, guilt.what);
        Some(Self {
            name: Domain::Value.hash(what.as_bytes()).to_string(),
            guilty: guilt.member,
            what,
            bytes: evidence.encode().into(),
            height: height_of(evidence),
        })
    }
}

fn height_of(evidence: &Evidence) -> Option<u64> {
    match evidence {
        Evidence::Votes(vote, _) => Some(vote.statement.height()),
        Evidence::Proposals(proposal, _) => Some(proposal.statement.height),
        Evidence::Batches(..) => None,
    }
}

/// All pieces.
#[derive(Default)]
pub struct EvidenceBook {
    pieces: Mutex<Vec<Piece>>,
    /// Heights of the newest pieces that were found since the start.
    heights: Mutex<Vec<u64>>,
}

impl EvidenceBook {
    /// What a store holds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load(store: &LedgerStore, anchor: &Anchor) -> Result<Self, StoreError> {
        let stored = store.evidence()?;
        let pieces = stored
            .iter()
            .filter_map(|(_, bytes)| Piece::of(&Evidence::decode(bytes).ok()?, anchor));
        Ok(Self {
            pieces: Mutex::new(pieces.collect()),
            heights: Mutex::default(),
        })
    }

    /// Takes a piece in, if it is new and there is room; `keep` writes it down before.
    ///
    /// # Errors
    /// Those of `keep`.
    pub fn admit(
        &self,
        piece: Piece,
        keep: impl FnOnce(&Piece) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut pieces = self.pieces.lock();
        let alike =
            |same: fn(&Piece, &Piece) -> bool| pieces.iter().filter(|known| same(known, &piece)).count();
        if alike(|known, new| known.name == new.name) > 0
            || alike(|known, new| known.guilty == new.guilty) >= MAX_PER_MEMBER
            || alike(|known, new| known.guilty.actor == new.guilty.actor) >= MAX_PER_ACTOR
        {
            return Ok(());
        }
        keep(&piece)?;
        if let Some(height) = piece.height {
            let mut heights = self.heights.lock();
            if heights.len() >= MAX_HEIGHTS {
                heights.remove(0);
            }
            heights.push(height);
        }
        pieces.push(piece);
        Ok(())
    }

    /// At most `limit` pieces after the first `told`.
    pub fn after(&self, told: usize, limit: usize) -> Vec<Bytes> {
        let pieces = self.pieces.lock();
        let more = pieces.iter().skip(told).take(limit);
        more.map(|piece| piece.bytes.clone()).collect()
    }

    /// Heights that pieces found since the start are about: there peers may have been told different things.
    pub fn heights(&self) -> Vec<u64> {
        self.heights.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2l_ledger::Role;

    fn piece(actor: &str, name: &str, number: u64) -> Piece {
        let guilty = Member {
            actor: actor.to_owned(),
            role: Role::Collector,
            name: name.to_owned(),
        };
        Piece {
            name: format!("{guilty} {number}"),
            what: String::new(),
            guilty,
            bytes: Bytes::from(number.to_be_bytes().to_vec()),
            height: Some(number),
        }
    }

    fn kept(book: &EvidenceBook, piece: Piece) -> bool {
        let mut written = false;
        book.admit(piece, |_| {
            written = true;
            Ok(())
        })
        .unwrap();
        written
    }

    #[test]
    fn a_liar_leaves_room_for_evidence_against_others() {
        let book = EvidenceBook::default();
        let all = (0..1000).filter(|number| kept(&book, piece("liar", "one", *number)));
        assert_eq!(all.count(), MAX_PER_MEMBER);
        for member in 0..100 {
            for number in 0..100 {
                kept(&book, piece("liar", &format!("{member}"), number));
            }
        }
        assert_eq!(book.after(0, usize::MAX).len(), MAX_PER_ACTOR);
        assert!(kept(&book, piece("other", "one", 1)));
        assert!(!kept(&book, piece("other", "one", 1)), "it is kept already");
        assert_eq!(book.after(MAX_PER_ACTOR, 10).len(), 1);
        assert!(book.heights().len() <= MAX_HEIGHTS);
    }

    #[test]
    fn what_cannot_be_written_is_not_taken_in() {
        let book = EvidenceBook::default();
        let failed = book.admit(piece("liar", "one", 1), |_| Err(StoreError::missing_block(1)));
        assert!(failed.is_err());
        assert!(book.after(0, 1).is_empty());
    }
}
