//! The stack that contracts may use up.

use crate::error::TestError;
use e2l_runtime::REQUIRED_STACK_BYTES;

/// Runs something on a thread with the stack that contracts need.
///
/// # Errors
/// No thread can be started, or it has panicked.
pub fn on_deep_stack<T: Send>(run: impl FnOnce() -> T + Send) -> Result<T, TestError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(REQUIRED_STACK_BYTES)
            .spawn_scoped(scope, run);
        thread
            .map_err(TestError::Thread)?
            .join()
            .map_err(|_| TestError::Crashed)
    })
}
