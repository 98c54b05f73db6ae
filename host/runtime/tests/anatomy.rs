//! What a component declares, read from its bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::component;
use common::crafted::{holding, memory, memory_module};
use e2l_runtime::{AdmissionError, Anatomy, Bounds};
use wasm_encoder::MemoryType;

#[test]
fn a_contract_declares_what_it_uses() {
    let anatomy = Anatomy::of(component()).unwrap();
    let imports: Vec<&str> = anatomy.imports.iter().map(String::as_str).collect();
    for interface in ["state", "logs"] {
        let name = format!("event2ledger:ledger/{interface}@1.0.0");
        assert!(imports.contains(&name.as_str()), "{imports:?}");
    }
    for function in [
        "state@1.0.0#put",
        "state@1.0.0#scan",
        "logs@1.0.0#append-argument",
    ] {
        let name = format!("event2ledger:ledger/{function}");
        assert!(
            anatomy.host_functions.contains(&name),
            "{:?}",
            anatomy.host_functions
        );
    }
    for export in ["describe", "invoke", "query"] {
        assert!(anatomy.exports.contains(export), "{:?}", anatomy.exports);
    }
    // Modules of one component pass each other functions too.
    let ours = |name: &String| name.starts_with("event2ledger:ledger/");
    assert!(anatomy.host_functions.iter().all(ours));
    assert!(anatomy.functions > 10);
    assert!(anatomy.memories[0].initial >= 1 << 16);
}

#[test]
fn bounds_are_in_bytes() {
    let bounded = MemoryType {
        maximum: Some(3),
        ..memory(2)
    };
    let anatomy = Anatomy::of(&holding(&[memory_module(memory(1)), memory_module(bounded)])).unwrap();
    let bounds = |initial, maximum| Bounds { initial, maximum };
    assert_eq!(
        anatomy.memories,
        [bounds(1 << 16, None), bounds(2 << 16, Some(3 << 16))]
    );
}

#[test]
fn no_component_is_an_error() {
    for bytes in [b"".as_slice(), b"not wasm", &component()[..100]] {
        let read = Anatomy::of(bytes);
        assert!(matches!(read, Err(AdmissionError::NotAComponent(_))), "{read:?}");
    }
}
