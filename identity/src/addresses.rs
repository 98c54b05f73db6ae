//! Host names and addresses in a certificate: only other tools look at them.

use std::net::IpAddr;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The DNS names and IP addresses in a certificate, as [`issue`](crate::Authority::issue) takes them; none if the bytes are
/// no certificate.
pub fn addresses_in(der: &[u8]) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(der) else {
        return Vec::new();
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let names = names.value.general_names.iter();
    names.filter_map(address).collect()
}

fn address(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let ip = match <[u8; 4]>::try_from(*bytes) {
                Ok(four) => IpAddr::from(four),
                Err(_) => IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?),
            };
            Some(ip.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Authority, Validity};
    use e2l_ledger::{Member, Role};
    use time::OffsetDateTime;

    #[test]
    fn what_a_certificate_was_issued_for_is_found_in_it() {
        let validity = Validity::days(OffsetDateTime::now_utc(), 1);
        let member = Member {
            actor: "user".to_owned(),
            role: Role::Peer,
            name: "peer".to_owned(),
        };
        let authority = Authority::create("user", validity).unwrap();
        let addresses = ["127.0.0.1", "::1", "peer.example.org"].map(str::to_owned);
        let issued = authority.issue("testnet", &member, validity, &addresses).unwrap();
        assert_eq!(addresses_in(&issued.certificate_der), addresses);
        assert!(addresses_in(b"none").is_empty());
    }
}
