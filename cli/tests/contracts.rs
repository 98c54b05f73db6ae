//! A contract's developer at the command line: from nothing to a package, with the real compiler and the real engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_chaincode_builder::{Package, build_once, build_tree};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use tempfile::TempDir;

fn e2l(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_e2l"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("e2l runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command that must succeed; returns what it prints.
fn done(directory: &Path, arguments: &[&str]) -> String {
    let output = e2l(directory, arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}{}",
        out(&output),
        err(&output)
    );
    out(&output)
}

fn json(directory: &Path, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["-o", "json"]].concat();
    serde_json::from_str(&done(directory, &arguments)).unwrap()
}

/// Exit code, and a message that holds each of these texts.
fn fails(output: &Output, code: i32, texts: &[&str]) {
    assert_eq!(output.status.code(), Some(code), "{}{}", out(output), err(output));
    for text in texts {
        assert!(
            err(output).contains(text),
            "`{text}` is missing in: {}",
            err(output)
        );
    }
}

/// A new contract `counter`.
fn new_contract() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    done(place.path(), &["chaincode", "new", "counter"]);
    let contract = place.path().join("counter");
    (place, contract)
}

/// Changes a file of it.
fn edit(contract: &Path, file: &str, from: &str, to: &str) {
    let path = contract.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} holds no `{from}`");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_case_that_makes_no_sense_is_refused_by_its_place() {
    let place = tempfile::tempdir().unwrap();
    for (case, why) in [
        (
            "[[step]]\ninvoke = 'a'\nquery = 'b'",
            "either `invoke` or `query`",
        ),
        (
            "[[step]]\ninvoke = 'a'\ntext = 'b'\nhex = '00'",
            "more than one argument",
        ),
        ("[[step]]\ninvoke = 'a'\nwhen = 'now'", "unknown field `when`"),
        (
            "[[step]]\nquery = 'a'\n[[step]]\ninvoke = 'a'\nsame_block = true",
            "step 2: `same_block`",
        ),
        (
            "[[step]]\ninvoke = 'a'\nexpect = { code = 'FINE' }",
            "unknown variant `FINE`",
        ),
        ("[[step]]\ninvoke = 'a'\nafter = 'later'", "is not a duration"),
    ] {
        fs::write(place.path().join("case.toml"), case).unwrap();
        let events = events_component();
        let arguments = [
            "chaincode",
            "test",
            events.to_str().unwrap(),
            "--cases",
            "case.toml",
        ];
        fails(&e2l(place.path(), &arguments), 2, &["case `case`", why, "next:"]);
    }
}

/// The events contract, built once.
fn events_component() -> &'static Path {
    static BUILT: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaincode/eventdb");
        let built = build_once(&source, Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("eventdb.wasm");
        fs::write(&path, built.component).unwrap();
        (place, path)
    });
    path
}

#[test]
fn events_are_recorded_in_a_test_as_on_a_ledger() {
    let place = tempfile::tempdir().unwrap();
    let case = r#"
        [[step]]
        invoke = "createEvent"
        event = { Type = "container", Action = "start", Actor = { ID = "ab", Attributes = { image = "web" } } }
        sender = "engine-7"
        actor = "user"
        [[step]]
        invoke = "createEvent"
        hex = "ff"
        role = "admin"
        same_block = true
        expect = { code = "CONTRACT_REJECTED" }
        [[step]]
        invoke = "createEvent"
        role = "client"
        expect = { code = "ROLE_NOT_ALLOWED", contains = "client-1" }
        [[step]]
        query = "getHistory"
        json = { id = "ab" }
        expect = { contains = "engine-7" }
    "#;
    fs::write(place.path().join("case.toml"), case).unwrap();
    let events = events_component();
    let arguments = [
        "chaincode",
        "test",
        events.to_str().unwrap(),
        "--cases",
        "case.toml",
    ];
    let (first, second) = (json(place.path(), &arguments), json(place.path(), &arguments));
    // Transaction ids and times too.
    assert_eq!(first, second);
}

/// One contract and one test, for the first build is the dear one.
#[test]
fn a_contract_from_nothing_to_its_second_version() {
    let (place, contract) = new_contract();
    passes_its_tests(&contract);
    let package = place.path().join("counter-0.1.0.tar");
    let digest = is_packed(&contract, &package);
    a_wrong_one_fails_its_tests(&contract);
    // As before, with traces of the work in between.
    fs::create_dir(contract.join(".git")).unwrap();
    fs::write(contract.join(".git/index"), "versions").unwrap();
    done(&contract, &["chaincode", "package"]);
    let again = fs::read(contract.join("target/chaincode/counter-0.1.0.tar")).unwrap();
    assert!(again == fs::read(&package).unwrap());
    altered_packages_are_refused(&package);
    a_change_is_told(&contract, &package, &digest);
}

fn passes_its_tests(contract: &Path) {
    let first = json(contract, &["chaincode", "test"]);
    let steps = first.as_array().unwrap();
    assert!(steps.len() >= 5, "{first}");
    let codes: Vec<&str> = steps.iter().map(|step| step["code"].as_str().unwrap()).collect();
    assert!(
        codes.contains(&"VALID") && codes.contains(&"CONTRACT_REJECTED"),
        "{codes:?}"
    );
    assert!(steps[0]["fuel"].as_u64().unwrap() > 1000, "{first}");
    assert_eq!(steps[0]["output"], "2");
}

/// Forgets its checks, while a case asks for too much; is then as before.
fn a_wrong_one_fails_its_tests(contract: &Path) {
    edit(contract, "src/lib.rs", "if by == 0", "if by == 7");
    edit(
        contract,
        "tests/counters.toml",
        "max_fuel = 100_000",
        "max_fuel = 1",
    );
    let tested = e2l(contract, &["chaincode", "test"]);
    fails(
        &tested,
        1,
        &[
            "counters, step 2: invoke add",
            "expected: at most 1",
            "counters, step 4: invoke add",
            "expected: CONTRACT_REJECTED",
            "found:    VALID: 5",
            "2 of 5 steps",
            "next:",
        ],
    );
    assert_eq!(out(&tested).matches("FAILED").count(), 2, "{}", out(&tested));
    edit(contract, "src/lib.rs", "if by == 7", "if by == 0");
    edit(
        contract,
        "tests/counters.toml",
        "max_fuel = 1",
        "max_fuel = 100_000",
    );
}

/// Packs it, and has another make the component from the package; returns the digest.
fn is_packed(contract: &Path, package: &Path) -> String {
    let path = package.to_str().unwrap();
    let made = json(contract, &["chaincode", "package", "--out", path]);
    assert_eq!(
        (&made["name"], &made["version"]),
        (&"counter".into(), &"0.1.0".into())
    );
    assert_eq!(made["functions"][0]["name"], "add");
    let rustc = made["toolchain"]["rustc"].as_str().unwrap();
    assert!(rustc.starts_with("rustc 1."), "{rustc}");

    let elsewhere = tempfile::tempdir().unwrap();
    let checked = json(elsewhere.path(), &["chaincode", "package", "--check", path]);
    assert_eq!(
        (&checked["digest"], &checked["rebuilt"]),
        (&made["digest"], &false.into())
    );
    let packed = Package::decode(&fs::read(package).unwrap()).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contracts");
    let rebuilt = build_tree(&packed.source, Some(&target)).unwrap();
    assert!(rebuilt.component == packed.component);
    // And runs the cases that are in it.
    done(elsewhere.path(), &["chaincode", "test", path]);
    made["digest"].as_str().unwrap().to_owned()
}

fn a_change_is_told(contract: &Path, package: &Path, digest: &str) {
    edit(
        contract,
        "Cargo.toml",
        "version = \"0.1.0\"",
        "version = \"0.2.0\"",
    );
    edit(
        contract,
        "Cargo.lock",
        "name = \"counter\"\nversion = \"0.1.0\"",
        "name = \"counter\"\nversion = \"0.2.0\"",
    );
    let get = "                query(\"get\",";
    let more = format!("                transaction(\"reset\", \"Begins anew.\"),\n{get}");
    edit(contract, "src/lib.rs", get, &more);
    edit(
        contract,
        "src/lib.rs",
        "\"add\" => add(&argument),",
        "\"add\" => add(&argument),\n\"reset\" => reset(),",
    );
    edit(
        contract,
        "src/lib.rs",
        "fn get(argument",
        "fn reset() -> Answer {\n    state::delete(&key(\"\"));\n    Ok(Vec::new())\n}\n\nfn get(argument",
    );
    edit(contract, "src/lib.rs", "Adds to a counter", "Adds to one");
    let built = json(contract, &["chaincode", "build"]);
    assert_eq!(built["version"], "0.2.0");
    assert_eq!(built["functions"], serde_json::json!(["add", "reset", "get"]));
    assert_eq!(built["component"], "target/chaincode/counter.wasm");
    assert_ne!(built["digest"], digest);
    let arguments = [
        "chaincode",
        "diff",
        package.to_str().unwrap(),
        "target/chaincode/counter.wasm",
    ];
    let diff = json(contract, &arguments);
    assert_eq!(
        (&diff["identical"], &diff["new"]["digest"]),
        (&false.into(), &built["digest"])
    );
    let changes = diff["changes"].as_array().unwrap();
    let change = |what: &str, name: &str| {
        let mut found = changes
            .iter()
            .filter(|change| change["what"] == what && change["name"] == name);
        found.next().map(|change| change["change"].clone())
    };
    assert_eq!(change("function", "reset"), Some("added".into()), "{diff}");
    assert_eq!(change("function", "add"), Some("changed".into()));
    assert_eq!(change("function", "get"), None);
    // What has no name has a row where the two sides differ, and only there.
    for (what, field) in [
        ("bytes", "bytes"),
        ("memories", "memories"),
        ("tables", "tables"),
        ("code functions", "code_functions"),
    ] {
        let row = changes.iter().find(|change| change["what"] == what);
        let (old, new) = (&diff["old"][field], &diff["new"][field]);
        assert!(!old.is_null() && !new.is_null(), "{what}: {diff}");
        assert_eq!(row.is_some(), old != new, "{what}: {diff}");
    }
    for (what, field) in [("bytes", "bytes"), ("code functions", "code_functions")] {
        let row = changes.iter().find(|change| change["what"] == what).unwrap();
        assert_eq!(
            (&row["old"], &row["new"], &row["change"]),
            (
                &diff["old"][field].to_string().into(),
                &diff["new"][field].to_string().into(),
                &"changed".into()
            )
        );
    }
    let used = "event2ledger:ledger/state@1.0.0#delete";
    assert_eq!(change("host function", used), Some("added".into()), "{diff}");
    let table = done(contract, &arguments);
    for text in ["function reset", "added", "0.1.0", "0.2.0", digest] {
        assert!(table.contains(text), "`{text}` is missing in: {table}");
    }
    let same = e2l(contract, &["chaincode", "diff", arguments[2], arguments[2]]);
    assert_eq!((out(&same).as_str(), same.status.code()), ("", Some(0)));
    assert!(err(&same).contains(digest));
}

fn altered_packages_are_refused(package: &Path) {
    let honest = fs::read(package).unwrap();
    let place = tempfile::tempdir().unwrap();
    let source = honest
        .windows(8)
        .position(|window| window == b"if by ==")
        .unwrap();
    let component = honest.windows(4).position(|window| window == b"\0asm").unwrap();
    for (at, why) in [
        (0, "not a package"),
        (component + 40, "do not use"),
        (honest.len() - 9, "not a package"),
    ] {
        let mut altered = honest.clone();
        altered[at] ^= 1;
        fs::write(place.path().join("x.tar"), altered).unwrap();
        let checked = e2l(place.path(), &["chaincode", "package", "--check", "x.tar"]);
        fails(&checked, 1, &["x.tar", why, "next:"]);
    }
    // Well-formed, with another source than the component was built from: building it shows that.
    let mut altered = honest;
    altered[source + 3..source + 8].copy_from_slice(b"by >=");
    fs::write(place.path().join("x.tar"), altered).unwrap();
    done(place.path(), &["chaincode", "package", "--check", "x.tar"]);
    let rebuilt = e2l(
        place.path(),
        &["chaincode", "package", "--check", "x.tar", "--rebuild"],
    );
    fails(&rebuilt, 1, &["gives the digest", "do not approve it"]);
}

#[test]
fn what_cannot_be_begun_is_refused() {
    let (place, contract) = new_contract();
    fails(
        &e2l(place.path(), &["chaincode", "new", "counter"]),
        2,
        &["counter is not empty", "next:"],
    );
    fails(
        &e2l(place.path(), &["chaincode", "new", "My Contract"]),
        2,
        &["My Contract", "next:"],
    );
    fails(
        &e2l(place.path(), &["chaincode", "new", "serde"]),
        2,
        &["serde", "choose another"],
    );
    fails(
        &e2l(place.path(), &["chaincode", "build", "nowhere"]),
        2,
        &["no Cargo.toml", "next:"],
    );
    fs::remove_dir_all(contract.join("tests")).unwrap();
    fs::write(contract.join("x.wasm"), b"\0asm").unwrap();
    fails(
        &e2l(&contract, &["chaincode", "test", "x.wasm"]),
        1,
        &["x.wasm is not a contract"],
    );
    fails(
        &e2l(&contract, &["chaincode", "diff", "x.wasm", "x.wasm"]),
        1,
        &["x.wasm is not a contract"],
    );
}
