//! What a killed process and a full disk leave behind: everything that was acknowledged. The test binary
//! starts itself again as the writer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Chain, all_log, genesis};
use e2l_ledger::{Digest, Domain};
use e2l_store::{LedgerStore, RaftLog, StoreError, StoreOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const DIR: &str = "E2L_STORE_TEST_DIR";

/// The directory to write to, when this process is the writer.
fn writer_dir() -> Option<std::path::PathBuf> {
    std::env::var_os(DIR).map(Into::into)
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

/// Runs `writer` in another process until it has said `lines` lines, kills it with SIGKILL, and returns all
/// that it said.
fn run_and_kill(writer: &str, dir: &Path, lines: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([writer, "--exact", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said: Vec<String> = Vec::new();
    while said.len() < lines {
        said.extend(
            output
                .next()
                .expect("the writer goes on until it is killed")
                .ok()
                .filter(|line| line.starts_with("> ")),
        );
    }
    child.kill().unwrap();
    // What it said before the signal reached it counts too; its last line may be cut.
    said.extend(
        output
            .map_while(Result::ok)
            .filter(|line| line.starts_with("> ") && line.ends_with('.')),
    );
    child.wait().unwrap();
    said
}

fn entry(index: u64) -> Vec<u8> {
    Domain::Value.hash(&index.to_be_bytes()).0.repeat(500)
}

#[test]
#[ignore = "the writer of the next test"]
fn raft_writer() {
    let Some(dir) = writer_dir() else { return };
    let log = RaftLog::open(&dir).unwrap();
    let start = log.last_index().map_or(0, |last| last + 1);
    for index in start.. {
        log.append(&[(index, entry(index))]).unwrap();
        log.flush().unwrap();
        log.save_vote(&index.to_be_bytes()).unwrap();
        say(&format!("> {index} ."));
        if index % 50 == 49 {
            log.purge_to(index - 20, &index.to_be_bytes()).unwrap();
        }
    }
}

#[test]
fn a_killed_raft_log_has_every_acknowledged_entry_and_vote() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=4 {
        let said = run_and_kill("raft_writer", dir.path(), round * 60);
        let last: u64 = said.last().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let log = RaftLog::open(dir.path()).unwrap();
        assert!(log.last_index().unwrap() >= last, "entry {last} was acknowledged");
        let vote = u64::from_be_bytes(log.vote().unwrap().unwrap().try_into().unwrap());
        assert!(vote >= last, "vote {last} was acknowledged, {vote} is there");
        let entries = log.entries(0..u64::MAX).unwrap();
        assert!(entries.len() >= 20);
        assert!(entries.iter().all(|(index, payload)| *payload == entry(*index)));
    }
}

#[test]
#[ignore = "the writer of the next test"]
fn ledger_writer() {
    let Some(dir) = writer_dir() else { return };
    let store = LedgerStore::open(&dir, &StoreOptions::default()).unwrap();
    store.initialize(&genesis("test")).unwrap();
    let mut chain = Chain::resume(&store);
    let promised_before = store.signed().ack;
    loop {
        let tip = store.tip().unwrap();
        let prepared = chain.events(&tip, 20, 600);
        let proposal = prepared.block.header.proposal;
        let reserved = store.reserve_acknowledgement(tip.height + 1, &proposal);
        if promised_before.is_some_and(|(height, _)| height > tip.height) {
            // Killed between a promise and its block: the promise stands against this other proposal.
            assert!(matches!(reserved, Err(StoreError::SignOnce(_))), "{reserved:?}");
        } else {
            reserved.unwrap();
            say(&format!("> acknowledged {} {proposal} .", tip.height + 1));
        }
        let block = prepared.write(&store);
        say(&format!(
            "> wrote {} {} .",
            block.header.height,
            block.header.digest()
        ));
    }
}

#[test]
fn a_killed_ledger_has_every_acknowledged_block_and_signature() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..4 {
        let said = run_and_kill("ledger_writer", dir.path(), 60);
        let store = LedgerStore::open(dir.path(), &StoreOptions::default()).unwrap();
        let view = store.view();
        for line in said {
            let words: Vec<&str> = line.split(' ').collect();
            let (height, digest): (u64, Digest) = (words[2].parse().unwrap(), words[3].parse().unwrap());
            if words[1] == "wrote" {
                assert_eq!(view.block(height).unwrap().unwrap().header.digest(), digest);
                continue;
            }
            let (signed, proposal) = store.signed().ack.unwrap();
            assert!(signed > height || (signed, proposal) == (height, digest));
        }
        let head = view.log_head(&all_log()).unwrap();
        assert_eq!(head.length, view.height() * 20, "state and blocks are one write");
        assert_eq!(
            view.log_read(&all_log(), 0, usize::MAX).unwrap().len() as u64,
            head.length
        );
        assert_eq!(
            store.tip().unwrap().raft_applied.as_deref(),
            Some(b"applied".as_slice())
        );
    }
}

#[test]
#[ignore = "the writer of the next test"]
fn limited_writer() {
    let Some(dir) = writer_dir() else { return };
    let log = RaftLog::open(&dir).unwrap();
    let mut index = 0;
    let error = loop {
        if let Err(error) = log.append(&[(index, entry(index))]).and_then(|()| log.flush()) {
            break error;
        }
        say(&format!("> {index} ."));
        index += 1;
    };
    assert!(matches!(error, StoreError::Poisoned { .. }), "{error}");
    let first = error.to_string();
    // A vote is small and would fit: the first failure is final all the same.
    let later = [
        log.save_vote(b"vote"),
        log.flush(),
        log.truncate_from(0),
        log.purge_to(0, b""),
    ];
    assert!(
        later
            .iter()
            .all(|result| result.as_ref().is_err_and(|error| error.to_string() == first))
    );
    assert_eq!(log.entries(0..1).unwrap().len(), 1, "reading goes on");
    say(&format!("> {first} ."));
}

#[test]
fn a_write_that_fails_stops_all_writing_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // A limit on the size of files fails writes as a full disk does. SIGXFSZ would end the process.
    let output = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 2000; exec \"$0\" limited_writer --exact --ignored --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env(DIR, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Vec<&str> = said.lines().filter(|line| line.starts_with("> ")).collect();
    let [acknowledged @ .., error] = said.as_slice() else {
        panic!("it said nothing")
    };
    assert!(
        error.contains("stopped for good") && error.contains("restart the peer"),
        "{error}"
    );
    assert!(acknowledged.len() > 10);
    let log = RaftLog::open(dir.path()).unwrap();
    assert!(log.last_index().unwrap() + 1 >= acknowledged.len() as u64);
    assert!(
        log.entries(0..u64::MAX)
            .unwrap()
            .iter()
            .all(|(index, payload)| *payload == entry(*index))
    );
}
