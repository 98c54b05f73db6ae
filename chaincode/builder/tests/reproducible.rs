//! The same source gives the same bytes, wherever it lies; and the bytes import nothing but our interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_chaincode_builder::{BuildError, build};
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == "target" {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A copy of what the contract is built from, and nothing else.
fn checkout(directory: &Path) -> PathBuf {
    for part in ["wit", "ledger/event", "chaincode/eventdb"] {
        copy(&repository().join(part), &directory.join(part));
    }
    directory.join("chaincode/eventdb")
}

#[test]
fn two_directories_and_two_toolchains_of_the_caller_give_the_same_bytes() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let deeper = other.path().join("a/much/longer/path/than/the/first");
    let first = build(&checkout(one.path())).unwrap();
    let output = other.path().join("contract.wasm");
    let run = Command::new(env!("CARGO_BIN_EXE_e2l-chaincode-builder"))
        .arg(checkout(&deeper))
        .arg("-o")
        .arg(&output)
        // As under another default, or `cargo +another run`: one that is on no machine.
        .env("RUSTUP_TOOLCHAIN", "none-of-that-name")
        .env("CARGO", "/nonexistent/cargo")
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(said.contains(&first.digest.to_string()), "{said}");
    assert!(std::fs::read(output).unwrap() == first.component);
    let text = String::from_utf8_lossy(&first.component);
    let home = std::env::var("HOME").unwrap();
    assert!(
        !text.contains(&home),
        "the component names a directory of this machine"
    );

    let mut imports = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(&first.component) {
        if let wasmparser::Payload::ComponentImportSection(section) = payload.unwrap() {
            for import in section {
                let import = import.unwrap();
                // A world's `use` imports names of types: nothing that could be called.
                if !matches!(import.ty, wasmparser::ComponentTypeRef::Type(_)) {
                    imports.push(import.name.name.to_owned());
                }
            }
        }
    }
    assert!(!imports.is_empty());
    for import in imports {
        assert!(
            import.starts_with("event2ledger:ledger/"),
            "foreign import {import}"
        );
    }
}

#[test]
fn what_is_no_contract_is_refused_with_a_reason() {
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(build(empty.path()), Err(BuildError::NoCrate(_))));

    let source = checkout(empty.path());
    let main = source.join("src/lib.rs");
    std::fs::write(&main, "this is not Rust").unwrap();
    match build(&source) {
        Err(BuildError::Compile(output)) => assert!(output.contains("src/lib.rs"), "{output}"),
        other => panic!("{other:?}"),
    }
}
