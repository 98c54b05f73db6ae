//! Where settings come from, and in which order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use clap::Parser;
use e2l_cli::output::Format;
use e2l_cli::{Cli, Exit, Place, Settings, Surroundings};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn profile(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("profile.toml");
    std::fs::write(&path, text).unwrap();
    path
}

const WHOLE: &str = r#"
genesis = "genesis.json"
certificate = "client.pem"
key = "/keys/client.key"
peers = ["user"]
output = "csv"
timeout = "3s"
"#;

fn resolve(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> e2l_cli::CliResult<Settings> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    let variable = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let around = Surroundings {
        variable: &variable,
        directory,
    };
    let line = ["e2l", "events"].iter().chain(arguments);
    Cli::try_parse_from(line).unwrap().global.resolve(&around)
}

#[test]
fn the_profile_counts_where_nothing_else_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = profile(directory.path(), WHOLE);
    let settings = resolve(directory.path(), &["--profile", path.to_str().unwrap()], &[]).unwrap();
    assert_eq!(settings.format, Format::Csv);
    assert_eq!(settings.timeout, Duration::from_secs(3));
    let Place::Profile(profile) = settings.place else {
        panic!("a profile was named")
    };
    assert_eq!(
        profile.genesis,
        directory.path().join("genesis.json"),
        "relative to the profile"
    );
    assert_eq!(profile.key, Path::new("/keys/client.key"));
    assert_eq!(profile.peers, ["user"]);
}

#[test]
fn flags_beat_the_environment_which_beats_the_profile() {
    let directory = tempfile::tempdir().unwrap();
    let path = profile(directory.path(), WHOLE);
    let path = path.to_str().unwrap();
    let variables = [
        ("E2L_PROFILE", path),
        ("E2L_OUTPUT", "json"),
        ("E2L_TIMEOUT", "2s"),
        ("E2L_ACTOR", "developer"),
    ];
    let settings = resolve(directory.path(), &[], &variables).unwrap();
    assert_eq!(
        (settings.format, settings.timeout, settings.actor.as_deref()),
        (Format::Json, Duration::from_secs(2), Some("developer"))
    );
    let flags = ["-o", "jsonl", "--timeout", "1s", "--actor", "user"];
    let settings = resolve(directory.path(), &flags, &variables).unwrap();
    assert_eq!(
        (settings.format, settings.timeout, settings.actor.as_deref()),
        (Format::Jsonl, Duration::from_secs(1), Some("user"))
    );
}

#[test]
fn an_empty_variable_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = profile(directory.path(), WHOLE);
    let variables = [("E2L_PROFILE", path.to_str().unwrap()), ("E2L_OUTPUT", "")];
    assert_eq!(
        resolve(directory.path(), &[], &variables).unwrap().format,
        Format::Csv
    );
}

#[test]
fn a_network_flag_beats_a_profile_variable() {
    let directory = tempfile::tempdir().unwrap();
    let path = profile(directory.path(), WHOLE);
    let variables = [("E2L_PROFILE", path.to_str().unwrap())];
    let error = resolve(directory.path(), &["--network", "/nonexistent"], &variables).unwrap_err();
    assert!(error.to_string().contains("/nonexistent"), "{error}");
}

#[test]
fn an_unknown_field_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = profile(directory.path(), &format!("{WHOLE}\npeer = \"user\"\n"));
    let error = resolve(directory.path(), &["--profile", path.to_str().unwrap()], &[]).unwrap_err();
    assert!(error.to_string().contains("peer"), "{error}");
    assert_eq!(error.exit(), Exit::Usage);
}

#[test]
fn nonsense_in_a_variable_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = profile(directory.path(), WHOLE);
    let path = path.to_str().unwrap();
    for (name, value) in [("E2L_OUTPUT", "xml"), ("E2L_TIMEOUT", "soon")] {
        let error = resolve(directory.path(), &["--profile", path], &[(name, value)]).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert!(!error.next_step().is_empty());
    }
}

#[test]
fn without_a_network_the_demo_is_the_next_step() {
    let directory = tempfile::tempdir().unwrap();
    let error = resolve(directory.path(), &[], &[]).unwrap_err();
    assert!(error.next_step().contains("e2l demo"), "{}", error.next_step());
}
