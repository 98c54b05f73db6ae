//! How many connections there may be, in all and per member.

use crate::incoming::IncomingLimits;
use e2l_ledger::Member;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_member: HashMap<Option<Member>, usize>,
}

/// Counts established connections. A member that opens too many shuts out itself, nobody else.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    limits: IncomingLimits,
    counts: Arc<Mutex<Counts>>,
}

/// One counted connection; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Admission,
    member: Option<Member>,
}

impl Admission {
    pub(crate) fn new(limits: IncomingLimits) -> Self {
        Self {
            limits,
            counts: Arc::default(),
        }
    }

    /// Connections that are counted now.
    pub(crate) fn count(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Counts a connection, or says why there is no room for it.
    pub(crate) fn admit(&self, member: Option<Member>) -> Result<Admitted, String> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= self.limits.connections {
            return Err(format!("there are {} connections already, the limit", counts.all));
        }
        let own = counts.by_member.entry(member.clone()).or_default();
        if *own >= self.limits.connections_per_member {
            return Err(format!(
                "it has {own} connections already, the limit for one member"
            ));
        }
        *own += 1;
        counts.all += 1;
        Ok(Admitted {
            admission: self.clone(),
            member,
        })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self
            .admission
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(own) = counts.by_member.get_mut(&self.member) {
            *own -= 1;
            if *own == 0 {
                counts.by_member.remove(&self.member);
            }
        }
    }
}
