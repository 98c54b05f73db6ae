//! The built program: arguments, exit codes, messages. Nothing here needs a running peer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

fn run(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_e2l"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .expect("e2l runs")
}

fn here(arguments: &[&str]) -> Output {
    run(tempfile::tempdir().unwrap().path(), arguments)
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Exit code, and a message on standard error that holds each of these texts; nothing on standard output.
fn fails(output: &Output, code: i32, texts: &[&str]) {
    assert_eq!(output.status.code(), Some(code), "{}", err(output));
    for text in texts {
        assert!(
            err(output).contains(text),
            "`{text}` is missing in: {}",
            err(output)
        );
    }
    assert_eq!(out(output), "", "data only on standard output");
}

#[test]
fn help_documents_exit_codes_and_precedence() {
    let help = here(&["--help"]);
    assert!(help.status.success());
    let text = out(&help);
    for part in [
        "Exit codes:",
        "0  done",
        "1  refused",
        "2  wrong usage",
        "3  not proven",
        "E2L_NETWORK",
    ] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[test]
fn every_command_has_help() {
    let commands: [&[&str]; 21] = [
        &["demo"],
        &["network", "init"],
        &["events"],
        &["history"],
        &["peer", "status"],
        &["chaincode", "list"],
        &["chaincode", "invoke"],
        &["chaincode", "query"],
        &["chaincode", "build"],
        &["chaincode", "new"],
        &["chaincode", "test"],
        &["chaincode", "package"],
        &["chaincode", "diff"],
        &["cert", "issue"],
        &["cert", "renew"],
        &["cert", "authority"],
        &["cert", "revoke"],
        &["bench"],
        &["completions"],
        &["man"],
        &["network"],
    ];
    for command in commands {
        let arguments: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let help = here(&arguments);
        assert!(help.status.success(), "{command:?}");
        assert!(out(&help).contains("Usage: e2l"), "{command:?}");
    }
}

#[test]
fn commands_of_later_issues_are_absent() {
    for command in ["statement", "console", "usage", "doctor"] {
        fails(&here(&[command]), 2, &["unrecognized subcommand"]);
    }
}

#[test]
fn without_a_network_the_next_step_is_the_demo() {
    fails(
        &here(&["events"]),
        2,
        &["no network is named", "next:", "e2l demo"],
    );
}

#[test]
fn a_wrong_directory_is_told_from_a_missing_one() {
    fails(
        &here(&["events", "--network", "nowhere"]),
        2,
        &["nowhere is not a directory", "next:"],
    );
    let empty = tempfile::tempdir().unwrap();
    let path = empty.path().to_str().unwrap();
    fails(
        &here(&["events", "--network", path]),
        2,
        &["holds no network", "genesis.json", "next:"],
    );
}

#[test]
fn a_genesis_that_is_none_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("genesis.json"), "{}").unwrap();
    let path = directory.path().to_str().unwrap();
    fails(
        &here(&["peer", "status", "--network", path]),
        2,
        &["is not a genesis", "next:"],
    );
}

#[test]
fn wrong_arguments_are_usage() {
    fails(
        &here(&["events", "--since", "yesterday"]),
        2,
        &["yesterday", "10m"],
    );
    fails(
        &here(&["events", "--type", "volume"]),
        2,
        &["volume", "container"],
    );
    fails(&here(&["events", "-o", "xml"]), 2, &["xml", "jsonl"]);
    fails(
        &here(&["demo", "--source", "podman"]),
        2,
        &["podman", "replay:FILE"],
    );
    fails(
        &here(&["network", "init", "n", "--actors", "A"]),
        2,
        &["lower-case"],
    );
    fails(
        &here(&["network", "init", "n", "--actors", "a,b", "--collectors", "c=1"]),
        2,
        &["`c`", "a, b"],
    );
    fails(
        &here(&["network", "init", "n", "--actors", "a,b", "--addresses", "h:1"]),
        2,
        &["1 addresses for 2 actors"],
    );
    fails(&here(&["bench", "--rate", "0"]), 2, &["--rate"]);
    fails(
        &here(&["bench", "--collectors", "4", "--events", "3"]),
        2,
        &["--events"],
    );
    fails(
        &here(&["events", "--network", "x", "--profile", "y"]),
        2,
        &["cannot be used with"],
    );
}

#[test]
fn a_new_networks_policies_are_those_that_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let init = ["network", "init", "n", "--actors", "a,b,c", "--without-chaincode"];
    let cases: [(&[&str], &str, &str); 3] = [
        (&[], r#""majority""#, r#""all""#),
        (
            &["--finality", "all", "--lifecycle", "majority"],
            r#""all""#,
            r#""majority""#,
        ),
        (
            &["--finality", "3", "--lifecycle", "1"],
            r#"{"at_least":3}"#,
            r#"{"at_least":1}"#,
        ),
    ];
    for (given, finality, lifecycle) in cases {
        let made = run(directory.path(), &[&init[..], given].concat());
        assert!(made.status.success(), "{given:?}: {}", err(&made));
        let network = directory.path().join("n");
        let genesis = std::fs::read_to_string(network.join("genesis.json")).unwrap();
        let genesis: serde_json::Value = serde_json::from_str(&genesis).unwrap();
        let config = &genesis["genesis"]["config"];
        assert_eq!(
            (
                config["finality"].to_string().as_str(),
                config["lifecycle"].to_string().as_str()
            ),
            (finality, lifecycle),
            "{given:?}"
        );
        std::fs::remove_dir_all(network).unwrap();
    }
}

#[test]
fn a_policy_that_cannot_be_met_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let init = ["network", "init", "n", "--actors", "a,b,c", "--without-chaincode"];
    for option in ["--finality", "--lifecycle"] {
        for (policy, says) in [
            ("0", "a number of actors from 1 on"),
            ("-1", option),
            ("most", "all, majority"),
            ("4294967296", "a number of actors"),
            ("4", "wants 4 actors, and --actors names 3"),
        ] {
            let named = format!("{option}={policy}");
            let refused = run(directory.path(), &[&init[..], &[named.as_str()]].concat());
            fails(&refused, 2, &[option, says]);
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "{named}");
        }
    }
}

#[test]
fn a_missing_component_says_how_to_build_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_e2l"))
        .args(["network", "init", "n", "--actors", "a,b,c"])
        .current_dir(tempfile::tempdir().unwrap().path())
        .env("E2L_CHAINCODE", "/nonexistent/x.wasm")
        .output()
        .unwrap();
    fails(&output, 2, &["E2L_CHAINCODE", "/nonexistent/x.wasm", "next:"]);
}

#[test]
fn a_component_that_is_none_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("x.wasm"), b"not wasm").unwrap();
    let output = run(
        directory.path(),
        &["network", "init", "n", "--actors", "a", "--chaincode", "x.wasm"],
    );
    fails(&output, 1, &["x.wasm is not a contract", "next:"]);
    assert!(!directory.path().join("n").exists());
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = here(&["completions", shell]);
        assert!(script.status.success(), "{shell}");
        assert!(out(&script).contains("history"), "{shell}");
    }
}

#[test]
fn man_pages_one_per_command() {
    let directory = tempfile::tempdir().unwrap();
    let made = run(directory.path(), &["man", "pages"]);
    assert!(made.status.success(), "{}", err(&made));
    for page in ["e2l.1", "e2l-events.1", "e2l-chaincode-invoke.1"] {
        let text = std::fs::read_to_string(directory.path().join("pages").join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_e2l"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(err(&output), "");
}
