use super::{Anchor, ProofError};
use crate::batch::BatchHeader;
use crate::canonical::Canonical;
use crate::certificate::Certificate;
use crate::hash::Digest;
use crate::member::{Member, Role};
use crate::proposal::ProposalHeader;
use crate::signature::Signature;
use crate::vote::Vote;
use borsh::{BorshDeserialize, BorshSerialize};

/// A statement with its signature and its signer's certificate.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signed<T> {
    /// What was said.
    pub statement: T,
    /// By whom.
    pub signature: Signature,
    /// DER bytes of the signer's certificate.
    pub certificate: Vec<u8>,
}

impl Canonical for Signed<ProposalHeader> {
    const WHAT: &'static str = "signed proposal header";
}

impl Canonical for Signed<Vote> {
    const WHAT: &'static str = "signed vote with its certificate";
}

/// Two statements of one signer about one place that cannot both be honest.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Evidence {
    /// A peer acknowledged two proposals, or endorsed two headers, at one height.
    Votes(Signed<Vote>, Signed<Vote>),
    /// A leader signed two proposals for one term and height.
    Proposals(Signed<ProposalHeader>, Signed<ProposalHeader>),
    /// A collector signed two batches with one incarnation and sequence number.
    Batches(Signed<BatchHeader>, Signed<BatchHeader>),
}

impl Canonical for Evidence {
    const WHAT: &'static str = "evidence";
}

/// Whom evidence convicts, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guilt {
    /// Who signed both statements.
    pub member: Member,
    /// What was signed twice, one sentence.
    pub what: String,
    /// Digests of the two statements.
    pub statements: (Digest, Digest),
}

impl Evidence {
    /// Checks that both statements were signed by one member of the network, about one place, and differ.
    ///
    /// A certificate that has expired or was revoked since convicts all the same: revoking it must not undo
    /// what was signed.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(&self, anchor: &Anchor) -> Result<Guilt, ProofError> {
        match self {
            Self::Votes(first, second) => check_votes(anchor, first, second),
            Self::Proposals(first, second) => check_proposals(anchor, first, second),
            Self::Batches(first, second) => check_batches(anchor, first, second),
        }
    }
}

fn innocent(why: impl Into<String>) -> ProofError {
    ProofError::NoContradiction(why.into())
}

/// Checks both signatures; returns the one member that made them.
fn signer<T>(
    anchor: &Anchor,
    role: Role,
    statements: [(&Signed<T>, &Digest, &Digest); 2],
) -> Result<Member, ProofError> {
    let mut found: Option<Member> = None;
    for (signed, network, digest) in statements {
        if network != anchor.network() {
            return Err(ProofError::OtherNetwork {
                found: *network,
                expected: *anchor.network(),
            });
        }
        let certificate = Certificate::parse(&signed.certificate)?;
        check_issued_ever(&certificate, anchor)?;
        let member = certificate.member();
        if member.role != role {
            return Err(innocent(format!("{member} is no {role}")));
        }
        signed
            .signature
            .verify(digest, &certificate)
            .map_err(|source| ProofError::signature(member, source))?;
        match &found {
            Some(other) if other != member => {
                return Err(innocent(format!("one is signed by {other}, one by {member}")));
            }
            _ => found = Some(member.clone()),
        }
    }
    if statements[0].2 == statements[1].2 {
        return Err(innocent("they are the same"));
    }
    found.ok_or_else(|| innocent("there is none"))
}

/// Whether the certificate was one of the network's under any configuration that is known, the newest first.
fn check_issued_ever(certificate: &Certificate, anchor: &Anchor) -> Result<(), ProofError> {
    let mut epochs = anchor.epochs().into_iter().rev();
    let newest = epochs.next().map(|epoch| certificate.check_issued(&epoch.config));
    match newest {
        Some(Err(error)) if epochs.all(|epoch| certificate.check_issued(&epoch.config).is_err()) => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

fn check_votes(anchor: &Anchor, first: &Signed<Vote>, second: &Signed<Vote>) -> Result<Guilt, ProofError> {
    let (a, b) = (&first.statement, &second.statement);
    let what = match (a, b) {
        (Vote::Acknowledgement(_), Vote::Acknowledgement(_)) => "acknowledged two proposals",
        (Vote::Endorsement(_), Vote::Endorsement(_)) => "endorsed two headers",
        _ => return Err(innocent("one is an acknowledgement, one an endorsement")),
    };
    if a.height() != b.height() {
        return Err(innocent(format!(
            "they are about heights {} and {}",
            a.height(),
            b.height()
        )));
    }
    let digests = (a.digest(), b.digest());
    let statements = [
        (first, a.network(), &digests.0),
        (second, b.network(), &digests.1),
    ];
    Ok(Guilt {
        member: signer(anchor, Role::Peer, statements)?,
        what: format!("{what} at height {}", a.height()),
        statements: digests,
    })
}

fn check_proposals(
    anchor: &Anchor,
    first: &Signed<ProposalHeader>,
    second: &Signed<ProposalHeader>,
) -> Result<Guilt, ProofError> {
    let (a, b) = (&first.statement, &second.statement);
    if (a.term, a.height) != (b.term, b.height) {
        return Err(innocent(format!(
            "they are for term {} height {}, and term {} height {}",
            a.term, a.height, b.term, b.height
        )));
    }
    let digests = (a.digest(), b.digest());
    let statements = [(first, &a.network, &digests.0), (second, &b.network, &digests.1)];
    let member = signer(anchor, Role::Peer, statements)?;
    if a.leader != member || b.leader != member {
        return Err(innocent(format!("{member} signed what names another leader")));
    }
    Ok(Guilt {
        member,
        what: format!("proposed two blocks at height {} in term {}", a.height, a.term),
        statements: digests,
    })
}

fn check_batches(
    anchor: &Anchor,
    first: &Signed<BatchHeader>,
    second: &Signed<BatchHeader>,
) -> Result<Guilt, ProofError> {
    let (a, b) = (&first.statement, &second.statement);
    if (a.incarnation, a.sequence) != (b.incarnation, b.sequence) {
        return Err(innocent(format!(
            "they are batch {} of incarnation {}, and batch {} of incarnation {}",
            a.sequence, a.incarnation, b.sequence, b.incarnation
        )));
    }
    let digests = (a.digest(), b.digest());
    let statements = [(first, &a.network, &digests.0), (second, &b.network, &digests.1)];
    let member = signer(anchor, Role::Collector, statements)?;
    if a.sender != member || b.sender != member {
        return Err(innocent(format!("{member} signed what names another sender")));
    }
    Ok(Guilt {
        member,
        what: format!(
            "signed two batches with number {} in incarnation {}",
            a.sequence, a.incarnation
        ),
        statements: digests,
    })
}
