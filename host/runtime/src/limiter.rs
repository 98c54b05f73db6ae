//! How much memory a contract gets. Over its limit the call ends: what a contract does when an allocation is
//! refused is its own affair, but a refusal must not depend on the machine.

use crate::host::{Broken, HostData, stop};
use crate::host_state::{HostError, HostState};
use crate::outcome::Failure;
use wasmtime::{Error, ResourceLimiter, Result};

/// Most elements of a table.
const MAX_TABLE: usize = 100_000;
/// What the engine says of growth that no memory of its type can have, the only one that it refuses without
/// asking here first.
const BEYOND_TYPE: &str = "memory growth exceeds memory type's limits";

impl<S: HostState> HostData<S> {
    fn out_of_memory<T>(&self) -> Result<T> {
        let detail = format!("more than {} bytes of memory", self.limits.memory_bytes);
        stop(Failure::OutOfMemory, detail)
    }
}

impl<S: HostState> ResourceLimiter for HostData<S> {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let memory = self.memory.saturating_add(desired.saturating_sub(current));
        if memory > self.limits.memory_bytes {
            return self.out_of_memory();
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.memory = memory;
        Ok(true)
    }

    /// Growth that was allowed failed, so this machine is short of memory. The contract must not see that:
    /// other peers have it.
    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        if error.to_string() == BEYOND_TYPE {
            return self.out_of_memory();
        }
        let error = format!("this machine has no memory for the contract: {error:#}");
        Err(Error::new(Broken(HostError(error.into()))))
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if desired > MAX_TABLE {
            return stop(
                Failure::OutOfMemory,
                format!("more than {MAX_TABLE} elements of a table"),
            );
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }
}
