//! What a handshake shows of this side.

use crate::current::CurrentIdentity;
use crate::identity::Identity;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// The identity that handshakes show: always the same, or whichever is in use when the handshake is made.
#[derive(Debug, Clone)]
pub struct Presented(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Fixed(Arc<CertifiedKey>),
    Current(Arc<CurrentIdentity>),
}

impl From<&Identity> for Presented {
    fn from(identity: &Identity) -> Self {
        Self(Kind::Fixed(identity.tls()))
    }
}

impl From<&Arc<Identity>> for Presented {
    fn from(identity: &Arc<Identity>) -> Self {
        identity.as_ref().into()
    }
}

impl From<&Arc<CurrentIdentity>> for Presented {
    fn from(identity: &Arc<CurrentIdentity>) -> Self {
        Self(Kind::Current(identity.clone()))
    }
}

impl Presented {
    fn key(&self) -> Arc<CertifiedKey> {
        match &self.0 {
            Kind::Fixed(key) => key.clone(),
            Kind::Current(identity) => identity.get().tls(),
        }
    }
}

impl ResolvesClientCert for Presented {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}
