//! Who acts: an actor's peer, collector, admin, client or auditor, named by a SPIFFE id.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a certificate's holder may do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Orders, executes and endorses for its actor.
    Peer,
    /// Submits events of one engine.
    Collector,
    /// Signs governance and calls for its actor.
    Admin,
    /// Reads.
    Client,
    /// Reads everything, for an actor that does not vote.
    Auditor,
}

impl Role {
    /// The word used in certificates and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Collector => "collector",
            Self::Admin => "admin",
            Self::Client => "client",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [
            Self::Peer,
            Self::Collector,
            Self::Admin,
            Self::Client,
            Self::Auditor,
        ]
        .into_iter()
        .find(|role| role.as_str() == text)
        .ok_or_else(|| InvalidName {
            name: text.to_owned(),
            why: "is not a role",
        })
    }
}

/// A name that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` {why}: names have 1 to 63 lower-case letters, digits and hyphens and start with a letter or digit"
)]
pub struct InvalidName {
    /// The text.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Checks a network's, actor's or member's name: it must be one path segment or trust domain of a SPIFFE id,
/// a file name and a host name alike.
///
/// # Errors
/// Says what is wrong.
pub fn validate_name(name: &str) -> Result<(), InvalidName> {
    let fail = |why| {
        Err(InvalidName {
            name: name.to_owned(),
            why,
        })
    };
    if name.is_empty() || name.len() > 63 {
        return fail("has the wrong length");
    }
    if !name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        return fail("holds other characters");
    }
    if name.starts_with('-') {
        return fail("starts with a hyphen");
    }
    Ok(())
}

/// A member of the network: one certificate's holder. Sorted by actor, role, name.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Member {
    /// The organisation whose authority issued the certificate.
    pub actor: String,
    /// What it may do.
    pub role: Role,
    /// Its name within the actor; also the certificate's CommonName.
    pub name: String,
}

impl Member {
    /// The SPIFFE id `spiffe://<network>/<actor>/<role>/<name>`.
    pub fn spiffe_id(&self, network: &str) -> String {
        format!("spiffe://{network}/{}/{}/{}", self.actor, self.role, self.name)
    }

    /// Reads a SPIFFE id; returns the network's name and the member.
    ///
    /// # Errors
    /// Not of the form above, or a part that is not a name.
    pub fn from_spiffe_id(uri: &str) -> Result<(String, Self), InvalidName> {
        let fail = || InvalidName {
            name: uri.to_owned(),
            why: "is not of the form spiffe://<network>/<actor>/<role>/<name>",
        };
        let rest = uri.strip_prefix("spiffe://").ok_or_else(fail)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let [network, actor, role, name] = parts.as_slice() else {
            return Err(fail());
        };
        for part in [network, actor, name] {
            validate_name(part)?;
        }
        let member = Self {
            actor: (*actor).to_owned(),
            role: role.parse()?,
            name: (*name).to_owned(),
        };
        Ok(((*network).to_owned(), member))
    }
}

impl FromStr for Member {
    type Err = InvalidName;

    /// Reads `actor/role/name`, as it is displayed.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let parts: Vec<&str> = text.split('/').collect();
        let [actor, role, name] = parts.as_slice() else {
            return Err(InvalidName {
                name: text.to_owned(),
                why: "is not of the form actor/role/name",
            });
        };
        validate_name(actor)?;
        validate_name(name)?;
        Ok(Self {
            actor: (*actor).to_owned(),
            role: role.parse()?,
            name: (*name).to_owned(),
        })
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.actor, self.role, self.name)
    }
}
