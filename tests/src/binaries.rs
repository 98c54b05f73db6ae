//! The programs under test.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A binary of the workspace, beside the test's own executable.
///
/// # Panics
/// It has not been built.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has an executable");
    let path = test
        .ancestors()
        .nth(2)
        .expect("target/debug/deps/test")
        .join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace --bins`",
        path.display()
    );
    path
}

/// The events contract, built once for all test programs.
pub fn component() -> &'static Path {
    static BUILT: OnceLock<Component> = OnceLock::new();
    &BUILT.get_or_init(|| Component::built("chaincode/eventdb")).1
}

/// The version that takes its place, built once for all test programs.
pub fn next_component() -> &'static Path {
    static BUILT: OnceLock<Component> = OnceLock::new();
    &BUILT.get_or_init(|| Component::built("chaincode/eventdb-v2")).1
}

/// What collectors record by, as this repository has it, built once for all test programs.
pub fn collector_component() -> &'static Path {
    static BUILT: OnceLock<Component> = OnceLock::new();
    &BUILT.get_or_init(|| Component::built("chaincode/collector")).1
}

/// Another one: it leaves out `kill`, and the attribute `com.docker.swarm.task.id`.
pub fn strict_collector_component() -> &'static Path {
    static BUILT: OnceLock<Component> = OnceLock::new();
    &BUILT
        .get_or_init(|| Component::built("tests/contracts/collector-strict"))
        .1
}

/// One that gives no answer about most events.
pub fn failing_collector_component() -> &'static Path {
    static BUILT: OnceLock<Component> = OnceLock::new();
    &BUILT
        .get_or_init(|| Component::built("tests/contracts/collector-failing"))
        .1
}

/// A component in a file of a directory of its own.
struct Component(#[allow(dead_code)] tempfile::TempDir, PathBuf);

impl Component {
    fn built(source: &str) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(source);
        let cache = std::env::current_exe().expect("a test has an executable");
        let cache = cache
            .ancestors()
            .nth(3)
            .expect("target/debug/deps/test")
            .join("tmp");
        let built = e2l_chaincode_builder::build_once(&source, &cache).expect("the contract builds");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let name = source
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("contract");
        let path = directory.path().join(format!("{name}.wasm"));
        std::fs::write(&path, built.component).expect("the component is written");
        Self(directory, path)
    }
}
