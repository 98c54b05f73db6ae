//! Where continuity cannot be proven.

use super::endpoint::Endpoint;
use crate::clock::now_nano;
use crate::gap;
use crate::source::intake::Intake;

/// Says that events may be missing between these moments of the engine's clock, nanoseconds since the Unix epoch.
pub fn doubt(intake: &Intake, address: &Endpoint, reason: &str, (from_nano, to_nano): (i64, i64)) {
    tracing::error!(
        alarm = true, %address, %reason,
        "events of the engine may be missing: a gap is recorded"
    );
    let bounds = (from_nano.min(to_nano), to_nano);
    let mut gap = gap::unproven(intake.collector(), reason, bounds);
    gap.received_nano = now_nano();
    intake.say(gap);
}
