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

/// The world with `migrate`; its imports and types are those of the other.
pub mod migrating {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "migrating-contract",
        with: { "event2ledger:ledger": crate::bindings::event2ledger::ledger },
    });
}

/// The world with `prepare`; its imports and types are those of the first.
pub mod preparing {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "preparing-contract",
        with: { "event2ledger:ledger": crate::bindings::event2ledger::ledger },
    });
}
