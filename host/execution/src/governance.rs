//! The chaincode that changes the network: executed by the peer itself, under the rules of [`e2l_ledger::governance`].

use crate::chaincodes::Chaincodes;
use crate::error::ExecutionError;
use crate::host::static_limits;
use crate::overlay::Overlay;
use e2l_ledger::governance::{
    CannotApply, Decision, GovernanceProposal, GovernanceVote, ProposalIndex, ProposalRecord, ProposalStatus,
    Proposing, Verdict, function, may_decide,
};
use e2l_ledger::{
    Call, Canonical, Digest, Domain, NetworkConfig, Provenance, Refused, Role, StateKey, ValidationCode,
};
use e2l_runtime::{AdmissionError, check_contract};
use std::collections::BTreeSet;

/// Most proposals that are open at a time, of all actors.
const MAX_OPEN: usize = 64;
/// Most of them of one actor, so that none keeps the others from proposing.
const MAX_OPEN_OF_ACTOR: usize = 8;

/// One call to the governance chaincode. It writes within the overlay's current call.
pub(crate) struct Governance<'a> {
    pub(crate) overlay: &'a mut Overlay,
    pub(crate) chaincodes: &'a mut Chaincodes,
    /// Under which the block is executed.
    pub(crate) config: &'a NetworkConfig,
    pub(crate) caller: &'a Provenance,
}

/// What a call came to.
pub(crate) enum Called {
    /// A decision about a proposal.
    Decided {
        /// The proposal's id.
        proposal: Digest,
        /// Whether its policy is met now: it is put in force at the end of the block.
        approved: bool,
    },
    /// This actor is to vote from the next height on.
    Ready(String),
}

type Judged<T> = Result<Result<T, Refused>, ExecutionError>;

/// Leaves a function that returns [`Judged`] with the refusal.
macro_rules! judge {
    ($judged:expr) => {
        match $judged {
            Ok(value) => value,
            Err(refused) => return Ok(Err(refused)),
        }
    };
}

fn refused<T>(code: ValidationCode, reason: impl Into<String>) -> Judged<T> {
    Ok(Err(refuse(code, reason)))
}

pub(crate) fn refuse(code: ValidationCode, reason: impl Into<String>) -> Refused {
    Refused {
        code,
        reason: reason.into(),
    }
}

impl Governance<'_> {
    /// Executes a call.
    pub(crate) fn call(&mut self, call: &Call) -> Judged<Called> {
        let sender = &self.caller.sender;
        if call.function == function::READY {
            return Ok(self.ready());
        }
        if sender.role != Role::Admin {
            return refused(
                ValidationCode::RoleNotAllowed,
                format!("only admins change the network; {sender} may not"),
            );
        }
        judge!(may_decide(sender, self.config));
        match call.function.as_str() {
            function::PROPOSE => self.propose(&call.argument),
            function::APPROVE => self.decide(&call.argument, true),
            function::REJECT => self.decide(&call.argument, false),
            other => refused(
                ValidationCode::ContractRejected,
                format!("`{other}` is not a function of the governance: call propose, approve or reject"),
            ),
        }
    }

    /// The peer of an actor that is to vote has caught up. Whose certificate it is was judged with the envelope.
    fn ready(&self) -> Result<Called, Refused> {
        let sender = &self.caller.sender;
        if self.config.is_staging_peer(sender) {
            return Ok(Called::Ready(sender.actor.clone()));
        }
        Err(refuse(
            ValidationCode::RoleNotAllowed,
            format!("{sender} is not the peer of an actor that is to vote and does not yet"),
        ))
    }

    fn propose(&mut self, argument: &[u8]) -> Judged<Called> {
        let bad = |why: String| refuse(ValidationCode::BadPayload, why);
        let Proposing { proposal, components } =
            judge!(Proposing::decode(argument).map_err(|error| bad(error.to_string())));
        judge!(proposal.check_form().map_err(bad));
        judge!(self.check_lifetime(&proposal));
        judge!(proposal.apply(self.config).map_err(cannot_apply));
        let id = proposal.id();
        let mut index = self.index()?;
        if self.record(&id)?.is_some() {
            return refused(
                ValidationCode::DuplicateTxid,
                "the same proposal is on the ledger: approve it, or change its last height",
            );
        }
        judge!(self.check_room(&index)?);
        let to_compile = judge!(self.keep_components(&proposal, components)?);
        let mut record = ProposalRecord {
            proposal,
            proposer: (*self.caller.sender).clone(),
            votes: Default::default(),
            outcome: ProposalStatus::Open,
        };
        judge!(record.vote(self.vote(true), self.config));
        // Only of what is taken down: it counts towards the actor's proposals.
        for (digest, bytes) in to_compile {
            self.chaincodes.compile_ahead(digest, bytes);
        }
        index.open.insert(id);
        self.put(StateKey::proposals(), index.encode());
        self.take_down(id, record)
    }

    fn decide(&mut self, argument: &[u8], approves: bool) -> Judged<Called> {
        let decision = Decision::decode(argument).map_err(|error| error.to_string());
        let Decision { proposal: id } =
            judge!(decision.map_err(|why| refuse(ValidationCode::BadPayload, why)));
        let Some(mut record) = self.record(&id)? else {
            return refused(
                ValidationCode::UnknownProposal,
                format!("there is no proposal {id} on the ledger"),
            );
        };
        judge!(record.vote(self.vote(approves), self.config));
        // Nobody should approve what can no longer be made.
        if approves {
            judge!(record.proposal.apply(self.config).map_err(cannot_apply));
        }
        self.take_down(id, record)
    }

    /// Writes a proposal's record after a decision.
    fn take_down(&mut self, id: Digest, mut record: ProposalRecord) -> Judged<Called> {
        let verdict = record.verdict(self.config);
        if verdict == Verdict::Rejected {
            let height = self.caller.height;
            record.outcome = ProposalStatus::Rejected { height };
        }
        if verdict != Verdict::Undecided {
            self.close(&id)?;
        }
        self.put(StateKey::proposal(&id), record.encode());
        Ok(Ok(Called::Decided {
            proposal: id,
            approved: verdict == Verdict::Approved,
        }))
    }

    fn check_lifetime(&self, proposal: &GovernanceProposal) -> Result<(), Refused> {
        let height = self.caller.height;
        if proposal.expires_at < height {
            return Err(refuse(
                ValidationCode::ProposalExpired,
                format!(
                    "its last height is {}, this is height {height}",
                    proposal.expires_at
                ),
            ));
        }
        let latest = height.saturating_add(self.config.limits.request_lifetime_blocks);
        if proposal.expires_at > latest {
            return Err(refuse(
                ValidationCode::BadPayload,
                format!(
                    "its last height {} is too far ahead: at most {latest}",
                    proposal.expires_at
                ),
            ));
        }
        Ok(())
    }

    /// Whether one more proposal may be open.
    fn check_room(&self, index: &ProposalIndex) -> Judged<()> {
        let mut of_actor = 0;
        for id in &index.open {
            let Some(record) = self.record(id)? else { continue };
            of_actor += usize::from(record.proposer.actor == self.caller.sender.actor);
        }
        if index.open.len() < MAX_OPEN && of_actor < MAX_OPEN_OF_ACTOR {
            return Ok(Ok(()));
        }
        refused(
            ValidationCode::TooManyProposals,
            format!(
                "{} proposals are open, {of_actor} of them of this actor: at most {MAX_OPEN}, and {MAX_OPEN_OF_ACTOR} of an \
                 actor",
                index.open.len()
            ),
        )
    }

    /// Checks the components that come with a proposal, and keeps them. Returns all that it deploys.
    fn keep_components(
        &mut self,
        proposal: &GovernanceProposal,
        components: Vec<Vec<u8>>,
    ) -> Judged<Vec<(Digest, Vec<u8>)>> {
        let mut wanted: BTreeSet<Digest> = proposal
            .definitions()
            .map(|definition| definition.digest)
            .collect();
        let mut deployed = Vec::new();
        for bytes in components {
            let digest = Domain::Chaincode.hash(&bytes);
            if !wanted.remove(&digest) {
                return refused(
                    ValidationCode::BadPayload,
                    format!("it brings component {digest}, which it does not deploy, or brings it twice"),
                );
            }
            // Also what is on the ledger already: the limits may be others now.
            if let Err(error) = check_contract(&bytes, &static_limits(&self.config.limits)) {
                return refused(code_of(&error), error.to_string());
            }
            let key = StateKey::component(&digest);
            if self.overlay.get(&key)?.is_none() {
                self.put(key, bytes.clone());
            }
            deployed.push((digest, bytes));
        }
        for digest in wanted {
            let Some(bytes) = self.overlay.get(&StateKey::component(&digest))? else {
                return refused(
                    ValidationCode::BadPayload,
                    format!(
                        "it deploys component {digest}, which neither comes with it nor is on the ledger"
                    ),
                );
            };
            deployed.push((digest, bytes));
        }
        Ok(Ok(deployed))
    }

    fn vote(&self, approves: bool) -> GovernanceVote {
        GovernanceVote {
            member: (*self.caller.sender).clone(),
            transaction: self.caller.transaction,
            height: self.caller.height,
            approves,
        }
    }

    fn record(&self, id: &Digest) -> Result<Option<ProposalRecord>, ExecutionError> {
        let bytes = self.overlay.get(&StateKey::proposal(id))?;
        Ok(bytes.map(|bytes| ProposalRecord::decode(&bytes)).transpose()?)
    }

    /// Which proposals there are. Those that have expired are closed.
    fn index(&mut self) -> Result<ProposalIndex, ExecutionError> {
        let Some(bytes) = self.overlay.get(&StateKey::proposals())? else {
            return Ok(ProposalIndex::default());
        };
        let mut index = ProposalIndex::decode(&bytes)?;
        for id in index.open.clone() {
            let Some(mut record) = self.record(&id)? else {
                continue;
            };
            if !record.is_open(self.caller.height) {
                record.outcome = ProposalStatus::Expired;
                self.put(StateKey::proposal(&id), record.encode());
                index.close(&id);
            }
        }
        Ok(index)
    }

    fn close(&mut self, id: &Digest) -> Result<(), ExecutionError> {
        let mut index = self.index()?;
        index.close(id);
        self.put(StateKey::proposals(), index.encode());
        Ok(())
    }

    fn put(&mut self, key: StateKey, value: Vec<u8>) {
        self.overlay.set(key, Some(value));
    }
}

pub(crate) fn cannot_apply(why: CannotApply) -> Refused {
    let code = match why {
        CannotApply::Superseded(_) => ValidationCode::ProposalSuperseded,
        CannotApply::Config(_) | CannotApply::NothingChanges => ValidationCode::BadConfiguration,
    };
    refuse(code, why.to_string())
}

fn code_of(error: &AdmissionError) -> ValidationCode {
    match error {
        AdmissionError::Size { .. } | AdmissionError::Limit { .. } => ValidationCode::ComponentLimit,
        AdmissionError::NotAComponent(_) | AdmissionError::Invalid(_) => ValidationCode::NotAComponent,
        AdmissionError::ForeignImport(_) => ValidationCode::ForeignImport,
        AdmissionError::Compile(_) | AdmissionError::Host(_) | AdmissionError::World(_) => {
            ValidationCode::NotAContract
        }
    }
}
