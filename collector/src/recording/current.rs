//! What code this collector records by now.

use e2l_ledger::{Digest, NetworkConfig};
use parking_lot::Mutex;

/// See the module. Shared between what records and what submits.
#[derive(Debug)]
pub struct CurrentCode {
    component: Mutex<Option<Digest>>,
    executable: Digest,
}

impl CurrentCode {
    /// A collector of this executable, by its BLAKE3, that records by a component, or by its own rules.
    pub fn new(component: Option<Digest>, executable: Digest) -> Self {
        Self {
            component: Mutex::new(component),
            executable,
        }
    }

    /// It records by this component from now on; `None`: by its own rules.
    pub fn set(&self, component: Option<Digest>) {
        *self.component.lock() = component;
    }

    /// BLAKE3 of the executable.
    pub fn executable(&self) -> Digest {
        self.executable
    }

    /// Whether batches of now are taken in a block of this time, nanoseconds since the Unix epoch.
    pub fn is_taken(&self, config: &NetworkConfig, time_nano: i64) -> bool {
        let component = *self.component.lock();
        config.takes_component(component, time_nano) && config.takes_executable(&self.executable)
    }
}
