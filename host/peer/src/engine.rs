//! Whether this binary executes what the network has agreed on.

use e2l_execution::ExecutionError;
use e2l_ledger::{Digest, EngineProfile, NetworkConfig};

/// The engine profile of this binary.
pub fn my_engine_profile() -> EngineProfile {
    let mine = e2l_runtime::engine_profile();
    EngineProfile {
        engine: mine.engine,
        architecture: mine.architecture,
        configuration: Digest(mine.configuration_digest),
    }
}

/// Checks that this binary has the engine that a configuration demands.
///
/// # Errors
/// It has another: what it would compute need not be what the others do.
pub fn check_engine(config: &NetworkConfig) -> Result<(), ExecutionError> {
    let mine = my_engine_profile();
    if config.engine == mine {
        return Ok(());
    }
    Err(ExecutionError::EngineProfile {
        expected: show(&config.engine),
        found: show(&mine),
    })
}

fn show(profile: &EngineProfile) -> String {
    format!(
        "{} on {} ({})",
        profile.engine,
        profile.architecture,
        profile.configuration.short()
    )
}
