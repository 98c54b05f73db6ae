//! Where a process's identity comes from, at its start and while it runs.

use crate::error::IdentityError;
use crate::identity::Identity;
use crate::identity_files::IdentityFiles;
use crate::workload::{Wanted, WorkloadApi, WorkloadOptions};
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

/// Between two looks at the files, and at what did not fit before: the configuration may trust it now.
const LOOK: Duration = Duration::from_secs(2);

/// Where an identity comes from, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityOrigin {
    /// Two files, PEM.
    Files {
        /// The certificate.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// An agent.
    Workload(WorkloadOptions),
}

impl IdentityOrigin {
    /// What a configuration names: both files, or the section `[identity]`.
    ///
    /// # Errors
    /// It names both, or neither.
    pub fn of(
        certificate: Option<&PathBuf>,
        key: Option<&PathBuf>,
        workload: Option<&WorkloadOptions>,
    ) -> Result<Self, &'static str> {
        match (certificate, key, workload) {
            (Some(certificate), Some(key), None) => Ok(Self::Files {
                certificate: certificate.clone(),
                key: key.clone(),
            }),
            (None, None, Some(workload)) => Ok(Self::Workload(workload.clone())),
            (None, None, None) => {
                Err("it names no identity: set `certificate` and `key`, or `spiffe` in `[identity]`")
            }
            (_, _, Some(_)) => {
                Err("it names two identities: set `certificate` and `key`, or `[identity]`, and not both")
            }
            _ => Err("`certificate` and `key` belong together: set both"),
        }
    }

    /// The first identity, and the source of those after it. Waits for an agent.
    ///
    /// # Errors
    /// The files do not hold one, or the agent is none.
    pub async fn open(&self, wanted: Wanted) -> Result<(Identity, IdentitySource), IdentityError> {
        match self {
            Self::Files { certificate, key } => {
                let mut files = IdentityFiles::new(certificate, key);
                let identity = match files.candidate() {
                    Some(identity) => identity?,
                    None => Identity::load(certificate, key)?,
                };
                files.settle();
                Ok((identity, IdentitySource::new(Kind::Files(Box::new(files)))?))
            }
            Self::Workload(options) => {
                let (identity, api) = WorkloadApi::open(options, wanted).await?;
                Ok((identity, IdentitySource::new(Kind::Workload(api))?))
            }
        }
    }
}

impl std::fmt::Display for IdentityOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Files { certificate, .. } => write!(f, "{}", certificate.display()),
            Self::Workload(options) => f.write_str(&options.spiffe),
        }
    }
}

#[derive(Debug)]
enum Kind {
    Files(Box<IdentityFiles>),
    Workload(WorkloadApi),
}

/// Gives new identities while a process runs.
#[derive(Debug)]
pub struct IdentitySource {
    kind: Kind,
    hangup: Signal,
}

impl IdentitySource {
    fn new(kind: Kind) -> Result<Self, IdentityError> {
        let hangup = signal(SignalKind::hangup()).map_err(IdentityError::Signal)?;
        Ok(Self { kind, hangup })
    }

    fn candidate(&mut self) -> Option<Result<Identity, IdentityError>> {
        match &mut self.kind {
            Kind::Files(files) => files.candidate(),
            Kind::Workload(api) => api.candidate(),
        }
    }

    fn settle(&mut self) {
        match &mut self.kind {
            Kind::Files(files) => files.settle(),
            Kind::Workload(api) => api.settle(),
        }
    }

    /// Waits until it is worth looking.
    async fn wait(&mut self) {
        let given = async {
            match &mut self.kind {
                Kind::Files(_) => std::future::pending().await,
                Kind::Workload(api) => api.changed().await,
            }
        };
        tokio::select! {
            () = sleep(LOOK) => {}
            _ = self.hangup.recv() => tracing::info!("looking for a new certificate, as SIGHUP asks"),
            () = given => {}
        }
    }

    /// Offers every new identity to `take`, again and again while it is refused: what does not fit now may do so when the
    /// configuration has changed. Looks at once on SIGHUP. Runs until it is dropped.
    pub async fn follow(mut self, mut take: impl FnMut(Identity) -> Result<(), String>) {
        let mut refusals = Refusals::default();
        loop {
            self.wait().await;
            let Some(candidate) = self.candidate() else {
                continue;
            };
            match candidate.map_err(|error| error.to_string()).and_then(&mut take) {
                Ok(()) => {
                    self.settle();
                    refusals = Refusals::default();
                }
                Err(why) => {
                    if refusals.is_worth_saying(&why) {
                        tracing::error!(
                            alarm = true, %why,
                            "the new certificate is not used: the one in use stays"
                        );
                    }
                }
            }
        }
    }
}

/// Says each refusal once, and not the first time: files are written one after the other.
#[derive(Debug, Default)]
struct Refusals {
    last: String,
    times: u32,
}

impl Refusals {
    fn is_worth_saying(&mut self, why: &str) -> bool {
        if self.last == why {
            self.times = self.times.saturating_add(1);
        } else {
            (self.last, self.times) = (why.to_owned(), 1);
        }
        self.times == 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_exactly_one_identity() {
        let (file, agent) = (
            PathBuf::from("it"),
            WorkloadOptions {
                spiffe: "unix:///agent.sock".to_owned(),
                spiffe_id: None,
            },
        );
        assert!(IdentityOrigin::of(Some(&file), Some(&file), None).is_ok());
        assert!(IdentityOrigin::of(None, None, Some(&agent)).is_ok());
        for (certificate, key, agent) in [
            (None, None, None),
            (Some(&file), None, None),
            (None, Some(&file), None),
            (Some(&file), Some(&file), Some(&agent)),
            (None, Some(&file), Some(&agent)),
        ] {
            assert!(IdentityOrigin::of(certificate, key, agent).is_err());
        }
    }

    #[test]
    fn a_refusal_is_said_when_it_lasts_and_once() {
        let mut refusals = Refusals::default();
        let said: Vec<bool> = ["a", "a", "a", "b", "b", "a"]
            .map(|why| refusals.is_worth_saying(why))
            .into();
        assert_eq!(said, [false, true, false, false, true, false]);
    }
}
