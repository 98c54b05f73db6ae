//! Where the stream and inspection contradict each other.

use crate::reconcile::Inspected;
use e2l_ledger::event::{Event, Facts};

/// Longest piece of a foreign string in it, bytes.
const MAX_TEXT: usize = 64;

/// What the attributes of an event claim and inspection denies, one `name: event says A, inspection says B` after the
/// other; `None` if they agree. Labels are copied over attributes, so that anyone can forge most of them.
pub fn conflict(event: &Event, seen: &Inspected, facts: &Facts) -> Option<String> {
    let ran_seconds = || Some((facts.finished_nano? - facts.started_nano?) / 1_000_000_000);
    let claims = [
        ("image", (!seen.image.is_empty()).then(|| seen.image.clone())),
        ("exitCode", facts.exit_code.map(|code| code.to_string())),
        ("execDuration", ran_seconds().map(|seconds| seconds.to_string())),
    ];
    let denied: Vec<String> = claims
        .into_iter()
        .filter_map(|(name, truth)| {
            let (claim, truth) = (event.attributes.get(name)?, truth?);
            (!agrees(name, claim, &truth)).then(|| {
                let claim: String = claim.chars().take(MAX_TEXT).collect();
                format!("{name}: event says {claim}, inspection says {truth}")
            })
        })
        .collect();
    (!denied.is_empty()).then(|| denied.join("; "))
}

/// The engine's own count of seconds may be one beside ours.
fn agrees(name: &str, claim: &str, truth: &str) -> bool {
    if name != "execDuration" {
        return claim == truth;
    }
    match (claim.parse::<i64>(), truth.parse::<i64>()) {
        (Ok(claim), Ok(truth)) => claim.abs_diff(truth) <= 1,
        _ => false,
    }
}
