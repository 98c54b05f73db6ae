use super::{Anchor, ProofError};
use crate::block::Header;
use crate::canonical::Canonical;
use crate::certificate::Certificate;
use crate::config::NetworkConfig;
use crate::hash::Digest;
use crate::vote::{SignedVote, Vote};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;

/// Proof that a header is final: endorsements of it, or of a header above it that descends from it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FinalHeaderProof {
    /// The header.
    pub header: Header,
    /// The headers above it up to the one that is endorsed; none when it is endorsed itself.
    pub descendants: Vec<Header>,
    /// Endorsements of the last of these, sorted by the endorsing actor.
    pub endorsements: Vec<SignedVote>,
    /// DER bytes of the endorsers' certificates, in the same order.
    pub certificates: Vec<Vec<u8>>,
}

impl Canonical for FinalHeaderProof {
    const WHAT: &'static str = "proof of a final header";
}

/// A header that is final, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalHeader {
    /// The header.
    pub header: Header,
    /// Actors that endorsed it, sorted.
    pub endorsed_by: Vec<String>,
    /// Number of voting actors of its configuration.
    pub voters: usize,
}

impl FinalHeader {
    /// Whether every voting actor has endorsed it.
    pub fn is_sealed(&self) -> bool {
        self.endorsed_by.len() >= self.voters
    }
}

impl FinalHeaderProof {
    /// Checks that the header is final in the network of the genesis.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(&self, anchor: &Anchor) -> Result<FinalHeader, ProofError> {
        let config = anchor.config_of(&self.header)?;
        for header in &self.descendants {
            anchor.config_of(header)?;
        }
        let endorsed = self.check_chain()?;
        let endorsed_by = self.check_endorsements(anchor, &config, endorsed)?;
        let voters = config.voters().count();
        let required = config.finality.required(voters);
        if endorsed_by.len() < required {
            return Err(ProofError::TooFewEndorsements {
                height: self.header.height,
                found: endorsed_by.len(),
                required,
                voters,
            });
        }
        Ok(FinalHeader {
            header: self.header.clone(),
            endorsed_by: endorsed_by.into_iter().collect(),
            voters,
        })
    }

    /// The header that is endorsed.
    fn check_chain(&self) -> Result<&Header, ProofError> {
        let mut below = &self.header;
        for header in &self.descendants {
            let follows = header.previous == below.digest()
                && Some(header.height) == below.height.checked_add(1)
                && header.config_root == below.next_config_root
                && header.time_nano >= below.time_nano;
            if !follows {
                return Err(ProofError::Chain {
                    height: header.height,
                });
            }
            below = header;
        }
        Ok(below)
    }

    /// The actors that endorse the header: by an endorsement of it or of one above. They must have a vote on both, as
    /// the configuration may have changed in between.
    fn check_endorsements(
        &self,
        anchor: &Anchor,
        config: &NetworkConfig,
        endorsed: &Header,
    ) -> Result<BTreeSet<String>, ProofError> {
        let above = anchor.config_of(endorsed)?;
        let height = endorsed.height;
        let unfit = |why: String| ProofError::Endorsement { height, why };
        if self.certificates.len() != self.endorsements.len() {
            return Err(unfit(format!(
                "{} endorsements come with {} certificates",
                self.endorsements.len(),
                self.certificates.len()
            )));
        }
        let digest = endorsed.digest();
        let mut actors = BTreeSet::new();
        for (vote, der) in self.endorsements.iter().zip(&self.certificates) {
            let actor = check_endorsement([config, &above], endorsed, &digest, vote, der)?;
            // One order, so that a proof has one form.
            if actors.last().is_some_and(|last| *last >= actor) {
                return Err(unfit(format!(
                    "that of actor `{actor}` stands twice or out of order"
                )));
            }
            actors.insert(actor);
        }
        Ok(actors)
    }
}

/// The actor whose peer endorsed a header.
fn check_endorsement(
    [config, above]: [&NetworkConfig; 2],
    header: &Header,
    digest: &Digest,
    vote: &SignedVote,
    der: &[u8],
) -> Result<String, ProofError> {
    let unfit = |why: String| ProofError::Endorsement {
        height: header.height,
        why,
    };
    match &vote.vote {
        Vote::Endorsement(said)
            if said.network == header.network && said.height == header.height && said.header == *digest => {}
        other => {
            return Err(unfit(format!(
                "it is a statement about height {}",
                other.height()
            )));
        }
    }
    let certificate = Certificate::parse(der)?;
    let member = certificate.member();
    if !config.is_voting_peer(member) || !above.is_voting_peer(member) {
        return Err(unfit(format!("{member} is not the peer of a voting actor")));
    }
    certificate.check(above, header.time_nano)?;
    vote.signature
        .verify(&vote.vote.digest(), &certificate)
        .map_err(|source| ProofError::signature(member, source))?;
    Ok(member.actor.clone())
}
