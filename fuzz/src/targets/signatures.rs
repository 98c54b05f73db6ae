//! What others have signed: certificates, genesis files and votes. What holds, they did sign.

use crate::truth::truth;
use e2l_ledger::{Canonical, Certificate, GenesisFile, SignedVote};

/// Certificates, which strangers send before anything is known of them.
pub fn certificate(bytes: &[u8]) {
    if let Ok(certificate) = Certificate::parse(bytes) {
        assert!(certificate.der() == bytes);
        let issued = certificate.check_issued(&truth().config).is_ok();
        assert!(
            !issued || truth().certificates.contains(bytes),
            "a certificate that no authority issued"
        );
    }
}

/// Genesis files: what every actor has approved is a genesis that they did approve.
pub fn genesis(bytes: &[u8]) {
    let Ok(file) = serde_json::from_slice::<GenesisFile>(bytes) else {
        return;
    };
    if file.check().is_ok() {
        let digest = file.genesis.digest();
        assert!(
            truth().geneses.contains(&digest),
            "a genesis that nobody approved"
        );
    }
}

/// Votes as a peer takes them in: which certificate, one of the known ones or, for 255, one behind two bytes of length;
/// then the vote. What is signed was said.
pub fn vote(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else {
        return;
    };
    let (certificate, bytes) = match truth().peers.get(usize::from(*which)) {
        Some(certificate) => (Certificate::parse(certificate), rest),
        None => {
            let Some((length, rest)) = rest.split_first_chunk::<2>() else {
                return;
            };
            let Some((der, rest)) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length))) else {
                return;
            };
            (Certificate::parse(der), rest)
        }
    };
    let (Ok(certificate), Ok(vote)) = (certificate, SignedVote::decode(bytes)) else {
        return;
    };
    assert!(vote.encode() == bytes);
    let issued = certificate.check_issued(&truth().config).is_ok();
    let signed = vote.signature.verify(&vote.vote.digest(), &certificate).is_ok();
    assert!(
        !(issued && signed) || truth().votes.contains(bytes),
        "a vote that was never cast"
    );
}
