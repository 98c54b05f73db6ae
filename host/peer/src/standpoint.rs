//! Where two peers have the same chain. Headers commit to all below, so one height says it, whatever else the two have
//! heard of each other: after a partition the newest votes of the one may lie far above all that the other has executed.

use crate::evidence::hear;
use crate::node::Node;
use e2l_client::wire::Standpoint;
use e2l_ledger::proof::Signed;
use e2l_ledger::{Canonical, Certificate, Header, SignedVote, Vote};
use e2l_store::StoreError;

/// How this peer stands at a height, or at its newest if that is lower; `None` if it has endorsed nothing there.
///
/// # Errors
/// The store cannot be read.
pub fn standpoint(node: &Node, height: u64) -> Result<Option<Standpoint>, StoreError> {
    let newest = node.newest();
    let height = height.min(newest.header.height);
    if height == 0 {
        return Ok(None);
    }
    let Some(header) = newest.view.header(height)? else {
        return Ok(None);
    };
    let digest = header.digest();
    for (actor, vote) in node.store.votes(height)? {
        let own = actor == node.me.member().actor
            && matches!(&vote.vote, Vote::Endorsement(endorsement) if endorsement.header == digest);
        if own && let Some(certificate) = node.endorsers.get(&vote.signature.certificate)? {
            return Ok(Some(Standpoint {
                endorsement: vote.encode().into(),
                certificate: certificate.der().to_vec().into(),
                header: header.encode().into(),
            }));
        }
    }
    Ok(None)
}

/// What of `actor`'s chain this peer does not know to be its own: the height to ask it about, 0 for none.
pub fn height_to_compare(node: &Node, actor: &str) -> u64 {
    let newest = node.newest().header.height;
    let (_, endorsed) = node.with_finality(|finality| finality.reached(actor));
    if endorsed < newest { newest } else { 0 }
}

/// Compares how an actor's peer says that it stands with this peer's own chain; the endorsement counts as any other. What
/// does not hold together says nothing.
///
/// # Errors
/// The store cannot be read or written.
pub fn compare_standpoint(node: &Node, actor: &str, theirs: &Standpoint) -> Result<(), StoreError> {
    let (Ok(header), Ok(vote), Ok(certificate)) = (
        Header::decode(&theirs.header),
        SignedVote::decode(&theirs.endorsement),
        Certificate::parse(&theirs.certificate),
    ) else {
        return Ok(());
    };
    let digest = header.digest();
    let endorses = matches!(&vote.vote, Vote::Endorsement(vote) if vote.header == digest && vote.height == header.height);
    if !endorses || certificate.member().actor != actor {
        return Ok(());
    }
    let Some(own) = node.own_at(header.height) else {
        return Ok(());
    };
    if own.header == digest && node.with_finality(|finality| finality.reached(actor)).1 >= header.height {
        return Ok(());
    }
    let vote = Signed {
        statement: vote.vote,
        signature: vote.signature,
        certificate: theirs.certificate.to_vec(),
    };
    if hear(node, Some(actor), header.height, &vote)? {
        node.on_standpoint(actor, &header, &own);
    }
    node.advance();
    Ok(())
}
