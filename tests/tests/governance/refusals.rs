//! What peers and actors refuse.

use super::steps::{digest_of_events_contract, has_no_other_contract, refused, text};
use e2l_tests::{Network, said};
use std::path::Path;

#[test]
fn a_component_that_peers_refuse_and_a_source_that_is_another_change_nothing() {
    let network = Network::start(1);
    let junk = network.root().join("junk.wasm");
    std::fs::write(&junk, b"no component").unwrap();
    let output = network.e2l("provider", &["chaincode", "propose", text(&junk)]);
    assert!(!output.status.success());
    assert!(
        said(&output).contains("is not a contract that peers would run"),
        "{}",
        said(&output)
    );
    // A package is proposed as the component that is in it.
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaincode/eventdb");
    let package = network.root().join("eventdb.tar");
    let pack = ["chaincode", "package", text(&events), "--out", text(&package)];
    network.run("provider", &pack);
    let id = network.run(
        "provider",
        &["chaincode", "propose", text(&package), "--name", "second"],
    );
    let shown = network.json("user", &["proposal", "show", &id]);
    let proposed = &shown["changes"][0]["change"]["chaincode"];
    assert_eq!(proposed["name"], "second", "{shown}");
    assert_eq!(
        proposed["digest"],
        digest_of_events_contract().to_string(),
        "{shown}"
    );
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/hostile");
    let other = refused(
        &network,
        "user",
        &["chaincode", "approve", &id, "--rebuild", text(&source)],
    );
    assert!(other.contains("nothing was approved"), "{other}");
    network.run("user", &["chaincode", "approve", &id, "--rebuild", text(&events)]);
    network.run("developer", &["chaincode", "reject", &id]);
    let closed = refused(&network, "developer", &["chaincode", "approve", &id]);
    assert!(closed.contains("PROPOSAL_CLOSED"), "{closed}");
    let shown = network.json("user", &["proposal", "show", &id]);
    assert_eq!(shown["status"], "rejected");
    assert!(has_no_other_contract(&network, "user"));
}
