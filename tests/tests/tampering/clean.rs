//! As many openings and readings as the edited files get, of files that nobody edits: no alarm, no incident.

use crate::stage::{Stage, close, stop};
use std::time::Duration;

/// How long a walk over everything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens the files so often, and reads everything: as long with all that is read in place, and as is done at a start.
pub fn run(stage: &Stage, in_place: u64, at_start: u64) {
    stage.renew();
    let mut known = None;
    for _ in 0..in_place {
        let mender = stage.mender(stage.open());
        let read = stage.truth.compare(&mender, stage.height);
        let unchecked = |why: &String| !why.contains("has not checked yet");
        assert!(!read.refused.iter().any(unchecked), "{:?}", read.refused);
        assert!(mender.scrub_until_clean(PATIENCE), "a false alarm");
        let read = stage.truth.compare(&mender, stage.height);
        assert!(read.refused.is_empty(), "{:?}", read.refused);
        let incidents = mender.incidents().unwrap();
        assert_eq!(
            *known.get_or_insert(incidents.clone()),
            incidents,
            "a false incident"
        );
        assert_eq!(mender.node().alarms(), Vec::<String>::new(), "a false alarm");
        stop(mender);
    }
    for _ in 0..at_start {
        stage.renew();
        let mut open = stage.open();
        assert_eq!(open.restoring, None, "a false alarm");
        open.compare_log(stage.options(), false).unwrap();
        assert_eq!(open.node.alarms(), Vec::<String>::new(), "a false alarm");
        close(open);
    }
}
