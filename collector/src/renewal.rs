//! Other code comes into force: events are recorded by it from now on, and what the ledger no longer takes is recorded anew.

use crate::clock::now_nano;
use crate::error::CollectorError;
use crate::gap;
use crate::pipeline::Pipeline;
use crate::recording::{Recorded, Recorder, code_name, strip};
use crate::spool::{Reopening, SpoolError};
use e2l_ledger::SenderHead;
use e2l_ledger::event::Event;
use std::time::Duration;
use tokio::time::Instant;

/// Between two attempts to write on a full disk.
const RETRY: Duration = Duration::from_millis(500);

/// What was signed is not taken any more: what is not on the ledger is to be recorded anew.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// Where the collector stands on the ledger.
    head: SenderHead,
    /// When it is tried.
    due: Instant,
}

impl Renewal {
    /// After this place, which is proven to be the last of its incarnation.
    pub fn after(head: SenderHead) -> Self {
        Self {
            head,
            due: Instant::now(),
        }
    }
}

impl Pipeline {
    /// Records by what has come into force.
    pub(crate) fn take_new_code(&mut self) {
        while let Ok(new) = self.new_code.try_recv() {
            self.recorder = Recorder::new(new.0);
            let component = self.recorder.component();
            tracing::info!(component = %code_name(component), "events are recorded by this from now on");
            self.spool.record_by(component);
            self.code.set(component);
            self.stats.change(|stats| stats.component = code_name(component));
        }
    }

    /// Begins another incarnation, if the ledger takes no more of this one.
    pub(crate) fn renew(&mut self) -> Result<(), CollectorError> {
        let Some(renewal) = self.renewal.take_if(|renewal| renewal.due <= Instant::now()) else {
            return Ok(());
        };
        // What is cut is in the old spool, once it is durable.
        self.cut.clear();
        match self.spool.commit() {
            Ok(()) => {}
            Err(SpoolError::Full { .. }) => {
                self.renewal = Some(Renewal {
                    due: Instant::now() + RETRY,
                    ..renewal
                });
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        self.unsynced = None;
        self.reopen(&renewal.head)
    }

    fn reopen(&mut self, head: &SenderHead) -> Result<(), CollectorError> {
        let (recorder, stats) = (&mut self.recorder, &self.stats);
        let (sender, old) = (self.spool.sender().clone(), self.spool.incarnation());
        let reopening = Reopening {
            head,
            component: recorder.component(),
        };
        let mut asked = 0_usize;
        let anew = |event: &mut Event| {
            if asked.is_multiple_of(1024) {
                recorder.begin_round();
            }
            asked += 1;
            match recorder.record(event) {
                Recorded::Taken => true,
                Recorded::LeftOut => {
                    strip(event);
                    stats.change(|stats| stats.left_out += 1);
                    false
                }
                Recorded::Bare { .. } => {
                    stats.change(|stats| stats.component_failures += 1);
                    true
                }
            }
        };
        let statement = |recorded, left_out| {
            tracing::error!(
                alarm = true,
                incarnation = old,
                recorded,
                left_out,
                "peers do not take what this collector has signed: its events are recorded anew in another incarnation"
            );
            stats.change(|stats| {
                stats.recorded_anew += recorded;
                stats.gaps += 1;
            });
            gap::recorded_anew(&sender, old, (recorded, left_out), now_nano())
        };
        self.spool.reopen(&reopening, anew, statement)?;
        self.settled = 0;
        Ok(())
    }
}
