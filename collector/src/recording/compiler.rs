//! Compilation, in a process of its own: what a compiler needs of memory goes with it.

use super::store::CodeError;
use e2l_runtime::{CachedRuntime, StaticLimits};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Most bytes of a component, the most that a network can allow.
const MOST_BYTES: u64 = 16_711_680;
/// Longest compilation.
const PATIENCE: Duration = Duration::from_secs(120);
/// Argument of the program that makes it a compiler.
const ARGUMENT: &str = "--compile-into";

/// Bounds on a component: those of the peers, which have admitted it.
pub fn static_limits() -> StaticLimits {
    StaticLimits {
        component_bytes: MOST_BYTES,
        ..StaticLimits::default()
    }
}

/// Compiles the component on standard input; its code is found in `directory` from then on. This is all that the process
/// does.
///
/// # Errors
/// It cannot be read, or is no contract.
pub fn compile_into(directory: &Path) -> Result<(), CodeError> {
    let mut component = Vec::new();
    std::io::stdin()
        .take(MOST_BYTES + 1)
        .read_to_end(&mut component)
        .map_err(CodeError::io("read", Path::new("standard input")))?;
    CachedRuntime::new(directory)?
        .runtime
        .admit(&component, &static_limits())?;
    Ok(())
}

/// Has a process compile the component in `file` into `directory`.
///
/// # Errors
/// It cannot be started, takes too long, or says that it fails.
pub async fn compile(file: &Path, directory: &Path) -> Result<(), CodeError> {
    let input = File::open(file).map_err(CodeError::io("open", file))?;
    // This very program, also when another one stands under its name by now.
    let child = Command::new("/proc/self/exe")
        .arg(ARGUMENT)
        .arg(directory)
        .env_clear()
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(PATIENCE, child)
        .await
        .map_err(|_| CodeError::Compiler(format!("it took longer than {} s", PATIENCE.as_secs())))?;
    let ended = ended.map_err(CodeError::io("start", Path::new("/proc/self/exe")))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(CodeError::Compiler(format!("{}: {}", ended.status, said.trim())))
}
