//! Contracts that are ready to run.

use crate::error::ExecutionError;
use e2l_ledger::{Digest, Domain, NetworkConfig};
use e2l_runtime::{Admitted, Runtime};
use std::collections::HashMap;
use std::sync::Arc;

/// Where the bytes of components come from.
pub trait Components: Send + Sync {
    /// The component with this digest, `None` if it is not here. The caller checks the digest.
    ///
    /// # Errors
    /// It is here and cannot be read.
    fn component(&self, digest: &Digest) -> std::io::Result<Option<Vec<u8>>>;
}

/// Chaincodes that are ready to run, by digest of their component.
pub(crate) struct Chaincodes {
    pub(crate) runtime: Arc<Runtime>,
    components: Arc<dyn Components>,
    admitted: HashMap<Digest, Arc<Admitted>>,
}

impl Chaincodes {
    pub(crate) fn new(runtime: Arc<Runtime>, components: Arc<dyn Components>) -> Self {
        Self {
            runtime,
            components,
            admitted: HashMap::new(),
        }
    }

    /// The active chaincode of that name; `None` if there is none.
    pub(crate) fn active(
        &mut self,
        name: &str,
        config: &NetworkConfig,
    ) -> Result<Option<Arc<Admitted>>, ExecutionError> {
        let Some(definition) = config.chaincode(name) else {
            return Ok(None);
        };
        let digest = definition.digest;
        if let Some(admitted) = self.admitted.get(&digest) {
            return Ok(Some(admitted.clone()));
        }
        let missing = || ExecutionError::MissingComponent {
            name: name.to_owned(),
            digest,
        };
        let bytes = self.components.component(&digest).map_err(|error| {
            tracing::error!(%digest, %error, "cannot read a chaincode component");
            missing()
        })?;
        let bytes = bytes.ok_or_else(missing)?;
        let found = Domain::Chaincode.hash(&bytes);
        if found != digest {
            return Err(ExecutionError::WrongComponent {
                name: name.to_owned(),
                digest,
                found,
            });
        }
        let admitted = self
            .runtime
            .admit(&bytes, &crate::host::static_limits(&config.limits))
            .map_err(|source| ExecutionError::Admission {
                name: name.to_owned(),
                source,
            })?;
        let admitted = Arc::new(admitted);
        self.admitted.insert(digest, admitted.clone());
        Ok(Some(admitted))
    }
}
