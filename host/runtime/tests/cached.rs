//! Compiled code in a directory: what one engine has compiled another finds, and compiles nothing.
// It damages a file: the crate itself must not touch any but through the engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod common;

use e2l_runtime::{CachedRuntime, NoState, Outcome, StaticLimits};

#[test]
fn what_was_compiled_once_is_found_and_runs() {
    let component = common::built("chaincode/collector");
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("compiled");
    for compiled in [1, 0, 0] {
        let engine = CachedRuntime::new(&place).unwrap();
        let admitted = engine
            .runtime
            .admit(&component, &StaticLimits::default())
            .unwrap();
        assert_eq!(engine.compiled(), compiled);
        let mut session = engine.runtime.session(&admitted, common::LIMITS).unwrap();
        for _ in 0..2 {
            session.begin_anew();
            let event = br#"{"Action":"exec_create: sh -c secret","Actor":{"Attributes":{"a":"b"}}}"#;
            let (outcome, _) = session
                .query(NoState, &common::context(), "record", event)
                .unwrap();
            let Outcome::Accepted { output, .. } = outcome else {
                panic!("{outcome:?}");
            };
            let expected = r#"{"recorded":true,"action":"exec_create: [redacted]","attributes":{"a":"b"}}"#;
            assert_eq!(String::from_utf8(output).unwrap(), expected);
        }
    }
    // Damaged code is compiled anew, and not run.
    let mut files = Vec::new();
    collect(&place, &mut files);
    assert!(!files.is_empty());
    files
        .iter()
        .for_each(|file| std::fs::write(file, b"damaged").unwrap());
    let engine = CachedRuntime::new(&place).unwrap();
    engine
        .runtime
        .admit(&component, &StaticLimits::default())
        .unwrap();
    assert_eq!(engine.compiled(), 1);
}

fn collect(directory: &std::path::Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), files);
        } else {
            files.push(entry.path());
        }
    }
}
