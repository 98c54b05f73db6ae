//! `e2l bench`, with loads that are over in seconds. Nothing here depends on how fast it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use e2l_tests::{PrivateEngine, binary, component};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

/// Two benchmarks that look for free ports at one time find the same.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn bench(arguments: &[&str], directory: &Path) -> Output {
    Command::new(binary("e2l"))
        .arg("bench")
        .args(arguments)
        .current_dir(directory)
        .env("E2L_CHAINCODE", component())
        .env("E2L_OUTPUT", "json")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn check(report: &Value, what: &str) {
    let number = |path: &str| {
        let value = report.pointer(path).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("{what}: {path} is no number in {report:#}"))
    };
    assert_eq!(
        number("/events"),
        number("/offered"),
        "{what}: all that was offered is final"
    );
    assert_eq!(report["agreed"], true, "{what}");
    let percentiles = ["p50", "p95", "p99", "p999", "max"].map(|name| number(&format!("/latency_ms/{name}")));
    assert!(
        percentiles.is_sorted() && percentiles[0] > 0.0,
        "{what}: {percentiles:?}"
    );
    let average = number("/latency_ms/average");
    assert!(average > 0.0 && average <= percentiles[4], "{what}: {average}");
    let (network, peers) = (
        number("/cpu_us_per_event/network"),
        number("/cpu_us_per_event/peers"),
    );
    let sum = peers + number("/cpu_us_per_event/collectors");
    assert!(
        (network - sum).abs() < 1e-6 * network && peers > 0.0,
        "{what}: {network} and {sum}"
    );
    assert!(
        number("/cpu_us_per_event/generator") > 0.0,
        "{what}: making events costs something"
    );
    assert!(
        number("/fsyncs_per_block") >= 1.0,
        "{what}: each block is made durable"
    );
    assert!(number("/disk_bytes_per_event_and_peer") > 100.0, "{what}");
    for kind in ["raft", "tables", "wal"] {
        assert!(report["peers"][0]["disk"][kind].is_u64(), "{what}: {kind}");
    }
    let stages: Vec<&str> = report["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["stage"].as_str().unwrap())
        .collect();
    for stage in ["serve", "execute"] {
        assert!(stages.contains(&stage), "{what}: {stage} is not among {stages:?}");
    }
    let seconds = report["timeline"].as_array().unwrap();
    let mut from = 0.0;
    let mut events = 0.0;
    for second in seconds {
        let to = second["at"].as_f64().unwrap();
        events += second["events_per_second"].as_f64().unwrap() * (to - from);
        from = to;
    }
    assert!(
        events > 0.0 && events <= number("/events") + 0.5,
        "{what}: the seconds hold {events} events"
    );
}

/// Every tag is closed, in order, and no number is none.
fn check_svg(path: &Path) {
    let svg = std::fs::read_to_string(path).unwrap();
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, _) = tag
            .split_once('>')
            .unwrap_or_else(|| panic!("a tag does not end: {tag}"));
        let name = tag.split_whitespace().next().unwrap();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "{svg}"),
            None if tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(
        svg.starts_with("<svg ") && !svg.contains("NaN") && !svg.contains("inf"),
        "{svg}"
    );
    assert!(svg.contains("Throughput") && svg.contains("Latency"), "{svg}");
}

#[test]
fn one_load_in_closed_and_one_in_open_loop() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|failed| failed.into_inner());
    let directory = tempfile::tempdir().unwrap();
    for (what, load, events) in [
        (
            "closed loop",
            ["--collectors", "2", "--events", "301"].as_slice(),
            301,
        ),
        (
            "open loop",
            &["--collectors", "1", "--rate", "100", "--duration", "2"],
            200,
        ),
    ] {
        let arguments = [load, &["--svg", "chart.svg"]].concat();
        let output = bench(&arguments, directory.path());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what}: {said}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["events"], events, "{what}");
        check(&report, what);
        check_svg(&directory.path().join("chart.svg"));
    }
}

#[test]
fn the_suite_writes_a_report_of_every_row() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|failed| failed.into_inner());
    let directory = tempfile::tempdir().unwrap();
    let small = ["--duration", "1", "--connected", "6", "--events", "300"];
    let output = bench(
        &[&["suite", "--quick"], small.as_slice()].concat(),
        directory.path(),
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let reports = directory.path().join("e2l-bench");
    let read = |name: &str| -> Value {
        let text = std::fs::read(reports.join(format!("{name}.json")));
        serde_json::from_slice(&text.unwrap_or_else(|error| panic!("{name}: {error}"))).unwrap()
    };
    for load in [
        "saturated",
        "overload",
        "rate-200",
        "single-collector",
        "million-containers",
    ] {
        check(&read(load), load);
        check_svg(&reports.join(format!("{load}.svg")));
    }
    let none = |report: &Value| report["accounts"]["lost"] == 0 && report["accounts"]["duplicated"] == 0;
    let failover = read("failover");
    assert_eq!(failover["gaps_ms"].as_array().unwrap().len(), 1);
    assert!(
        failover["accounts"]["taken"].as_u64() > Some(0) && none(&failover),
        "{failover}"
    );
    let connected = read("connected");
    assert_eq!(
        (&connected["connected"], &connected["failures"]),
        (&6.into(), &Value::Array(Vec::new()))
    );
    assert!(
        connected["events"].as_u64() >= Some(6) && none(&connected),
        "{connected}"
    );
    let reads = read("reads");
    assert!(
        reads["history"]["events_per_read"].as_f64() >= Some(1.0),
        "{reads}"
    );
    assert!(reads["range"]["events_per_read"].as_f64() >= Some(1.0), "{reads}");
    assert_eq!(read("restart")["events"], 300);
    let table = std::fs::read_to_string(reports.join("report.md")).unwrap();
    for row in [
        "saturated throughput",
        "latency at 200/s",
        "overload",
        "leader killed",
        "getHistory p99",
    ] {
        assert!(table.contains(row), "{row} is not in:\n{table}");
    }
    let again = bench(&["suite", "--quick"], directory.path());
    assert_eq!(
        again.status.code(),
        Some(2),
        "a directory with reports is not overwritten"
    );
}

#[test]
fn what_one_collector_costs_is_measured_beside_a_real_engine() {
    let test = "what_one_collector_costs_is_measured_beside_a_real_engine";
    let Some(engine) = PrivateEngine::start(test) else {
        return;
    };
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|failed| failed.into_inner());
    let directory = tempfile::tempdir().unwrap();
    let socket = engine.socket();
    let small = ["--duration", "3", "--rate", "40", "--pairs", "2", "--engine"];
    let output = bench(
        &[&["collector"], small.as_slice(), &[socket.to_str().unwrap()]].concat(),
        directory.path(),
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |path: &str| {
        let value = report.pointer(path).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("{path} is no number in {report:#}"))
    };
    // Every event that the engine was made to emit is final, or the command would have failed.
    assert!(
        number("/loaded/events") >= number("/loaded/emitted"),
        "{report:#}"
    );
    assert!(number("/loaded/emitted") > 50.0, "{report:#}");
    assert!(number("/bare_reader/events") > 50.0, "{report:#}");
    for path in [
        "/idle/rss_mib",
        "/loaded/usage/cpu_percent",
        "/loaded/batches",
        "/loaded/latency_ms/p50",
        "/bare_reader/cpu_percent",
        "/throughput",
        "/starts/with_ms",
        "/starts/without_ms",
    ] {
        assert!(number(path) > 0.0, "{path} in {report:#}");
    }
    assert_eq!(report["starts"]["pairs"], 2);
    let left = engine.run(&["ps", "-aq"]);
    assert_eq!(left, "", "no container is left");
}
