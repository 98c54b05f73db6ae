//! A new network's files: whole or not at all, secrets for their owner only, nothing ever overwritten.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use e2l_identity::{
    ActorPlan, Authority, ChaincodePlan, Identity, IdentityError, NetworkPlan, create_network,
};
use e2l_ledger::{Domain, GenesisFile, Limits, Policy, Role, Signer};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::{NETWORK, engine, files, identity, member, now, valid};

const ACTORS: [&str; 3] = ["provider", "developer", "user"];

fn plan() -> NetworkPlan {
    let actor = |(port, name): (u16, &&str)| ActorPlan {
        name: (*name).to_owned(),
        peer_address: format!("127.0.0.1:{port}"),
        collectors: if *name == "provider" { 2 } else { 0 },
    };
    NetworkPlan {
        network: NETWORK.to_owned(),
        actors: (7001..).zip(&ACTORS).map(actor).collect(),
        limits: Limits::default(),
        finality: Policy::Majority,
        lifecycle: Policy::AtLeast(2),
        chaincode: Some(ChaincodePlan {
            name: "eventdb".to_owned(),
            version: "1".to_owned(),
            component: b"component".to_vec(),
        }),
        engine: engine(),
        now: now(),
    }
}

fn load(home: &Path, role: Role) -> Result<Identity, IdentityError> {
    Identity::load(
        &home.join(format!("{role}.pem")),
        &home.join(format!("{role}.key")),
    )
}

#[test]
fn every_actor_gets_an_authority_and_members_that_it_vouches_for() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("network");
    let made = create_network(&root, &plan()).unwrap();
    let config = &made.genesis.config;
    made.check().unwrap();
    let read: GenesisFile =
        serde_json::from_slice(&std::fs::read(root.join("genesis.json")).unwrap()).unwrap();
    assert_eq!(read.genesis, made.genesis);
    assert_eq!(
        (config.finality, config.lifecycle),
        (Policy::Majority, Policy::AtLeast(2))
    );

    let authorities: Vec<&[u8]> = config
        .actors
        .iter()
        .flat_map(|actor| &actor.authorities)
        .map(Vec::as_slice)
        .collect();
    assert_eq!(authorities.len(), 3, "one authority per actor");
    assert!(
        authorities[0] != authorities[1]
            && authorities[1] != authorities[2]
            && authorities[0] != authorities[2]
    );
    let at = i64::try_from(now().unix_timestamp_nanos()).unwrap();
    for actor in ACTORS {
        let home = root.join("actors").join(actor);
        let authority = Authority::load(actor, &home.join("ca")).unwrap();
        assert_eq!(
            config.actor(actor).unwrap().authorities,
            [authority.certificate_der()]
        );
        let mut members = vec![
            (Role::Peer, "peer"),
            (Role::Admin, "admin"),
            (Role::Client, "client"),
        ];
        if actor == "provider" {
            members.extend([(Role::Collector, "collector-1"), (Role::Collector, "collector-2")]);
        }
        for (role, name) in members {
            let identity = load(&home.join(name), role).unwrap();
            let certificate = identity.certificate();
            assert_eq!(*certificate.member(), member(actor, role, name));
            assert_eq!(certificate.network(), NETWORK);
            certificate.check(config, at).unwrap();
            let genesis = std::fs::read(home.join(name).join("genesis.json")).unwrap();
            assert_eq!(genesis, std::fs::read(root.join("genesis.json")).unwrap());
        }
        let digest = Domain::Chaincode.hash(b"component");
        let component = home.join("peer/chaincode").join(format!("{digest}.wasm"));
        assert_eq!(std::fs::read(component).unwrap(), b"component");
    }
}

#[test]
fn keys_are_for_their_owner_only_and_one_that_is_not_is_not_used() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("network");
    create_network(&root, &plan()).unwrap();
    let files = files(&root);
    let keys: Vec<_> = files
        .iter()
        .filter(|(path, ..)| path.extension().is_some_and(|end| end == "key"))
        .collect();
    // Three authorities, nine members, two collectors.
    assert_eq!(keys.len(), 14);
    for (path, mode, content) in &files {
        let secret = String::from_utf8_lossy(content).contains("PRIVATE KEY");
        let expected = if secret { 0o600 } else { 0o644 };
        assert_eq!(*mode, expected, "{}: {mode:o}", path.display());
        assert_eq!(
            secret,
            path.extension().is_some_and(|end| end == "key"),
            "{}",
            path.display()
        );
    }

    let home = root.join("actors/user/admin");
    let key = home.join("admin.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = load(&home, Role::Admin).err().unwrap();
    assert!(
        matches!(error, IdentityError::KeyIsPublic { mode: 0o640, .. }),
        "{error:?}"
    );
    let told = format!("run `chmod 600 {}`", key.display());
    assert!(error.to_string().contains(&told), "{error}");
}

#[test]
fn an_existing_directory_is_refused_and_untouched() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("network");
    create_network(&root, &plan()).unwrap();
    let before = files(parent.path());
    let error = create_network(&root, &plan()).unwrap_err();
    assert!(matches!(error, IdentityError::NotEmpty(_)), "{error:?}");
    assert!(error.to_string().contains("give a new directory"), "{error}");
    assert_eq!(files(parent.path()), before);

    // One file of somebody else's is enough. An empty directory is none.
    let other = parent.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("mine"), "mine").unwrap();
    create_network(&other, &plan()).unwrap_err();
    assert_eq!(files(&other).len(), 1);
    std::fs::remove_file(other.join("mine")).unwrap();
    create_network(&other, &plan()).unwrap();
}

/// Makes a plan that cannot be carried out.
type Spoil = fn(&mut NetworkPlan);

#[test]
fn a_plan_that_cannot_be_carried_out_leaves_nothing_behind() {
    let bad_name = |plan: &mut NetworkPlan| plan.actors[1].name = "Developer".to_owned();
    let twice = |plan: &mut NetworkPlan| plan.actors[1].name = "provider".to_owned();
    let nobody = |plan: &mut NetworkPlan| plan.actors.clear();
    let policy = |plan: &mut NetworkPlan| plan.finality = Policy::AtLeast(4);
    let lifecycle = |plan: &mut NetworkPlan| plan.lifecycle = Policy::AtLeast(5);
    let limit = |plan: &mut NetworkPlan| plan.limits.batch_max_bytes = 1;
    let cases: [(&str, Spoil); 6] = [
        ("`Developer` holds other characters", bad_name),
        ("provider", twice),
        ("needs 1 voting actors with a peer, there are 0", nobody),
        ("needs 4 voting actors with a peer, there are 3", policy),
        ("the lifecycle policy needs 5 voting actors", lifecycle),
        ("limit `batch_max_bytes` is 1", limit),
    ];
    for (says, spoil) in cases {
        let parent = tempfile::tempdir().unwrap();
        let mut plan = plan();
        spoil(&mut plan);
        let error = create_network(&parent.path().join("network"), &plan).unwrap_err();
        assert!(error.to_string().contains(says), "{error} does not say {says}");
        assert_eq!(files(parent.path()), [], "{says}");
    }
}

#[test]
fn nothing_is_written_over_and_pairs_must_fit() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::create("provider", valid()).unwrap();
    let issue = |name| {
        let member = member("provider", Role::Client, name);
        authority.issue(NETWORK, &member, valid(), &[]).unwrap()
    };
    issue("one").write(home.path(), "it").unwrap();
    let before = files(home.path());
    let error = issue("two").write(home.path(), "it").unwrap_err();
    assert!(matches!(error, IdentityError::Write { .. }), "{error:?}");
    assert_eq!(files(home.path()), before);

    issue("three").write(home.path(), "other").unwrap();
    let mixed = Identity::load(&home.path().join("it.pem"), &home.path().join("other.key"));
    let error = mixed.err().unwrap();
    assert!(
        error
            .to_string()
            .contains("use the pair that was issued together"),
        "{error}"
    );
    let garbled = home.path().join("garbled.pem");
    std::fs::write(
        &garbled,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let error = Identity::load(&garbled, &home.path().join("it.key"))
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("garbled.pem: not an X.509 certificate"),
        "{error}"
    );

    // An authority issues for its own actor alone.
    let error = authority
        .issue(NETWORK, &member("user", Role::Client, "mallory"), valid(), &[])
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("the authority is that of actor `provider`"),
        "{error}"
    );
}

#[test]
fn a_certificate_names_its_member_once_and_signs_in_its_name() {
    let authority = Authority::create("provider", valid()).unwrap();
    let host = member("provider", Role::Collector, "host-1");
    let addresses = ["127.0.0.1".to_owned(), "host-1.example".to_owned()];
    let identity = identity(&authority.issue(NETWORK, &host, valid(), &addresses).unwrap());
    // Parsing demands exactly one URI, and a CommonName that is the URI's name.
    assert_eq!(*identity.certificate().member(), host);
    let digest = Domain::Value.hash(b"statement");
    let signature = identity.sign(&digest);
    signature.verify(&digest, identity.certificate()).unwrap();
    let other = Domain::Value.hash(b"another");
    signature.verify(&other, identity.certificate()).unwrap_err();
}
