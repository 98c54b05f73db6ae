//! Which code a collector may have run: the rules that decide on what a batch says of it.

use crate::admission::Refused;
use crate::batch::BatchHeader;
use crate::code::ValidationCode;
use crate::config::NetworkConfig;
use crate::hash::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Name of the chaincode that decides what collectors record.
pub const COLLECTOR: &str = "collector";
/// Its query: one event as its source gives it, and how it is to be recorded.
pub const RECORD: &str = "record";
/// Most components whose grace is remembered; the oldest are forgotten first.
const MAX_REPLACED: usize = 16;

/// What collectors ran until another component took its place.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplacedCollector {
    /// The component; `None` for the rules that every collector has built in.
    pub component: Option<Digest>,
    /// Batches that name it are taken in blocks up to this time, nanoseconds since the Unix epoch.
    pub until_nano: i64,
}

impl NetworkConfig {
    /// The component that decides what collectors record; `None` while they use the rules that they have built in.
    pub fn collector_component(&self) -> Option<Digest> {
        self.chaincode(COLLECTOR).map(|chaincode| chaincode.digest)
    }

    /// Whether a batch that names this component is taken in a block of this time, nanoseconds since the Unix epoch.
    pub fn takes_component(&self, component: Option<Digest>, time_nano: i64) -> bool {
        component == self.collector_component()
            || self
                .replaced_collectors
                .iter()
                .any(|replaced| replaced.component == component && time_nano <= replaced.until_nano)
    }

    /// Whether a batch that names this executable of its collector is taken.
    pub fn takes_executable(&self, executable: &Digest) -> bool {
        self.executables.is_empty() || self.executables.contains(executable)
    }

    /// Notes what collectors ran under the configuration `before` this one, which a block of this time has changed:
    /// what they have signed by it is still taken for a while.
    pub fn note_replaced_collector(&mut self, before: &Self, time_nano: i64) {
        let component = before.collector_component();
        if component == self.collector_component() {
            return;
        }
        let grace_ms = i64::try_from(self.limits.collector_grace_ms).unwrap_or(i64::MAX);
        let until_nano = time_nano.saturating_add(grace_ms.saturating_mul(1_000_000));
        self.replaced_collectors
            .retain(|replaced| replaced.until_nano >= time_nano);
        self.replaced_collectors.push(ReplacedCollector {
            component,
            until_nano,
        });
        let surplus = self.replaced_collectors.len().saturating_sub(MAX_REPLACED);
        self.replaced_collectors.drain(..surplus);
    }
}

/// Checks what a batch says of the code that made it, for a block of this time.
///
/// # Errors
/// `OTHER_COMPONENT`, `OTHER_EXECUTABLE`.
pub fn check_code(header: &BatchHeader, config: &NetworkConfig, time_nano: i64) -> Result<(), Refused> {
    if !config.takes_component(header.component, time_nano) {
        return Err(Refused {
            code: ValidationCode::OtherComponent,
            reason: format!(
                "its collector recorded by {}, in force is {}",
                named(header.component),
                named(config.collector_component())
            ),
        });
    }
    if !config.takes_executable(&header.executable) {
        return Err(Refused {
            code: ValidationCode::OtherExecutable,
            reason: format!(
                "its collector's executable {} is not among those that the actors allow",
                header.executable
            ),
        });
    }
    Ok(())
}

fn named(component: Option<Digest>) -> String {
    component.map_or_else(
        || "the rules that collectors have built in".to_owned(),
        |digest| format!("component {digest}"),
    )
}
