//! The approved component, ready to be asked.

use super::store::CodeError;
use e2l_ledger::{Digest, Limits, Member, RECORD};
use e2l_runtime::{Admitted, CallContext, CallLimits, NoState, Outcome, Runtime, Session};

/// Why a component gives no answer: one or a few words, which say nothing of the event, and the details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAnswer {
    /// What goes on the ledger.
    pub kind: &'static str,
    /// What is logged.
    pub detail: String,
}

/// See the module.
pub struct Component {
    digest: Digest,
    runtime: Runtime,
    admitted: Admitted,
    limits: CallLimits,
    session: Session<NoState>,
    context: CallContext,
}

impl Component {
    /// Of this digest, run for a collector under the network's limits.
    ///
    /// # Errors
    /// The engine fails.
    pub fn new(
        digest: Digest,
        (runtime, admitted): (Runtime, Admitted),
        limits: &Limits,
        collector: &Member,
    ) -> Result<Self, CodeError> {
        let limits = call_limits(limits);
        let session = runtime.session(&admitted, limits)?;
        Ok(Self {
            digest,
            runtime,
            admitted,
            limits,
            session,
            context: CallContext {
                transaction_id: vec![0; 32],
                sender: collector.name.clone(),
                actor: collector.actor.clone(),
                role: collector.role.as_str().to_owned(),
                height: 0,
                block_time_nano: 0,
            },
        })
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What is asked next finds nothing of what was asked before.
    pub fn begin_anew(&mut self) {
        self.session.begin_anew();
    }

    /// Asks how an event is recorded.
    ///
    /// # Errors
    /// It refuses or fails.
    pub fn ask(&mut self, argument: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        match self.session.query(NoState, &self.context, RECORD, argument) {
            Ok((Outcome::Accepted { output, .. }, _)) => Ok(output),
            Ok((Outcome::Rejected { message, .. }, _)) => Err(NoAnswer {
                kind: "rejected",
                detail: message,
            }),
            Ok((Outcome::Failed { kind, detail, .. }, _)) => Err(NoAnswer {
                kind: kind.as_str(),
                detail,
            }),
            Err(error) => {
                // The session must not be used again.
                if let Ok(session) = self.runtime.session(&self.admitted, self.limits) {
                    self.session = session;
                }
                Err(NoAnswer {
                    kind: "engine failed",
                    detail: error.to_string(),
                })
            }
        }
    }
}

/// A call's, without any write.
fn call_limits(limits: &Limits) -> CallLimits {
    let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    CallLimits {
        fuel: limits.fuel_per_call,
        memory_bytes: size(limits.contract_memory_bytes),
        output_bytes: size(limits.argument_max_bytes),
        writes: 0,
        write_bytes: 0,
    }
}
