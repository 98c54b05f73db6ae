//! Preparations: approved contracts that export `prepare` are called once per block until they are done, while the versions
//! before them go on. The queue is a value of the state, so every peer takes the same step in the same block, whether it
//! was restarted in between or executes the block years later.

use crate::activation::{Approved, refusal};
use crate::block_run::{BlockRun, context};
use crate::error::ExecutionError;
use crate::governance::{cannot_apply, refuse};
use crate::host::{CallHost, preparation_limits};
use crate::key_space::KeySpace;
use crate::overlay::SharedArgument;
use e2l_ledger::governance::{
    GovernanceProposal, KEYS_PER_CLEARING, Preparation, PreparationPhase, Preparations, ProposalRecord,
    ProposalStatus, check_prepared_version, prepared_prefix,
};
use e2l_ledger::{
    COLLECTOR, Canonical, ChaincodeDefinition, Digest, NetworkConfig, Provenance, Refused, StateKey,
    ValidationCode,
};
use std::sync::Arc;

type Judged<T> = Result<Result<T, Refused>, ExecutionError>;

impl BlockRun<'_> {
    /// Whether a proposal's contracts have to be prepared before it comes into force; refused where it cannot come into force.
    pub(crate) fn must_prepare(
        &mut self,
        before: &NetworkConfig,
        proposal: &GovernanceProposal,
    ) -> Judged<bool> {
        let prepared = match self.prepared_by(proposal) {
            Ok(prepared) => prepared,
            // The first time that it is compiled. Nothing else was left to be found out when it was proposed.
            Err(ExecutionError::Admission { name, source }) if source.is_verdict() => {
                let reason = format!("chaincode `{name}`: {source}");
                return Ok(Err(refuse(ValidationCode::NotAContract, reason)));
            }
            Err(error) => return Err(error),
        };
        if prepared.is_empty() {
            return Ok(Ok(false));
        }
        Ok(may_prepare(before, proposal, &prepared).map(|()| true))
    }

    /// The contracts of a proposal that prepare themselves, in its order.
    fn prepared_by(
        &mut self,
        proposal: &GovernanceProposal,
    ) -> Result<Vec<ChaincodeDefinition>, ExecutionError> {
        let mut found = Vec::new();
        for definition in proposal.definitions() {
            if self.component_of(definition)?.prepares() {
                found.push(definition.clone());
            }
        }
        Ok(found)
    }

    /// Puts an approved proposal at the end of the queue.
    pub(crate) fn begin_preparation(
        &mut self,
        approved: &Approved,
    ) -> Result<ProposalStatus, ExecutionError> {
        let mut preparations = self.preparations()?;
        preparations.queue.push(Preparation {
            proposal: approved.proposal,
            approver: (*approved.caller.sender).clone(),
            transaction: approved.caller.transaction,
            contract: 0,
            phase: PreparationPhase::Clear,
            steps: 0,
        });
        self.put_preparations(&preparations);
        Ok(ProposalStatus::Preparing {
            since: self.height,
            steps: 0,
        })
    }

    fn preparations(&mut self) -> Result<Preparations, ExecutionError> {
        let bytes = self.overlay().get(&StateKey::preparations())?;
        let decoded = bytes.map(|bytes| Preparations::decode(&bytes)).transpose()?;
        Ok(decoded.unwrap_or_default())
    }

    fn put_preparations(&mut self, preparations: &Preparations) {
        if preparations.queue.is_empty() {
            self.overlay().remove_system(StateKey::preparations());
        } else {
            self.overlay()
                .put_system(StateKey::preparations(), preparations.encode());
        }
    }

    /// Takes one step of the first preparation, if there is one. What it puts in force is in `changed` then.
    pub(crate) fn go_on_preparing(
        &mut self,
        changed: &mut Option<NetworkConfig>,
    ) -> Result<(), ExecutionError> {
        let mut preparations = self.preparations()?;
        let Some(first) = preparations.queue.first_mut() else {
            return Ok(());
        };
        let id = first.proposal;
        let Some(mut record) = self.proposal_record(&id)? else {
            return Ok(());
        };
        let goes_on = self.take_step(first, &mut record, changed)?;
        if !goes_on {
            preparations.queue.remove(0);
        }
        self.put_record(&id, &record);
        self.put_preparations(&preparations);
        Ok(())
    }

    /// One step; returns whether there is more to do.
    fn take_step(
        &mut self,
        preparation: &mut Preparation,
        record: &mut ProposalRecord,
        changed: &mut Option<NetworkConfig>,
    ) -> Result<bool, ExecutionError> {
        let prepared = self.prepared_by(&record.proposal)?;
        let now = changed.clone().unwrap_or_else(|| self.config.clone());
        if preparation.phase == PreparationPhase::Undo {
            return self.undo(preparation, &prepared, &now);
        }
        let judged = match may_prepare(&now, &record.proposal, &prepared) {
            Ok(()) => self.prepare(preparation, &prepared, &now)?,
            Err(refused) => Err(refused),
        };
        if let ProposalStatus::Preparing { steps, .. } = &mut record.outcome {
            *steps = preparation.steps;
        }
        match judged {
            Ok(false) => return Ok(true),
            Ok(true) => {
                let approved = Approved {
                    proposal: preparation.proposal,
                    caller: self.approver(preparation),
                    argument: None,
                };
                record.outcome = self.activate(&approved, record, changed)?;
            }
            Err(refused) => record.outcome = self.failed(refused),
        }
        preparation.phase = PreparationPhase::Undo;
        preparation.contract = prepared.len().saturating_sub(1) as u32;
        Ok(!matches!(record.outcome, ProposalStatus::Active { .. }))
    }

    /// Clears or prepares; returns whether all contracts are prepared now.
    fn prepare(
        &mut self,
        preparation: &mut Preparation,
        prepared: &[ChaincodeDefinition],
        now: &NetworkConfig,
    ) -> Judged<bool> {
        while preparation.phase == PreparationPhase::Clear {
            let Some(definition) = contract(preparation, prepared) else {
                preparation.contract = 0;
                preparation.phase = PreparationPhase::Prepare;
                break;
            };
            let removed = self.clear(definition)?;
            if removed < KEYS_PER_CLEARING {
                preparation.contract += 1;
            }
            // Usually there is nothing to remove, and this block has still its step.
            if removed > 0 {
                return Ok(Ok(false));
            }
        }
        // One that was done may have more to do since: all must be at the end of one block.
        for definition in prepared {
            let limit = self.config.limits.preparation_steps;
            if preparation.steps >= limit {
                let reason = format!(
                    "the preparation of chaincode `{}`: it is not done after {limit} steps",
                    definition.name
                );
                return Ok(Err(refuse(ValidationCode::OutOfFuel, reason)));
            }
            preparation.steps += 1;
            match self.call_prepare(preparation, definition, now)? {
                Ok(true) => {}
                going_on => return Ok(going_on),
            }
        }
        Ok(Ok(true))
    }

    fn call_prepare(
        &mut self,
        preparation: &Preparation,
        definition: &ChaincodeDefinition,
        now: &NetworkConfig,
    ) -> Judged<bool> {
        let limits = &self.config.limits;
        let admitted = self.component_of(definition)?;
        let from = now.chaincode(&definition.name);
        let from = from.map_or("", |replaced| replaced.version.as_str());
        let caller = self.approver(preparation);
        let Some(overlay) = self.overlay.take() else {
            return Ok(Ok(false));
        };
        let mut session = self
            .chaincodes
            .runtime
            .session(&admitted, preparation_limits(limits))?;
        let argument = (SharedArgument::none(), Digest::ZERO);
        let name: Arc<str> = definition.name.as_str().into();
        let host = CallHost::new(overlay, name, caller.clone(), argument);
        let prefix = prepared_prefix(&definition.version);
        let (outcome, done, host) = session.prepare(host, &context(&caller), from, &prefix)?;
        self.overlay = Some(host.into_overlay());
        let refused = refusal(outcome, "preparation", definition);
        if refused.is_ok() {
            self.overlay().keep_call(&caller);
        }
        self.overlay().reset_call();
        Ok(refused.map(|()| done))
    }

    /// Removes what a failed preparation has written, the last contract's first. Keys under the name of a version that has
    /// become active meanwhile are that version's.
    fn undo(
        &mut self,
        preparation: &mut Preparation,
        prepared: &[ChaincodeDefinition],
        now: &NetworkConfig,
    ) -> Result<bool, ExecutionError> {
        let Some(definition) = contract(preparation, prepared) else {
            return Ok(false);
        };
        let removed = match is_active(now, definition) {
            true => 0,
            false => self.clear(definition)?,
        };
        if removed == KEYS_PER_CLEARING {
            return Ok(true);
        }
        let more = preparation.contract > 0;
        preparation.contract = preparation.contract.saturating_sub(1);
        Ok(more)
    }

    /// Removes keys that begin with a version's name, as many as one step may; returns how many.
    fn clear(&mut self, definition: &ChaincodeDefinition) -> Result<usize, ExecutionError> {
        let keys = KeySpace::new(definition.name.as_str().into());
        let (start, end) = keys.below(&prepared_prefix(&definition.version));
        let found = self.overlay().scan(&start, &end, KEYS_PER_CLEARING)?;
        let removed = found.len();
        for (key, _) in found {
            self.overlay().remove_system(key);
        }
        Ok(removed)
    }

    /// Whose call met the policy, as a step's context and a migration's name it: with this block's height and time.
    fn approver(&self, preparation: &Preparation) -> Provenance {
        Provenance {
            transaction: preparation.transaction,
            sender: Arc::new(preparation.approver.clone()),
            height: self.height,
            index: 0,
            block_time_nano: self.time_nano,
        }
    }
}

/// The contract that a preparation clears or undoes; `None` behind the last.
fn contract<'a>(
    preparation: &Preparation,
    prepared: &'a [ChaincodeDefinition],
) -> Option<&'a ChaincodeDefinition> {
    prepared.get(preparation.contract as usize)
}

fn is_active(config: &NetworkConfig, definition: &ChaincodeDefinition) -> bool {
    let active = config.chaincode(&definition.name);
    active.is_some_and(|active| active.version == definition.version)
}

/// Whether contracts may be prepared under a configuration, for a proposal that can come into force in it.
fn may_prepare(
    config: &NetworkConfig,
    proposal: &GovernanceProposal,
    prepared: &[ChaincodeDefinition],
) -> Result<(), Refused> {
    proposal.apply(config).map_err(cannot_apply)?;
    let bad = |why: String| refuse(ValidationCode::BadConfiguration, why);
    if proposal.collector().is_some() {
        // Its approval is proven by the block of the last vote: see `CollectorApproval`.
        return Err(bad(format!(
            "it changes chaincode `{COLLECTOR}`, which comes into force at once: deploy what prepares itself by another proposal"
        )));
    }
    for definition in prepared {
        let ChaincodeDefinition { name, version, .. } = definition;
        check_prepared_version(version).map_err(|why| bad(format!("chaincode `{name}`: {why}")))?;
        if is_active(config, definition) {
            return Err(bad(format!(
                "version {version} of chaincode `{name}` is active, and the new one would prepare itself under the same name: \
                 give it a version of its own"
            )));
        }
    }
    Ok(())
}
