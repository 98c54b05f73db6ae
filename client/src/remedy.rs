//! Next steps, as sentences.

use crate::wire::refusal::Reason;
use std::io;

/// What to do about a refusal, in one sentence.
pub fn refusal_remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::Unspecified => "see the peer's log",
        Reason::Malformed => "send the canonical encoding, within the network's limits",
        Reason::Unauthentic => {
            "sign with the key of a certificate that the actor's authority issued and that is valid now"
        }
        Reason::Forbidden => "use an identity whose role may do it",
        Reason::SequenceGap => "send the batch that follows the last one on the ledger",
        Reason::Conflict => {
            "another batch of this number is known: open a new incarnation, and find out who else signs with \
             this key"
        }
        Reason::Busy => "send the same bytes again a little later",
        Reason::Unavailable => "send the same bytes again, here or to another peer",
        Reason::Duplicate => "nothing to do: the first one counts",
        Reason::WrongNetwork => "use the configuration of this network",
        Reason::OtherCode => {
            "record by the component that is in force, with an executable that the actors allow: `e2l chaincode list`, \
             `e2l collectors`"
        }
    }
}

/// Why no TCP connection came about, with the next step.
pub(crate) fn tcp_reason(error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there: start the peer, or correct the address",
        io::ErrorKind::TimedOut => "check host and port, and the firewalls between",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "check the network between",
        _ if error.raw_os_error().is_none() => "check the host's name and the resolver",
        _ => "check the network between",
    };
    format!("{error}: {remedy}")
}
