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
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaincode/eventdb");
        let cache = std::env::current_exe().expect("a test has an executable");
        let cache = cache
            .ancestors()
            .nth(3)
            .expect("target/debug/deps/test")
            .join("tmp");
        let built = e2l_chaincode_builder::build_once(&source, &cache).expect("the events contract builds");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("eventdb.wasm");
        std::fs::write(&path, built.component).expect("the component is written");
        (directory, path)
    });
    path
}
