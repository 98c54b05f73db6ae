//! Decides how each event is recorded.

use super::component::{Component, NoAnswer};
use super::exchange::{apply, argument};
use super::rules::redact_action;
use crate::reserved::RESERVED;
use e2l_ledger::Digest;
use e2l_ledger::event::{Event, EventKind};

/// Attribute of an event that the component gave no answer about: why.
const FAILED: &str = "event2ledger.component";

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is recorded as it is now.
    Taken,
    /// It is not recorded.
    LeftOut,
    /// The component gave no answer: it is recorded without what nobody has judged.
    Bare {
        /// What went wrong, for the log.
        why: String,
    },
}

/// See the module.
#[derive(Default)]
pub struct Recorder {
    component: Option<Component>,
}

impl Recorder {
    /// By a component, or by the rules that are built in.
    pub fn new(component: Option<Component>) -> Self {
        Self { component }
    }

    /// Digest of the component; `None` for the rules that are built in.
    pub fn component(&self) -> Option<Digest> {
        self.component.as_ref().map(Component::digest)
    }

    /// Several events follow. What is recorded of one depends on none that was asked about before.
    pub fn begin_round(&mut self) {
        if let Some(component) = &mut self.component {
            component.begin_anew();
        }
    }

    /// Makes an event, as its source gave it, what is recorded. What the collector says itself, gaps and inventories among
    /// it, is nobody else's business.
    pub fn record(&mut self, event: &mut Event) -> Recorded {
        if event.kind == EventKind::Collector {
            return Recorded::Taken;
        }
        let Some(component) = &mut self.component else {
            event.action = redact_action(&event.action);
            return Recorded::Taken;
        };
        let answer = component.ask(&argument(event)).and_then(|answer| {
            apply(&answer, event).map_err(|detail| NoAnswer {
                kind: "bad answer",
                detail,
            })
        });
        match answer {
            Ok(true) => Recorded::Taken,
            Ok(false) => Recorded::LeftOut,
            Err(NoAnswer { kind, detail }) => {
                strip(event);
                event
                    .attributes
                    .insert(FAILED.to_owned(), format!("failed: {kind}"));
                Recorded::Bare {
                    why: format!("{kind}: {detail}"),
                }
            }
        }
    }
}

/// Leaves of an event what the collector itself knows: nobody has said of the rest that it may be on a ledger that forgets
/// nothing.
pub fn strip(event: &mut Event) {
    event.action = redact_action(&event.action);
    event.attributes.retain(|name, _| name.starts_with(RESERVED));
}
