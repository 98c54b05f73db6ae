//! An actor's certificate authority.

use crate::error::IdentityError;
use crate::files::{replace, write_public, write_secret};
use e2l_ledger::{Member, validate_name};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ED25519, SanType, string::Ia5String,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::net::IpAddr;
use std::path::Path;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

/// Clocks of members may differ: certificates begin this much before they are issued.
const BACKDATE: Duration = Duration::minutes(10);

/// From when until when a certificate holds.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    /// First moment.
    pub not_before: OffsetDateTime,
    /// Last moment.
    pub not_after: OffsetDateTime,
}

impl Validity {
    /// From shortly before `now` for `days` days.
    pub fn days(now: OffsetDateTime, days: i64) -> Self {
        Self {
            not_before: now - BACKDATE,
            not_after: now + Duration::days(days),
        }
    }
}

/// A certificate with its key, as PEM.
pub struct Issued {
    /// Certificate, PEM.
    pub certificate_pem: String,
    /// Certificate, DER.
    pub certificate_der: Vec<u8>,
    /// Key, PKCS #8 PEM. A secret.
    pub key_pem: Zeroizing<String>,
}

impl Issued {
    /// Writes `<stem>.pem` and `<stem>.key` into a directory, the key first, with mode 0600.
    ///
    /// # Errors
    /// A file exists, or cannot be written.
    pub fn write(&self, directory: &Path, stem: &str) -> Result<(), IdentityError> {
        write_secret(&directory.join(format!("{stem}.key")), self.key_pem.as_bytes())?;
        write_public(
            &directory.join(format!("{stem}.pem")),
            self.certificate_pem.as_bytes(),
        )
    }

    /// Puts certificate and key in the place of others. Each file changes at once, the key first; a process that runs on
    /// them notices when both have.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn replace(&self, certificate: &Path, key: &Path) -> Result<(), IdentityError> {
        replace(key, self.key_pem.as_bytes(), 0o600)?;
        replace(certificate, self.certificate_pem.as_bytes(), 0o644)
    }
}

/// An actor's authority: it issues the certificates of that actor's members.
pub struct Authority {
    actor: String,
    key: KeyPair,
    certificate_pem: String,
    certificate_der: Vec<u8>,
}

impl Authority {
    /// Makes a new authority with an Ed25519 key.
    ///
    /// # Errors
    /// The name cannot be used, or there is no randomness.
    pub fn create(actor: &str, validity: Validity) -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ED25519).map_err(|error| issue_error(actor, &error))?;
        Self::certified(actor, key, validity)
    }

    /// The authority that has this key, PKCS #8 PEM of Ed25519: the same key and validity give the same certificate.
    ///
    /// # Errors
    /// The name cannot be used, or the text is no such key.
    pub fn with_key(actor: &str, key_pem: &str, validity: Validity) -> Result<Self, IdentityError> {
        let key = KeyPair::from_pem(key_pem).map_err(|error| issue_error(actor, &error))?;
        Self::certified(actor, key, validity)
    }

    fn certified(actor: &str, key: KeyPair, validity: Validity) -> Result<Self, IdentityError> {
        validate_name(actor)?;
        let mut params = authority_params(actor);
        params.not_before = validity.not_before;
        params.not_after = validity.not_after;
        let certificate = params
            .self_signed(&key)
            .map_err(|error| issue_error(actor, &error))?;
        Ok(Self {
            actor: actor.to_owned(),
            key,
            certificate_pem: certificate.pem(),
            certificate_der: certificate.der().to_vec(),
        })
    }

    /// Reads `ca.pem` and `ca.key` from a directory.
    ///
    /// # Errors
    /// A file cannot be read, the key is readable by others, or they do not belong together.
    pub fn load(actor: &str, directory: &Path) -> Result<Self, IdentityError> {
        validate_name(actor)?;
        let (certificate_path, key_path) = (directory.join("ca.pem"), directory.join("ca.key"));
        let key_pem = crate::identity::read_key(&key_path)?;
        let key = KeyPair::from_pem(&key_pem).map_err(|_| IdentityError::NotPem {
            path: key_path.clone(),
            what: "a PKCS #8 key",
        })?;
        let certificate_pem =
            std::fs::read_to_string(&certificate_path).map_err(|source| IdentityError::Read {
                path: certificate_path.clone(),
                source,
            })?;
        let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|_| {
            IdentityError::NotPem {
                path: certificate_path.clone(),
                what: "a certificate",
            }
        })?;
        // The raw public key stands in the certificate's subject public key info.
        let raw = key.public_key_raw();
        if !der.windows(raw.len()).any(|window| window == raw) {
            return Err(IdentityError::KeyMismatch {
                key: key_path,
                certificate: certificate_path,
            });
        }
        Ok(Self {
            actor: actor.to_owned(),
            key,
            certificate_pem,
            certificate_der: der.to_vec(),
        })
    }

    /// Writes `ca.pem` and `ca.key` into a directory.
    ///
    /// # Errors
    /// A file exists, or cannot be written.
    pub fn save(&self, directory: &Path) -> Result<(), IdentityError> {
        let key = Zeroizing::new(self.key.serialize_pem());
        write_secret(&directory.join("ca.key"), key.as_bytes())?;
        write_public(&directory.join("ca.pem"), self.certificate_pem.as_bytes())
    }

    /// DER bytes of the authority's certificate, as the genesis holds them.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    /// Issues a certificate for a member of this actor: one SPIFFE id, the member's name as CommonName, and
    /// the addresses (IP or DNS) that other tools want to see in a server's certificate.
    ///
    /// # Errors
    /// A member of another actor, a name that cannot be used, an address that is none.
    pub fn issue(
        &self,
        network: &str,
        member: &Member,
        validity: Validity,
        addresses: &[String],
    ) -> Result<Issued, IdentityError> {
        for name in [network, &member.actor, &member.name] {
            validate_name(name)?;
        }
        let subject = member.to_string();
        let fail = |error: &dyn std::fmt::Display| issue_error(&subject, error);
        if member.actor != self.actor {
            return Err(fail(&format!("the authority is that of actor `{}`", self.actor)));
        }
        let key = KeyPair::generate_for(&PKCS_ED25519).map_err(|error| fail(&error))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(&member.name, &member.actor);
        params.not_before = validity.not_before;
        params.not_after = validity.not_after;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let uri = Ia5String::try_from(member.spiffe_id(network)).map_err(|error| fail(&error))?;
        params.subject_alt_names.push(SanType::URI(uri));
        for address in addresses {
            params.subject_alt_names.push(match address.parse::<IpAddr>() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => {
                    SanType::DnsName(Ia5String::try_from(address.clone()).map_err(|error| fail(&error))?)
                }
            });
        }
        let issuer = Issuer::new(authority_params(&self.actor), &self.key);
        let certificate = params.signed_by(&key, &issuer).map_err(|error| fail(&error))?;
        Ok(Issued {
            certificate_pem: certificate.pem(),
            certificate_der: certificate.der().to_vec(),
            key_pem: Zeroizing::new(key.serialize_pem()),
        })
    }
}

fn authority_params(actor: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(&format!("{actor} authority"), actor);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn distinguished_name(common_name: &str, organization: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, organization);
    name.push(DnType::CommonName, common_name);
    name
}

fn issue_error(subject: &str, why: &dyn std::fmt::Display) -> IdentityError {
    IdentityError::Issue {
        subject: subject.to_owned(),
        why: why.to_string(),
    }
}
