//! The engine's settings. Everything that can change a result is here, and in the profile's digest.

use wasmtime::{Config, OptLevel, Strategy};

/// Version of wasmtime, as pinned in the workspace.
const ENGINE: &str = "wasmtime 48.0.8";

/// Native stack that compiled code may use, bytes. Fixed, because the depth at which a recursion ends is part
/// of a transaction's result; it depends on the processor architecture too, so the profile names that.
const MAX_WASM_STACK: usize = 16 << 20;

/// Stack that a thread needs to run contracts, bytes: what compiled code may use, and room for the host.
pub const REQUIRED_STACK_BYTES: usize = MAX_WASM_STACK + (8 << 20);

/// Counts the rules of admission: what is refused, and in which words, is part of a proposal's result.
const ADMISSION: u32 = 2;

/// Fuel per byte that a host call copies, and per host call: a byte copied and hashed costs about as much as
/// an instruction, a call some hundreds.
pub(crate) const FUEL_PER_BYTE: u64 = 1;
/// See [`FUEL_PER_BYTE`].
pub(crate) const FUEL_PER_HOST_CALL: u64 = 500;

/// Code is compiled for the plainest processor of the architecture: frames, and with them the depth at which a
/// recursion ends, must not depend on what this machine's processor can do besides. `None` where wasmtime has no
/// name for that; peers there must have the same processor.
const TARGET: Option<&str> = if cfg!(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64"
)) {
    Some("x86_64-unknown-linux-gnu")
} else if cfg!(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "aarch64"
)) {
    Some("aarch64-unknown-linux-gnu")
} else {
    None
};

/// What executes chaincode. Peers agree on it; see DESIGN section 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineDescription {
    /// Name and version of the engine.
    pub engine: String,
    /// Processor architecture.
    pub architecture: String,
    /// Digest of every setting that can change a result.
    pub configuration_digest: [u8; 32],
}

/// Settings that [`config`] makes, in words; a change there must change this text.
fn settings() -> String {
    format!(
        "strategy=cranelift;nan_canonicalization;relaxed_simd=deterministic;fuel;max_wasm_stack={MAX_WASM_STACK};\
         fuel_per_byte={FUEL_PER_BYTE};fuel_per_host_call={FUEL_PER_HOST_CALL};simd;bulk_memory;reference_types;\
         multi_value;no threads,tail_call,memory64,multi_memory,function_references,gc,exceptions,wide_arithmetic,\
         stack_switching,component_async;memory_init_cow;admission={ADMISSION};target={}",
        TARGET.unwrap_or("of the machine")
    )
}

/// The profile of this binary.
pub fn engine_profile() -> EngineDescription {
    let hasher = blake3::Hasher::new_derive_key("event2ledger v1 engine configuration");
    let digest = hasher.clone().update(settings().as_bytes()).finalize();
    EngineDescription {
        engine: ENGINE.to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        configuration_digest: *digest.as_bytes(),
    }
}

/// The engine's configuration.
pub(crate) fn config() -> Result<Config, wasmtime::Error> {
    let mut config = Config::new();
    if let Some(target) = TARGET {
        config.target(target)?;
    }
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true)
        .max_wasm_stack(MAX_WASM_STACK)
        // Never used, and checked all the same: it must not be smaller.
        .async_stack_size(REQUIRED_STACK_BYTES)
        // Backtraces would carry native addresses into error texts.
        .wasm_backtrace_max_frames(None)
        .wasm_component_model(true)
        .wasm_simd(true)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .wasm_bulk_memory(true)
        .wasm_tail_call(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_wide_arithmetic(false)
        .memory_init_cow(true)
        // Contracts are small: address space is reserved for what they may use, not for 4 GiB each.
        .memory_reservation(256 << 20)
        .memory_guard_size(64 << 10);
    Ok(config)
}
