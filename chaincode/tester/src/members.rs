//! Actors with authorities, and their members with keys: real ones, which anyone can compute.

use crate::error::TestError;
use e2l_identity::{Authority, Identity, IdentityError, Validity};
use e2l_ledger::{Domain, Member};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use time::OffsetDateTime;

/// How long certificates hold. Tests may let years go by.
const VALID_DAYS: i64 = 36_500;

/// Who calls, signs and leads.
pub(crate) struct Members {
    network: String,
    validity: Validity,
    /// Where keys are put; it goes with the ledger.
    directory: PathBuf,
    authorities: BTreeMap<String, Authority>,
    identities: BTreeMap<Member, Arc<Identity>>,
}

impl Members {
    /// Authorities of these actors. An actor's key follows from its name: then the network, and with it every
    /// transaction's id, is the same in every run.
    pub fn new<'a>(
        network: &str,
        actors: impl Iterator<Item = &'a str>,
        now: OffsetDateTime,
        directory: PathBuf,
    ) -> Result<Self, TestError> {
        let validity = Validity::days(now, VALID_DAYS);
        let authorities =
            actors.map(|actor| Ok::<_, TestError>((actor.to_owned(), authority(actor, validity)?)));
        Ok(Self {
            network: network.to_owned(),
            validity,
            directory,
            authorities: authorities.collect::<Result<_, TestError>>()?,
            identities: BTreeMap::new(),
        })
    }

    /// Every actor with its authority's certificate.
    pub fn authorities(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.authorities
            .iter()
            .map(|(actor, authority)| (actor.as_str(), authority.certificate_der()))
    }

    /// A member's certificate and key, issued when it is first asked for.
    pub fn identity(&mut self, member: &Member) -> Result<Arc<Identity>, TestError> {
        if let Some(identity) = self.identities.get(member) {
            return Ok(identity.clone());
        }
        let authority = self
            .authorities
            .get(&member.actor)
            .ok_or_else(|| TestError::Actor(member.actor.clone()))?;
        let issued = authority.issue(&self.network, member, self.validity, &[])?;
        let stem = self.identities.len().to_string();
        issued.write(&self.directory, &stem)?;
        let path = |extension| self.directory.join(&stem).with_extension(extension);
        let identity = Arc::new(Identity::load(&path("pem"), &path("key"))?);
        self.identities.insert(member.clone(), identity.clone());
        Ok(identity)
    }
}

fn authority(actor: &str, validity: Validity) -> Result<Authority, TestError> {
    let seed = Domain::Value.hash(format!("authority of {actor} in tests of contracts").as_bytes());
    let key = SigningKey::from_bytes(&seed.0).to_pkcs8_pem(LineEnding::LF);
    let key = key.map_err(|error| IdentityError::Issue {
        subject: actor.to_owned(),
        why: error.to_string(),
    })?;
    Ok(Authority::with_key(actor, &key, validity)?)
}
