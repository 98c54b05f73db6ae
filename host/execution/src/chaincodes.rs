//! Contracts that are ready to run.

use crate::ahead::{Ahead, unbounded};
use crate::error::ExecutionError;
use e2l_ledger::{ChaincodeDefinition, Digest, Domain, NetworkConfig, StateKey};
use e2l_runtime::{Admitted, Runtime};
use e2l_store::StoreError;
use std::collections::HashMap;
use std::sync::Arc;

/// Where the bytes of components come from that the genesis names; those that were proposed are on the ledger.
pub trait Components: Send + Sync {
    /// The component with this digest, `None` if it is not here. The caller checks the digest.
    ///
    /// # Errors
    /// It is here and cannot be read.
    fn component(&self, digest: &Digest) -> std::io::Result<Option<Vec<u8>>>;
}

/// Reads a value of the ledger's state.
pub(crate) type ReadState<'a> = &'a dyn Fn(&StateKey) -> Result<Option<Vec<u8>>, StoreError>;

/// Chaincodes that are ready to run, by digest of their component.
pub(crate) struct Chaincodes {
    pub(crate) runtime: Arc<Runtime>,
    components: Arc<dyn Components>,
    admitted: HashMap<Digest, Arc<Admitted>>,
    ahead: Ahead,
}

impl Chaincodes {
    pub(crate) fn new(runtime: Arc<Runtime>, components: Arc<dyn Components>) -> Self {
        Self {
            ahead: Ahead::new(Arc::clone(&runtime)),
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
        state: ReadState<'_>,
    ) -> Result<Option<Arc<Admitted>>, ExecutionError> {
        let Some(definition) = config.chaincode(name) else {
            return Ok(None);
        };
        self.of(definition, state).map(Some)
    }

    /// The component of a definition that is in force, or approved.
    pub(crate) fn of(
        &mut self,
        definition: &ChaincodeDefinition,
        state: ReadState<'_>,
    ) -> Result<Arc<Admitted>, ExecutionError> {
        let ChaincodeDefinition { name, digest, .. } = definition;
        if let Some(admitted) = self.admitted.get(digest) {
            return Ok(admitted.clone());
        }
        let compiled = match self.ahead.take(digest) {
            Some(compiled) => compiled,
            None => {
                let bytes = self.signed_bytes(definition, state)?;
                self.runtime.admit(&bytes, &unbounded())
            }
        };
        let admitted = compiled.map_err(|source| ExecutionError::Admission {
            name: name.clone(),
            source,
        })?;
        let admitted = Arc::new(admitted);
        self.admitted.insert(*digest, admitted.clone());
        Ok(admitted)
    }

    /// The bytes of a definition's component.
    pub(crate) fn signed_bytes(
        &self,
        definition: &ChaincodeDefinition,
        state: ReadState<'_>,
    ) -> Result<Vec<u8>, ExecutionError> {
        let ChaincodeDefinition { name, digest, .. } = definition;
        let bytes = self.bytes(name, digest, state)?;
        let found = Domain::Chaincode.hash(&bytes);
        if found == *digest {
            return Ok(bytes);
        }
        Err(ExecutionError::WrongComponent {
            name: name.clone(),
            digest: *digest,
            found,
        })
    }

    fn bytes(&self, name: &str, digest: &Digest, state: ReadState<'_>) -> Result<Vec<u8>, ExecutionError> {
        if let Some(bytes) = state(&StateKey::component(digest))? {
            return Ok(bytes);
        }
        let missing = || ExecutionError::MissingComponent {
            name: name.to_owned(),
            digest: *digest,
        };
        let bytes = self.components.component(digest).map_err(|error| {
            tracing::error!(%digest, %error, "cannot read a chaincode component");
            missing()
        })?;
        bytes.ok_or_else(missing)
    }

    /// Begins to compile a component that was checked.
    pub(crate) fn compile_ahead(&mut self, digest: Digest, bytes: Vec<u8>) {
        if !self.admitted.contains_key(&digest) {
            self.ahead.begin(digest, bytes);
        }
    }

    /// Forgets what is neither active nor was asked for lately.
    pub(crate) fn retain(&mut self, config: &NetworkConfig) {
        const KEPT: usize = 16;
        if self.admitted.len() > KEPT {
            self.admitted
                .retain(|digest, _| config.chaincodes.iter().any(|known| known.digest == *digest));
        }
    }
}
