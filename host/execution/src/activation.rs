//! The end of a block: what it has approved comes into force, or is prepared first.

use crate::block_run::{BlockRun, code_of, context};
use crate::error::ExecutionError;
use crate::governance::cannot_apply;
use crate::host::CallHost;
use crate::overlay::SharedArgument;
use e2l_ledger::governance::{GovernanceProposal, ProposalRecord, ProposalStatus};
use e2l_ledger::{
    ActorConfig, Canonical, ChaincodeDefinition, Digest, Limits, NetworkConfig, Provenance, Refused,
    StateKey, Suffrage, ValidationCode,
};
use e2l_runtime::{Admitted, Outcome};
use std::sync::Arc;

/// A proposal whose policy is met, and the call that met it.
pub(crate) struct Approved {
    pub(crate) proposal: Digest,
    pub(crate) caller: Provenance,
    /// Of that call; `None` where it was executed in an earlier block.
    pub(crate) argument: Option<SharedArgument>,
}

impl BlockRun<'_> {
    /// Puts in force what this block has approved, one proposal after the other, from the next height on; those whose
    /// contracts prepare themselves begin that instead. Goes on with the preparation that is under way, and gives the actors
    /// that are ready their votes. Returns the configuration, if it is another one then.
    pub(crate) fn put_in_force(&mut self) -> Result<Option<NetworkConfig>, ExecutionError> {
        let mut changed: Option<NetworkConfig> = None;
        for approved in std::mem::take(&mut self.approved) {
            let Some(mut record) = self.proposal_record(&approved.proposal)? else {
                continue;
            };
            let before = changed.clone().unwrap_or_else(|| self.config.clone());
            record.outcome = match self.must_prepare(&before, &record.proposal)? {
                Err(refused) => self.failed(refused),
                Ok(true) => self.begin_preparation(&approved)?,
                Ok(false) => self.activate(&approved, &record, &mut changed)?,
            };
            self.put_record(&approved.proposal, &record);
        }
        self.go_on_preparing(&mut changed)?;
        self.give_votes(&mut changed);
        if let Some(next) = &mut changed {
            next.note_replaced_collector(self.config, self.time_nano);
        }
        if let Some(next) = &changed {
            let bytes = next.encode();
            let from = StateKey::config_from(self.height + 1);
            self.overlay().put_system(from, bytes.clone());
            self.overlay().put_system(StateKey::config(), bytes);
        }
        Ok(changed)
    }

    pub(crate) fn proposal_record(&mut self, id: &Digest) -> Result<Option<ProposalRecord>, ExecutionError> {
        let bytes = self.overlay().get(&StateKey::proposal(id))?;
        Ok(bytes.map(|bytes| ProposalRecord::decode(&bytes)).transpose()?)
    }

    pub(crate) fn put_record(&mut self, id: &Digest, record: &ProposalRecord) {
        self.overlay().put_system(StateKey::proposal(id), record.encode());
    }

    pub(crate) fn failed(&self, refused: Refused) -> ProposalStatus {
        ProposalStatus::Failed {
            height: self.height,
            code: refused.code,
            why: refused.reason,
        }
    }

    /// Makes a proposal's changes in the configuration as it is now; returns what became of it.
    pub(crate) fn activate(
        &mut self,
        approved: &Approved,
        record: &ProposalRecord,
        changed: &mut Option<NetworkConfig>,
    ) -> Result<ProposalStatus, ExecutionError> {
        let before = changed.clone().unwrap_or_else(|| self.config.clone());
        Ok(match self.next_config(&before, approved, &record.proposal)? {
            Ok(next) => {
                *changed = Some(next);
                ProposalStatus::Active {
                    from_height: self.height + 1,
                }
            }
            Err(refused) => self.failed(refused),
        })
    }

    /// Actors whose peers are ready vote, unless the same block has decided otherwise about them.
    fn give_votes(&mut self, changed: &mut Option<NetworkConfig>) {
        for ready in std::mem::take(&mut self.ready) {
            let mut next = changed.clone().unwrap_or_else(|| self.config.clone());
            let actor = next.actors.iter_mut().find(|actor| actor.name == ready);
            let before = self.config.actor(&ready);
            let same = |actor: &&mut ActorConfig| before.is_some_and(|before| *before == **actor);
            let Some(actor) = actor.filter(same) else {
                continue;
            };
            actor.suffrage = Suffrage::Voter;
            if next.check().is_ok() {
                *changed = Some(next);
            }
        }
    }

    /// The configuration with a proposal's changes, after the migrations of the contracts that it deploys.
    fn next_config(
        &mut self,
        before: &NetworkConfig,
        approved: &Approved,
        proposal: &GovernanceProposal,
    ) -> Result<Result<NetworkConfig, Refused>, ExecutionError> {
        let next = match proposal.apply(before) {
            Ok(next) => next,
            Err(why) => return Ok(Err(cannot_apply(why))),
        };
        for definition in proposal.definitions() {
            let from = before.chaincode(&definition.name);
            let from = from.map_or("", |replaced| replaced.version.as_str());
            if let Err(refused) = self.migrate(approved, definition, from, &next.limits)? {
                self.overlay().reset_call();
                return Ok(Err(refused));
            }
        }
        self.overlay().keep_call(&approved.caller);
        Ok(Ok(next))
    }

    /// Runs a contract's migration, if it has one. What it writes is kept with the whole proposal's.
    fn migrate(
        &mut self,
        approved: &Approved,
        definition: &ChaincodeDefinition,
        from: &str,
        limits: &Limits,
    ) -> Result<Result<(), Refused>, ExecutionError> {
        let admitted = self.component_of(definition)?;
        let Some(overlay) = self.overlay.take_if(|_| admitted.migrates()) else {
            return Ok(Ok(()));
        };
        let limits = crate::host::migration_limits(limits);
        let mut session = self.chaincodes.runtime.session(&admitted, limits)?;
        let caller = &approved.caller;
        let argument = approved.argument.clone();
        let name: Arc<str> = definition.name.as_str().into();
        let whole = (
            argument.clone().unwrap_or_else(SharedArgument::none),
            Digest::ZERO,
        );
        let host = CallHost::new(overlay, name, caller.clone(), whole);
        let (outcome, host) = match argument {
            Some(_) => session.migrate(host, &context(caller), from)?,
            None => session.migrate_keys(host, &context(caller), from)?,
        };
        self.overlay = Some(host.into_overlay());
        Ok(refusal(outcome, "migration", definition))
    }

    /// The component of an approved definition, ready to run.
    pub(crate) fn component_of(
        &mut self,
        definition: &ChaincodeDefinition,
    ) -> Result<Arc<Admitted>, ExecutionError> {
        let overlay = &self.overlay;
        let state = |key: &StateKey| overlay.as_ref().map_or(Ok(None), |overlay| overlay.get(key));
        self.chaincodes.of(definition, &state)
    }
}

/// What a contract's preparation or migration came to; refused unless it was accepted.
pub(crate) fn refusal(outcome: Outcome, what: &str, definition: &ChaincodeDefinition) -> Result<(), Refused> {
    let why = |text: String| format!("the {what} of chaincode `{}`: {text}", definition.name);
    match outcome {
        Outcome::Accepted { .. } => Ok(()),
        Outcome::Rejected { message, .. } => Err(Refused {
            code: ValidationCode::ContractRejected,
            reason: why(message),
        }),
        Outcome::Failed { kind, detail, .. } => Err(Refused {
            code: code_of(kind),
            reason: why(detail),
        }),
    }
}
