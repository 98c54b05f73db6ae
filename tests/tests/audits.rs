//! Audits of live peers and of a stopped peer's files, with and without executing everything again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_identity::Identity;
use e2l_ledger::proof::FinalHeaderProof;
use e2l_ledger::{
    Block, Canonical, Digest, Endorsement, Header, Role, SignedVote, Signer, TransactionResult,
    ValidationCode, Vote,
};
use e2l_store::{Intruder, RawRecord};
use e2l_tests::{
    Lie, LyingPeer, Members, Network, PATIENCE, component, copy_dir, event, next_component, wait_until,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Runs `e2l audit`; its exit code and all it said.
fn audit(network: &Network, arguments: &[&str]) -> (Option<i32>, String) {
    let output = network.e2l("user", &[&["audit"], arguments].concat());
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn middle(records: &[RawRecord], height: u64) -> &RawRecord {
    records
        .iter()
        .find(|record| record.key.starts_with(&height.to_be_bytes()))
        .unwrap()
}

#[test]
fn files_and_peers_are_audited_and_executed_again() {
    let mut network = Network::start(1);
    let mut collector = Members::of(&network).unwrap().collector(1, "provider").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for number in 0..10 {
        let events = (0..3).map(|part| event(&format!("web-{number}"), &format!("exec-{part}")));
        runtime.block_on(collector.submit(events.collect())).unwrap();
    }
    network.wait_for_agreement(30);

    let (code, said) = audit(&network, &["--replay"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("every transaction executed again"), "{said}");

    let data = network.root().join("actors/user/peer/data");
    let (code, said) = audit(&network, &["--data-dir", data.to_str().unwrap()]);
    assert_eq!(code, Some(2), "a running peer's files are not read: {said}");
    assert!(said.contains("a peer holds its lock"), "{said}");

    for actor in Network::actors() {
        network.stop_peer(actor);
    }
    let before = names(&data.join("ledger"));
    let (code, said) = audit(&network, &["--data-dir", data.to_str().unwrap(), "--replay"]);
    assert_eq!(code, Some(0), "no peer is needed: {said}");
    assert_eq!(names(&data.join("ledger")), before, "the files are not changed");

    type Edit = (&'static str, &'static str, fn(&Intruder));
    let edits: [Edit; 9] = [
        ("a header", "height 4", |intruder| forge(intruder, "headers", 4)),
        ("a block", "block 5", |intruder| forge(intruder, "blocks", 5)),
        ("a transaction", "height 6", |intruder| {
            intruder.falsify((6, 0), b"exec-0", b"exec-9").unwrap();
        }),
        ("a missing transaction", "height 7", |intruder| {
            intruder
                .delete(middle(&intruder.records("transactions").unwrap(), 7))
                .unwrap();
        }),
        ("the state", "the state hashes to", |intruder| {
            flip(intruder, "state")
        }),
        ("the index", "index of block", |intruder| {
            flip(intruder, "tx_index")
        }),
        ("the batches", "batch", |intruder| flip(intruder, "batches")),
        ("a log", "logs", |intruder| flip(intruder, "logs")),
        ("a log, below a tip without endorsements", "logs", |intruder| {
            for vote in intruder.records("votes").unwrap() {
                if vote.key.starts_with(&10u64.to_be_bytes()) {
                    intruder.delete(&vote).unwrap();
                }
            }
            flip(intruder, "logs");
        }),
    ];
    for (what, named, edit) in edits {
        let scratch = network.root().join("scratch");
        let _ = std::fs::remove_dir_all(&scratch);
        copy_dir(&data.join("ledger"), &scratch.join("ledger"));
        let intruder = Intruder::open(&scratch.join("ledger")).unwrap();
        edit(&intruder);
        drop(intruder);
        let (code, said) = audit(&network, &["--data-dir", scratch.to_str().unwrap()]);
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(said.contains(named), "{what} is not named: {said}");
    }
}

/// Runs the second implementation of the formats, in Python, over an export.
fn audit_in_python(export: &Path) -> (Option<i32>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let found = Command::new(root.join("scripts/python.sh")).output().unwrap();
    assert!(
        found.status.success(),
        "{}",
        String::from_utf8_lossy(&found.stderr)
    );
    let python = std::env::var("E2L_PYTHON").ok().filter(|path| !path.is_empty());
    let python = python.unwrap_or_else(|| String::from_utf8_lossy(&found.stdout).trim().to_owned());
    let audit = Command::new(python)
        .arg(root.join("tests/python/audit.py"))
        .arg(export)
        .output()
        .unwrap();
    let said = [audit.stdout, audit.stderr].concat();
    (audit.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn an_export_is_audited_from_the_format_documents_alone() {
    let mut network = Network::start(1);
    let mut collector = Members::of(&network).unwrap().collector(1, "provider").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for number in 0..8 {
        // The contract rejects an event without an action; the ledger keeps it all the same.
        let actions = ["start", "", "die"].map(|action| event(&format!("web-{}", number % 3), action));
        runtime.block_on(collector.submit(actions.into())).unwrap();
    }
    network.wait_for_agreement(24);
    let export = network.root().join("export");
    let path = export.to_str().unwrap();
    let (code, said) = audit(&network, &["--export", path]);
    assert_eq!(code, Some(2), "whose ledger? {said}");
    let (code, said) = audit(&network, &["--of", "user", "--export", path]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = audit(&network, &["--of", "user", "--export", path]);
    assert_eq!(code, Some(2), "two ledgers are not mixed: {said}");

    let (code, said) = audit_in_python(&export);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(
            "8 blocks, 24 transactions, 0 changes of the configuration, 4 logs; the state made anew at each"
        ),
        "{said}"
    );

    // A stopped peer's files are the same ledger.
    network.stop_peer("user");
    let data = network.root().join("actors/user/peer/data");
    let again = network.root().join("again");
    let arguments = [
        "--data-dir",
        data.to_str().unwrap(),
        "--export",
        again.to_str().unwrap(),
    ];
    let (code, said) = audit(&network, &arguments);
    assert_eq!(code, Some(0), "{said}");
    for height in 1..=8 {
        let name = format!("{height:010}.block");
        assert!(std::fs::read(export.join(&name)).unwrap() == std::fs::read(again.join(&name)).unwrap());
    }

    let mut random = fastrand::Rng::with_seed(1);
    let scratch = network.root().join("edited");
    for number in 0..24 {
        let height = number % 8 + 1;
        let file = |kind: &str, height: u64| scratch.join(format!("{height:010}.{kind}"));
        let _ = std::fs::remove_dir_all(&scratch);
        copy_dir(&export, &scratch);
        match number / 8 {
            0 => flip_in_file(&file("block", height), &mut random),
            1 => flip_in_file(&file("final", height), &mut random),
            // One block in the place of another, its proof with it.
            _ => {
                let other = height % 8 + 1;
                for kind in ["block", "final"] {
                    std::fs::copy(
                        export.join(file(kind, other).file_name().unwrap()),
                        file(kind, height),
                    )
                    .unwrap();
                }
            }
        }
        let (code, said) = audit_in_python(&scratch);
        assert_eq!(code, Some(1), "edit {number}: {said}");
        assert!(
            said.contains(&format!("block {height}:")),
            "edit {number} is not named: {said}"
        );
    }
    std::fs::remove_file(scratch.join("0000000003.final")).unwrap();
    let (code, said) = audit_in_python(&scratch);
    assert_eq!(code, Some(1), "{said}");
}

/// What the actors have changed together, and what was refused on the way.
fn govern(network: &Network) -> u64 {
    let run = |actor: &str, arguments: &[&str]| {
        let output = network.e2l(actor, arguments);
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
        assert!(output.status.success(), "{actor}: {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let refused = |actor: &str, arguments: &[&str], code: &str| {
        let output = network.e2l(actor, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(code),
            "{arguments:?}: {said}"
        );
    };
    let decided = |id: &str, others: &[&str]| {
        for actor in others {
            run(actor, &["proposal", "approve", id]);
        }
    };
    let [provider, developer, user] = Network::actors();
    // Another contract, of the same component: its state is its own.
    let wasm = component().to_str().unwrap();
    let second = run(
        provider,
        &[
            "chaincode",
            "propose",
            wasm,
            "--name",
            "second",
            "--note",
            "another",
        ],
    );
    refused(provider, &["proposal", "approve", &second], "ALREADY_DECIDED");
    decided(&second, &[developer, user]);
    refused(user, &["proposal", "approve", &second], "PROPOSAL_CLOSED");
    let event = r#"{"Type": "container", "Action": "start", "scope": "local", "time": 1800000000,
        "timeNano": 1800000000000000000, "Actor": {"ID": "c1", "Attributes": {}}}"#;
    run(
        provider,
        &[
            "chaincode",
            "invoke",
            "--chaincode",
            "second",
            "createEvent",
            event,
        ],
    );
    // Of two proposals about the same the first wins.
    let limits = |actor, limit| run(actor, &["proposal", "create", "limits", limit]);
    let wins = limits(user, "block_max_transactions=400");
    let late = limits(developer, "block_max_transactions=300");
    decided(&wins, &[provider, developer]);
    refused(provider, &["proposal", "approve", &late], "PROPOSAL_SUPERSEDED");
    run(provider, &["proposal", "reject", &late]);
    let expiring = [
        "proposal",
        "create",
        "limits",
        "output_max_bytes=70000",
        "--expires-in",
        "1",
    ];
    let expired = run(user, &expiring);
    let certificate = network.collector_home(2).join("collector.pem");
    let revoke = ["proposal", "create", "revoke", certificate.to_str().unwrap()];
    decided(&run(developer, &revoke), &[provider, user]);
    refused(provider, &["proposal", "approve", &expired], "PROPOSAL_EXPIRED");
    let authority = |actor: &str| network.root().join("actors").join(actor).join("ca/ca.pem");
    let (own, other) = (authority(user), authority(developer));
    let both = [own.to_str().unwrap(), other.to_str().unwrap()];
    decided(
        &run(
            user,
            &["proposal", "create", "authorities", user, both[0], both[1]],
        ),
        &[provider, developer],
    );
    decided(
        &run(user, &["proposal", "create", "remove-chaincode", "second"]),
        &[provider, developer],
    );
    // A version that prepares itself from what is there, in more than one step, and that writes more than the first.
    let next = next_component().to_str().unwrap();
    let upgrade = run(developer, &["chaincode", "propose", next]);
    decided(&upgrade, &[provider, user]);
    wait_until("the new version is prepared", PATIENCE, || {
        let shown = network.json(user, &["proposal", "show", &upgrade]);
        (shown["outcome"]["status"] == "active").then_some(())
    });
    let event = event.replace(
        r#""Attributes": {}"#,
        r#""Attributes": {"com.docker.swarm.service.name": "web"}"#,
    );
    run(provider, &["chaincode", "invoke", "createEvent", &event]);
    6
}

/// Changes a block of an export as a majority that colludes would: its hashes and endorsements hold.
fn forge_in_export(members: &Members, export: &Path, height: u64, change: &dyn Fn(&mut Block)) {
    let file = |kind: &str| export.join(format!("{height:010}.{kind}"));
    let mut block = Block::decode(&std::fs::read(file("block")).unwrap()).unwrap();
    change(&mut block);
    block.header.results_root = TransactionResult::root(&block.results);
    let signers = ["developer", "provider"].map(|actor| members.identity(actor, Role::Peer, "peer").unwrap());
    let vote = |signer: &Arc<Identity>| {
        let endorsement = Endorsement {
            network: block.header.network,
            height,
            header: block.header.digest(),
        };
        SignedVote::sign(Vote::Endorsement(endorsement), &**signer)
    };
    let proof = FinalHeaderProof {
        header: block.header.clone(),
        descendants: Vec::new(),
        endorsements: signers.iter().map(vote).collect(),
        certificates: signers
            .iter()
            .map(|signer| signer.certificate().der().to_vec())
            .collect(),
    };
    std::fs::write(file("block"), block.encode()).unwrap();
    std::fs::write(file("final"), proof.encode()).unwrap();
}

/// How many blocks of an export have nothing in them.
fn empty_blocks(export: &Path) -> usize {
    let block = |height: u64| std::fs::read(export.join(format!("{height:010}.block"))).ok();
    let blocks = (1..).map_while(|height| Some(Block::decode(&block(height)?).unwrap()));
    blocks.filter(|block| block.header.envelopes == 0).count()
}

/// Heights of an export at which the configuration changes.
fn heights_of_changes(export: &Path) -> Vec<u64> {
    let block = |height: u64| std::fs::read(export.join(format!("{height:010}.block"))).ok();
    (1..)
        .map_while(|height| Some(Block::decode(&block(height)?).unwrap().header))
        .filter(|header| header.config_root != header.next_config_root)
        .map(|header| header.height)
        .collect()
}

#[test]
fn an_export_is_audited_through_its_changes_of_the_network() {
    let network = Network::start(2);
    let members = Members::of(&network).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut collector = members.collector(1, "provider").unwrap();
    let mut many = members.collector(2, "provider").unwrap();
    let mut record = |name: &str| {
        runtime
            .block_on(collector.submit(vec![event(name, "start")]))
            .unwrap()
    };
    record("before");
    // Enough that the new version prepares itself in several steps, most of them in blocks with nothing else in them.
    for part in 0..2 {
        let label = ("com.docker.swarm.service.name".to_owned(), "web".to_owned());
        let starts = (0..300).map(|number| {
            let mut event = event(&format!("web-{part}-{number}"), "start");
            event.attributes.extend([label.clone()]);
            event
        });
        runtime.block_on(many.submit(starts.collect())).unwrap();
    }
    let changes = govern(&network);
    record("after");
    let settled = network.view("user").unwrap().transactions;
    network.wait_for_agreement(settled);
    let export = network.root().join("export");
    let (code, said) = audit(&network, &["--of", "user", "--export", export.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = audit_in_python(&export);
    assert_eq!(code, Some(0), "{said}");
    let found = format!("{changes} changes of the configuration");
    assert!(
        said.contains(&found) && said.contains("the state made anew at each"),
        "{said}"
    );

    assert!(empty_blocks(&export) > 0, "the preparation had blocks of its own");

    let heights = heights_of_changes(&export);
    assert_eq!(heights.len() as u64, changes);
    type Forgery<'a> = (u64, Box<dyn Fn(&mut Block) + 'a>, &'a str);
    let forgeries: [Forgery; 3] = [
        (
            heights[1],
            Box::new(|block| block.header.next_config_root = Digest([7; 32])),
            "its next configuration is not what its proposals make",
        ),
        (
            heights[2],
            Box::new(|block| block.header.next_config_root = block.header.config_root),
            "its next configuration is not what its proposals make",
        ),
        (
            heights[3],
            Box::new(|block| {
                let approval = block.results.last_mut().unwrap();
                approval.code = ValidationCode::AlreadyDecided;
            }),
            "the governance gives it code 0, not 125",
        ),
    ];
    let scratch = network.root().join("forged");
    for (height, forge, named) in forgeries {
        let _ = std::fs::remove_dir_all(&scratch);
        copy_dir(&export, &scratch);
        forge_in_export(&members, &scratch, height, &|_| ());
        let (code, said) = audit_in_python(&scratch);
        assert_eq!(code, Some(0), "endorsed anew it is the same ledger: {said}");
        forge_in_export(&members, &scratch, height, &*forge);
        let (code, said) = audit_in_python(&scratch);
        assert_eq!(code, Some(1), "{named}: {said}");
        assert!(
            said.contains(&format!("block {height}: ")) && said.contains(named),
            "{said}"
        );
    }
}

fn flip_in_file(path: &Path, random: &mut fastrand::Rng) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = random.usize(..bytes.len());
    bytes[at] ^= 1 << random.u8(..8);
    std::fs::write(path, bytes).unwrap();
}

/// The newest block with another result, as a majority that colludes would endorse it: all hashes and signatures hold.
fn colluding_majority(members: &Members, height: u64) -> Lie {
    let signers = ["developer", "provider"].map(|actor| members.identity(actor, Role::Peer, "peer").unwrap());
    let forged: Mutex<Option<Header>> = Mutex::default();
    Arc::new(move |bytes| {
        let mut forged = forged.lock().unwrap();
        if let Ok(mut block) = Block::decode(bytes) {
            if block.header.height == height {
                block.results[0].fuel += 1;
                block.header.results_root = TransactionResult::root(&block.results);
                *forged = Some(block.header.clone());
            }
            *bytes = block.encode();
        } else if let (Ok(mut proof), Some(header)) = (FinalHeaderProof::decode(bytes), &*forged)
            && proof.header.height == height
        {
            let vote = |signer: &Arc<Identity>| {
                let vote = Vote::Endorsement(Endorsement {
                    network: header.network,
                    height,
                    header: header.digest(),
                });
                SignedVote::sign(vote, &**signer)
            };
            proof.header = header.clone();
            proof.descendants.clear();
            proof.endorsements = signers.iter().map(vote).collect();
            let certificates = signers.iter().map(|signer| signer.certificate().der().to_vec());
            proof.certificates = certificates.collect();
            *bytes = proof.encode();
        }
    })
}

#[test]
fn what_a_colluding_majority_made_up_is_found_by_executing_it_and_by_comparing() {
    let mut network = Network::start(1);
    let members = Members::of(&network).unwrap();
    let mut collector = members.collector(1, "provider").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for number in 0..3 {
        let events = vec![event(&format!("web-{number}"), "start")];
        runtime.block_on(collector.submit(events)).unwrap();
    }
    network.wait_for_agreement(3);
    network.stop_peer("user");
    let lie = colluding_majority(&members, 3);
    let liar = LyingPeer::start(&members, "user", "provider", lie).unwrap();
    let (code, said) = audit(&network, &["--of", "user"]);
    assert_eq!(code, Some(0), "every hash and signature holds: {said}");
    let (code, said) = audit(&network, &["--of", "user", "--replay"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("block 3, transaction") && said.contains("executing it gives"),
        "{said}"
    );
    let (code, said) = audit(&network, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("at height 3 ") && said.contains("and user has block"),
        "{said}"
    );
    drop(liar);
}

#[test]
fn a_replay_needs_the_component_that_was_agreed_on() {
    let network = Network::start(1);
    let mut collector = Members::of(&network).unwrap().collector(1, "provider").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime
        .block_on(collector.submit(vec![event("web", "start")]))
        .unwrap();
    network.wait_for_agreement(1);
    let empty = network.root().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let (code, said) = audit(
        &network,
        &[
            "--of",
            "user",
            "--replay",
            "--chaincode-dir",
            empty.to_str().unwrap(),
        ],
    );
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains(".wasm"),
        "it must say which file is missing: {said}"
    );
}

fn names(dir: &Path) -> Vec<(PathBuf, u64)> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<_> = entries
        .map(|entry| (entry.path(), entry.metadata().unwrap().len()))
        .collect();
    names.sort();
    names
}

/// Changes a record of a height, checksum and all.
fn forge(intruder: &Intruder, column: &str, height: u64) {
    let mut record = middle(&intruder.records(column).unwrap(), height).clone();
    let at = record.value.len() - 30;
    record.value[at] ^= 1;
    intruder.put_with_checksum(&record).unwrap();
}

fn flip(intruder: &Intruder, column: &str) {
    let records = intruder.records(column).unwrap();
    let mut record = records[records.len() / 2].clone();
    let at = record.value.len() - 1;
    record.value[at] ^= 1;
    intruder.put(&record).unwrap();
}
