//! What happens to services while the manager's collector is away and its engine forgets: it is inferred from the Swarm's
//! store when the collector is back, once, with the store's times, and gaps say what cannot be known.

use super::stage::{PATIENCE, Scene};
use e2l_tests::{now_nano, wait_until};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The manager's collector, as its gaps name it.
const COLLECTOR: &str = "provider/collector/collector-1";
/// So many events an engine remembers, of all types.
const REMEMBERED: usize = 256;
/// More than that.
const BURST: usize = 300;

/// Scaled twice meanwhile.
const SCALED: &str = "scaled";
/// Removed meanwhile.
const REMOVED: &str = "removed";
/// Created meanwhile.
const CREATED: &str = "created";
/// Created and updated meanwhile.
const CHANGED: &str = "changed";
/// Created and removed meanwhile.
const FLEETING: &str = "fleeting";

/// What the Swarm's store says of a service; nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stored {
    created: i64,
    updated: i64,
}

fn stored(scene: &Scene, id: &str) -> Stored {
    let told = scene.swarm.manager().run(&["service", "inspect", id]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let moment = |name: &str| {
        let moment = OffsetDateTime::parse(told[0][name].as_str().unwrap(), &Rfc3339).unwrap();
        i64::try_from(moment.unix_timestamp_nanos()).unwrap()
    };
    Stored {
        created: moment("CreatedAt"),
        updated: moment("UpdatedAt"),
    }
}

/// Creates a service and returns its id. Its tasks are the workers': the manager's engine has no container of a service.
fn create(scene: &Scene, name: &str, replicas: &str) -> String {
    let fixed = ["service", "create", "--detach", "--no-resolve-image"];
    let settings = [
        "--name",
        name,
        "--replicas",
        replicas,
        "--constraint",
        "node.role==worker",
        "--stop-signal",
        "KILL",
    ];
    let command = [scene.swarm.image(), "/bin/sleep", "3600"];
    scene
        .swarm
        .manager()
        .run(&[&fixed[..], &settings, &command].concat())
}

/// Makes the manager's engine emit more events than it remembers: it can tell of no service any more.
fn make_it_forget(scene: &Scene, container: &str) {
    let manager = scene.swarm.manager();
    // An event for each time that the container is named.
    let update = ["update", "--restart", "no"];
    manager.run(&[&update[..], &[container; BURST]].concat());
    let now = now_nano();
    let until = format!("{}.{:09}", now / 1_000_000_000, now % 1_000_000_000);
    let told = manager.run(&[
        "events",
        "--since",
        "1",
        "--until",
        &until,
        "--format",
        "{{.Type}}",
    ]);
    let types: Vec<&str> = told.lines().collect();
    assert_eq!(types.len(), REMEMBERED, "{types:?}");
    assert!(!types.contains(&"service"), "{types:?}");
}

/// All that the manager's collector has on the ledger, in its order, the only one that runs. With every validation code: what
/// is reported twice of a service is a witness.
fn on_ledger(scene: &Scene) -> Vec<Value> {
    let events = ["events", "--any-code", "--limit", "1000000"];
    let events = scene.network.json("user", &events);
    events.as_array().unwrap().clone()
}

/// How something is known, what it is, and when it was.
type Said<'a> = (&'a str, &'a str, i64);

/// What the ledger says of an id.
fn said_of<'a>(ledger: &'a [Value], id: &str) -> Vec<Said<'a>> {
    let of_it = ledger.iter().filter(|event| event["actor_id"] == id);
    of_it
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap();
            (text("observed"), text("action"), nano(event, "time_nano"))
        })
        .collect()
}

fn ends_with(ledger: &[Value], id: &str, what: (&str, &str)) -> bool {
    let said = said_of(ledger, id);
    said.last()
        .is_some_and(|(observed, action, _)| (*observed, *action) == what)
}

fn nano(event: &Value, name: &str) -> i64 {
    event[name].as_i64().unwrap()
}

/// The ledger once the collector, started for the `start`th time, has compared states so many times since.
fn wait_for_comparisons(scene: &Scene, start: usize, times: usize) -> Vec<Value> {
    wait_until("the collector has compared states", PATIENCE, || {
        let ledger = on_ledger(scene);
        // It says at each start what it reads, and what runs when a comparison has come to its end.
        let started = *statements(&ledger, "engine").get(start - 1)?;
        let compared = statements(&ledger, "inventory").into_iter();
        let compared = compared.filter(|place| *place > started).count();
        (compared >= times).then_some(ledger)
    })
}

/// Places of the collector's statements of this kind.
fn statements(ledger: &[Value], action: &str) -> Vec<usize> {
    let places = ledger.iter().enumerate();
    places
        .filter(|(_, event)| event["type"] == "collector" && event["action"] == action)
        .map(|(place, _)| place)
        .collect()
}

/// Transactions of engines' events and of gaps.
fn but_for_statements(ledger: &[Value]) -> Vec<&Value> {
    let events = ledger.iter();
    events
        .filter(|event| event["type"] != "collector" || event["observed"] == "gap")
        .map(|event| &event["tx_id"])
        .collect()
}

fn inferred<'a>(ledger: &'a [Value], id: &str) -> Vec<&'a Value> {
    let of_it = ledger.iter().filter(|event| event["actor_id"] == id);
    of_it.filter(|event| event["observed"] == "inferred").collect()
}

/// One gap of the collector's covers its absence, from a second before the last event of a container on, and stands between what
/// was read before and what was read afterwards.
fn check_gap_of_absence(ledger: &[Value], (left, back): (i64, i64)) {
    let of_it = |event: &Value| event["observed"] == "gap" && event["actor_id"] == COLLECTOR;
    let gaps: Vec<&Value> = ledger.iter().filter(|event| of_it(event)).collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let bound = |name: &str| gaps[0]["attributes"][name].as_str()?.parse::<i64>().ok();
    let reason = &gaps[0]["attributes"]["reason"];
    assert_eq!(reason, "not read for too long: the engine forgot events");
    assert!(bound("to").unwrap() >= back, "{:?}", gaps[0]);
    let place = ledger.iter().position(of_it).unwrap();
    let mut before = ledger[..place].iter().rev();
    let last = before.find(|event| event["type"] == "container").unwrap();
    assert_eq!(bound("from").unwrap(), nano(last, "time_nano") - 1_000_000_000);
    for (at, event) in ledger.iter().enumerate() {
        if event["type"] == "collector" {
            continue;
        }
        let received = nano(event, "received_nano");
        assert!(!(left..back).contains(&received), "{event}");
        assert_eq!(at < place, received < left, "{event}");
    }
}

/// The gap of a service begins with its last event that was read, and ends with its last change.
fn check_gap_of_service(ledger: &[Value], id: &str, (from, to): (i64, i64)) {
    let mut of_it = ledger.iter().filter(|event| event["actor_id"] == id);
    let gap = of_it.find(|event| event["observed"] == "gap").unwrap();
    let bounds = json!({
        "reason": "changes of the service between were not read",
        "from": from.to_string(),
        "to": to.to_string(),
    });
    assert_eq!(gap["attributes"], bounds);
}

/// Two gaps, and five events that were inferred: all are in force, services', and found after the absence.
fn check_not_observed(ledger: &[Value], back: i64) {
    let found = ledger.iter().filter(|event| event["observed"] != "observed");
    let found: Vec<&Value> = found.collect();
    assert_eq!(found.len(), 7, "{found:?}");
    for event in found {
        assert_eq!(event["validation_code"], "VALID", "{event}");
        if event["observed"] == "inferred" {
            assert_eq!(event["type"], "service", "{event}");
            assert_eq!(event["scope"], "swarm", "{event}");
            assert!(nano(event, "received_nano") >= back, "{event}");
        }
    }
}

#[test]
fn what_became_of_services_that_nobody_watched_is_inferred_once_with_the_times_of_the_store() {
    let test = "what_became_of_services_that_nobody_watched_is_inferred_once_with_the_times_of_the_store";
    let Some(mut scene) = Scene::unwatched(test) else {
        return;
    };
    scene.network.configure_collector(1, |text| {
        format!("reconcile_every_s = 2\ninventory_every_s = 1\ntasks_every_s = 0\n{text}")
    });
    // The manager's alone.
    scene.start_collector(0);
    wait_for_comparisons(&scene, 1, 1);
    let scaled = create(&scene, SCALED, "1");
    let removed = create(&scene, REMOVED, "0");
    let image = scene.swarm.image();
    let container = ["create", "--network", "none", image, "/bin/sleep", "1"];
    let container = scene.swarm.manager().run(&container);
    let before = wait_until("what is there is on the ledger", PATIENCE, || {
        let ledger = on_ledger(&scene);
        let all = [&scaled, &removed, &container];
        let all = all
            .iter()
            .all(|id| ends_with(&ledger, id, ("observed", "create")));
        all.then_some(ledger)
    });
    let was = stored(&scene, &scaled);
    assert_eq!(
        said_of(&before, &scaled),
        [("observed", "create", was.updated)],
        "the engine's event has the time of the store"
    );

    // Nobody reads while all this happens, and afterwards the engine does not remember it.
    scene.kill_collector(0);
    let left = now_nano();
    for replicas in [2, 3] {
        scene.service(&["scale", "--detach", &format!("{SCALED}={replicas}")]);
    }
    let created = create(&scene, CREATED, "0");
    let changed = create(&scene, CHANGED, "0");
    scene.service(&["update", "--detach", "--label-add", "changed=yes", CHANGED]);
    let fleeting = create(&scene, FLEETING, "0");
    scene.service(&["rm", REMOVED, FLEETING]);
    wait_until("the engine has told all that", PATIENCE, || {
        let told = |action| scene.recordings[0].count("service", action);
        (told("create") == 5 && told("update") == 3 && told("remove") == 2).then_some(())
    });
    make_it_forget(&scene, &container);
    let back = now_nano();
    scene.start_collector(0);
    let ledger = wait_for_comparisons(&scene, 2, 2);

    check_gap_of_absence(&ledger, (left, back));
    let [is_scaled, is_created, is_changed] = [&scaled, &created, &changed].map(|id| stored(&scene, id));
    // Of two changes the store has the last, and the gap of the service has both.
    let mut of_scaled = vec![
        ("observed", "create", was.updated),
        ("gap", "gap", is_scaled.updated),
        ("inferred", "update", is_scaled.updated),
    ];
    assert_eq!(said_of(&ledger, &scaled), of_scaled);
    check_gap_of_service(&ledger, &scaled, (was.updated, is_scaled.updated));
    let created_at = ("inferred", "create", is_created.created);
    assert_eq!(said_of(&ledger, &created), [created_at]);
    assert!(is_changed.created < is_changed.updated, "{is_changed:?}");
    assert_eq!(
        said_of(&ledger, &changed),
        [
            ("inferred", "create", is_changed.created),
            ("inferred", "update", is_changed.updated),
        ]
    );
    for moment in [is_scaled.updated, is_created.created, is_changed.created] {
        assert!(left < moment && moment < back, "{moment} is in the absence");
    }
    // The store does not know when a service was removed: it has the time when that was found.
    let of_removed = said_of(&ledger, &removed);
    assert_eq!(of_removed.len(), 2, "{of_removed:?}");
    assert_eq!(of_removed[0].0, "observed");
    assert!(
        ends_with(&ledger, &removed, ("inferred", "remove")),
        "{of_removed:?}"
    );
    let found = inferred(&ledger, &removed)[0];
    assert_eq!(found["time_nano"], found["received_nano"]);
    // What came and went is in the collector's gap alone.
    assert!(said_of(&ledger, &fleeting).is_empty());
    for (id, name) in [(&scaled, SCALED), (&created, CREATED), (&changed, CHANGED)] {
        for event in inferred(&ledger, id) {
            assert_eq!(event["attributes"], json!({ "name": name }), "{event}");
        }
    }
    check_not_observed(&ledger, back);

    // From now on it is read again, and what was inferred is not said once more: neither then nor by another start.
    scene.service(&["scale", "--detach", &format!("{SCALED}=1")]);
    scene.service(&["rm", CREATED]);
    let ledger = wait_until("what is read again is on the ledger", PATIENCE, || {
        let ledger = on_ledger(&scene);
        let both = ends_with(&ledger, &scaled, ("observed", "update"))
            && ends_with(&ledger, &created, ("observed", "remove"));
        both.then_some(ledger)
    });
    of_scaled.push(("observed", "update", stored(&scene, &scaled).updated));
    assert_eq!(said_of(&ledger, &scaled), of_scaled);
    assert_eq!(said_of(&ledger, &created)[..1], [created_at]);
    assert_eq!(said_of(&ledger, &created).len(), 2);
    scene.kill_collector(0);
    scene.start_collector(0);
    let again = wait_for_comparisons(&scene, 3, 2);
    assert_eq!(but_for_statements(&again), but_for_statements(&ledger));
    scene.service(&["rm", SCALED, CHANGED]);
}
