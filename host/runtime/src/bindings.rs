//! Bindings generated from `wit/`.

#![allow(
    missing_docs,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "contract",
    imports: { default: trappable },
});
