//! Edits of whole files, as a broken disk or someone with a hex editor makes them: of every kind of file, in both
//! databases.

use crate::edits::Kinds;
use crate::raft::DISPENSABLE;
use crate::stage::{Stage, close, stop};
use crate::start::is_set_aside;
use e2l_store::{Intruder, RawRecord};
use e2l_tests::copy_dir;
use fastrand::Rng;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Kinds of files.
const FILES: [&str; 5] = ["sst", "log", "MANIFEST", "CURRENT", "OPTIONS"];
/// How long mending may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes so many edits, each with a start of its own; returns how many.
pub fn tamper(stage: &Stage, random: &mut Rng, edits: u64, kinds: &mut Kinds) -> u64 {
    let mut outcomes = [0; 3];
    for number in 0..edits {
        stage.renew();
        // Every kind of file of both databases has its turn; which file, and what happens to it, is left to chance.
        let database = if number % 2 == 0 { "ledger" } else { "raft" };
        let file = FILES[usize::try_from(number / 2).unwrap() % FILES.len()];
        let dir = stage.scratch().join(database);
        let edit = damage(&dir, &stage.older().join(database), file, random);
        kinds.count(&format!("{database} {file}"), edit);
        let what = format!("{edit} of {database} {file}");
        if database == "raft" {
            outcomes[raft(stage, &what)] += 1;
        } else {
            outcomes[ledger(stage, &what)] += 1;
        }
    }
    let [found, behind, harmless] = outcomes;
    println!(
        "files: {found} edits found when read, {behind} left older valid files, {harmless} harmed nothing"
    );
    edits
}

/// The ledger is set aside, or behind and the others know it, or whole, as reading all of it shows.
fn ledger(stage: &Stage, what: &str) -> usize {
    let open = stage.open();
    if open.restoring.is_some() {
        is_set_aside(stage, &open);
        close(open);
        return 0;
    }
    let height = open.node.newest().header.height;
    let mender = stage.mender(open);
    let read = stage.truth.compare(&mender, height);
    if height < stage.height {
        let known = mender.own_votes().iter().map(e2l_ledger::Vote::height).max();
        assert_eq!(known, Some(stage.height), "{what}: the others know what is lost");
        stop(mender);
        return 1;
    }
    if mender.scrub_until_clean(PATIENCE) {
        let again = stage.truth.compare(&mender, height);
        assert!(
            again.refused.is_empty(),
            "{what}: mended, and not served: {:?}",
            again.refused
        );
        stop(mender);
        return if read.damaged.is_empty() { 2 } else { 0 };
    }
    // Files that cannot be mended are replaced: the peer stops, and its next start begins anew.
    assert!(mender.fatal().is_some(), "{what}: neither mended nor given up");
    stop(mender);
    let open = stage.open();
    assert!(open.restoring.is_some(), "{what}: found, and used again");
    is_set_aside(stage, &open);
    close(open);
    0
}

/// The log is refused, or it is whole, as reading all of it shows.
fn raft(stage: &Stage, what: &str) -> usize {
    let mut open = stage.open();
    let outcome = match open.compare_log(stage.options(), false) {
        Err(error) => {
            let said = format!("{error:#}");
            assert!(
                said.contains("--rejoin"),
                "{what}: it must say what to do: {said}"
            );
            0
        }
        Ok(_) => {
            let intruder = Intruder::open(&stage.scratch().join("raft")).unwrap();
            for (column, truth) in &stage.raft_records {
                let needed = |record: &&RawRecord| !DISPENSABLE.contains(&record.key.as_slice());
                let found = intruder.records(column).unwrap();
                let missing = truth.iter().filter(needed).find(|record| !found.contains(record));
                assert!(
                    missing.is_none(),
                    "{what}: {missing:02x?} is gone, and nobody noticed"
                );
            }
            2
        }
    };
    close(open);
    outcome
}

/// Damages a file of a kind; says how.
fn damage(dir: &Path, older: &Path, kind: &str, random: &mut Rng) -> &'static str {
    let files = files(dir, kind);
    let file = &files[random.usize(..files.len())];
    let mut bytes = fs::read(file).unwrap();
    match random.u8(..8) {
        0..3 if !bytes.is_empty() => {
            let at = random.usize(..bytes.len());
            bytes[at] ^= 1 << random.u8(..8);
            fs::write(file, bytes).unwrap();
            "bit flip"
        }
        3 if !bytes.is_empty() => {
            bytes.truncate(random.usize(..bytes.len()));
            fs::write(file, bytes).unwrap();
            "truncation"
        }
        4 if files.len() > 1 => {
            let other = files.iter().find(|other| *other != file).unwrap();
            fs::write(file, fs::read(other).unwrap()).unwrap();
            fs::write(other, bytes).unwrap();
            "swap"
        }
        5 | 6 if !self::files(older, kind).is_empty() => {
            let choice = self::files(older, kind);
            fs::copy(&choice[random.usize(..choice.len())], file).unwrap();
            "rollback"
        }
        7 => {
            fs::remove_dir_all(dir).unwrap();
            copy_dir(older, dir);
            "rollback"
        }
        _ => {
            fs::remove_file(file).unwrap();
            "deletion"
        }
    }
}

/// The files of a kind, in the order of their names.
fn files(dir: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.ends_with(&format!(".{kind}")) || name.starts_with(kind)
        })
        .collect();
    files.sort();
    files
}
