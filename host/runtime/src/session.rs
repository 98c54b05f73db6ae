//! A block's calls to one chaincode.
//!
//! All run in one instance, for an instance costs more than a call. After a failure the instance is dead and
//! the next call gets a fresh one. A call that fails or is rejected in an instance that has served another one
//! before is repeated once in a fresh instance, and that outcome counts: what a neighbour left in memory must not
//! reject a transaction. What a contract keeps in memory between calls is otherwise its own affair, the same on
//! every peer.

use crate::access::Access;
use crate::admitted::Admitted;
use crate::bindings::{Contract, event2ledger::ledger::types};
use crate::error::RuntimeError;
use crate::host::{Broken, HostData, Stop};
use crate::host_state::{CallContext, HostState};
use crate::limits::CallLimits;
use crate::linked::Linked;
use crate::outcome::{Failure, Outcome, RejectionKind};
use wasmtime::{Engine, Error, Store, Trap};

/// One instance and what belongs to it; `C` are its exports.
struct Live<S: HostState, C = Contract> {
    store: Store<HostData<S>>,
    contract: C,
    used: bool,
}

/// Runs calls, one after the other.
pub struct Session<S: HostState> {
    engine: Engine,
    linked: Linked<S>,
    limits: CallLimits,
    live: Option<Live<S>>,
}

#[derive(Clone, Copy)]
enum Kind {
    Invoke,
    Query,
}

/// An instance, or why the contract has none.
type Started<S, C> = Result<Live<S, C>, (Failure, String)>;

/// What a contract's function returns.
type Answer = Result<Vec<u8>, types::Rejection>;

/// What a call came to, inside.
enum Ended {
    Done(Answer),
    Stopped(Failure, String),
}

impl<S: HostState> Session<S> {
    pub(crate) fn new(admitted: &Admitted, limits: CallLimits) -> Result<Self, RuntimeError> {
        let linked = Linked::new(&admitted.engine, &admitted.component).map_err(RuntimeError::Instantiate)?;
        Ok(Self {
            engine: admitted.engine.clone(),
            linked,
            limits,
            live: None,
        })
    }

    /// Executes a transaction's call. Gives the state back, with the call's writes only if it was accepted.
    ///
    /// # Errors
    /// The engine or the state failed; the session must not be used after that.
    pub fn invoke(
        &mut self,
        state: S,
        context: &CallContext,
        function: &str,
        argument: &[u8],
    ) -> Result<(Outcome, S), RuntimeError> {
        self.call(Kind::Invoke, state, context, function, argument)
    }

    /// Calls a query function. Writes end it.
    ///
    /// # Errors
    /// As for [`Session::invoke`].
    pub fn query(
        &mut self,
        state: S,
        context: &CallContext,
        function: &str,
        argument: &[u8],
    ) -> Result<(Outcome, S), RuntimeError> {
        self.call(Kind::Query, state, context, function, argument)
    }

    /// The next call runs in a fresh instance: it finds nothing of what the calls before have left in memory.
    pub fn begin_anew(&mut self) {
        self.live = None;
    }

    /// Runs the migration of a contract that takes the place of version `from`, empty if there was none; under this
    /// session's limits, in an instance of its own, so that no call finds what it left in memory. Gives the state back,
    /// with the migration's writes only if it was accepted.
    ///
    /// # Errors
    /// The contract has no migration, see [`Admitted::migrates`]; else as for [`Session::invoke`].
    pub fn migrate(
        &mut self,
        state: S,
        context: &CallContext,
        from: &str,
    ) -> Result<(Outcome, S), RuntimeError> {
        self.migrate_with(Access::Everything, state, context, from)
    }

    /// The same after a preparation: there is no transaction whose entries in logs could be read back, so that it may write
    /// keys only.
    ///
    /// # Errors
    /// As for [`Session::migrate`].
    pub fn migrate_keys(
        &mut self,
        state: S,
        context: &CallContext,
        from: &str,
    ) -> Result<(Outcome, S), RuntimeError> {
        self.migrate_with(Access::Keys(String::new()), state, context, from)
    }

    fn migrate_with(
        &mut self,
        access: Access,
        state: S,
        context: &CallContext,
        from: &str,
    ) -> Result<(Outcome, S), RuntimeError> {
        let migrating = self.linked.migrating.as_ref();
        let migrating = migrating.ok_or(RuntimeError::NoMigration)?;
        let ended = match self.instantiate(|store| migrating.instantiate(store))? {
            Ok(mut live) => live.perform(state, (0, access), |store, contract| {
                contract.call_migrate(store, context, from)
            })?,
            Err(failed) => (never_started(failed), state),
        };
        Ok(settled(ended))
    }

    /// Runs one step of the preparation of a contract that is to take the place of version `from`, empty if there is none:
    /// as [`Session::migrate`], but it may write only keys that begin with `prefix`, and no logs. Says besides whether the
    /// contract is prepared now.
    ///
    /// # Errors
    /// The contract prepares nothing, see [`Admitted::prepares`]; else as for [`Session::invoke`].
    pub fn prepare(
        &mut self,
        state: S,
        context: &CallContext,
        from: &str,
        prefix: &str,
    ) -> Result<(Outcome, bool, S), RuntimeError> {
        let preparing = self.linked.preparing.as_ref();
        let preparing = preparing.ok_or(RuntimeError::NoPreparation)?;
        let mut prepared = false;
        let access = Access::Keys(prefix.to_owned());
        let ended = match self.instantiate(|store| preparing.instantiate(store))? {
            Ok(mut live) => live.perform(state, (0, access), |store, contract| {
                let answer = contract.call_prepare(store, context, from)?;
                Ok(answer.map(|done| {
                    prepared = done;
                    Vec::new()
                }))
            })?,
            Err(failed) => (never_started(failed), state),
        };
        let (outcome, state) = settled(ended);
        let prepared = prepared && matches!(outcome, Outcome::Accepted { .. });
        Ok((outcome, prepared, state))
    }

    pub(crate) fn describe(&mut self) -> Result<types::Description, RuntimeError> {
        let mut live = self
            .instantiate(|store| self.linked.contract.instantiate(store))?
            .map_err(|(_, detail)| RuntimeError::Describe(detail))?;
        // A list may name the same bytes many times, so what it comes to on this side is bounded as well.
        live.store.set_hostcall_fuel(self.limits.output_bytes);
        let fuel = live.store.set_fuel(self.limits.fuel);
        fuel.and_then(|()| live.contract.call_describe(&mut live.store))
            .map_err(|error| match failure(&error) {
                Some((_, detail)) => RuntimeError::Describe(detail),
                None => RuntimeError::Describe(error.to_string()),
            })
    }

    fn call(
        &mut self,
        kind: Kind,
        state: S,
        context: &CallContext,
        function: &str,
        argument: &[u8],
    ) -> Result<(Outcome, S), RuntimeError> {
        let had_neighbour = self.live.as_ref().is_some_and(|live| live.used);
        let (outcome, state) = settled(self.attempt(kind, state, context, function, argument)?);
        if had_neighbour && !matches!(outcome, Outcome::Accepted { .. }) {
            self.live = None;
            return Ok(settled(self.attempt(kind, state, context, function, argument)?));
        }
        Ok((outcome, state))
    }

    /// One attempt in the living instance, or in a fresh one where there is none.
    fn attempt(
        &mut self,
        kind: Kind,
        state: S,
        context: &CallContext,
        function: &str,
        argument: &[u8],
    ) -> Result<(Outcome, S), RuntimeError> {
        if self.live.is_none() {
            match self.instantiate(|store| self.linked.contract.instantiate(store))? {
                Ok(live) => self.live = Some(live),
                Err(failed) => return Ok((never_started(failed), state)),
            }
        }
        // In its place: it is large to move at every call.
        let Some(live) = &mut self.live else {
            return Err(RuntimeError::Engine("the instance is gone".to_owned()));
        };
        let access = match kind {
            Kind::Invoke => Access::Everything,
            Kind::Query => Access::Nothing,
        };
        let about = (argument.len(), access);
        let (outcome, state) = live.perform(state, about, |store, contract| match kind {
            Kind::Invoke => contract.call_invoke(store, context, function, argument),
            Kind::Query => contract.call_query(store, context, function, argument),
        })?;
        if matches!(outcome, Outcome::Failed { .. }) {
            self.live = None;
        }
        Ok((outcome, state))
    }

    /// A fresh instance; the inner error is the contract's own fault.
    fn instantiate<C>(
        &self,
        start: impl FnOnce(&mut Store<HostData<S>>) -> wasmtime::Result<C>,
    ) -> Result<Started<S, C>, RuntimeError> {
        let mut store = Store::new(&self.engine, HostData::new(self.limits));
        store.limiter(|data| data);
        let started = store.set_fuel(self.limits.fuel).and_then(|()| start(&mut store));
        match started {
            Ok(contract) => Ok(Ok(Live {
                store,
                contract,
                used: false,
            })),
            Err(error) => match failure(&error) {
                Some(failed) => Ok(Err(failed)),
                None => Err(RuntimeError::Instantiate(format!("{error:#}"))),
            },
        }
    }
}

impl<S: HostState, C> Live<S, C> {
    /// Runs one call, whose argument has `argument_len` bytes. What it wrote is still in the state.
    fn perform(
        &mut self,
        state: S,
        (argument_len, access): (usize, Access),
        call: impl FnOnce(&mut Store<HostData<S>>, &C) -> wasmtime::Result<Answer>,
    ) -> Result<(Outcome, S), RuntimeError> {
        let engine = |error: Error| RuntimeError::Engine(error.to_string());
        let limits = self.store.data().limits;
        // Set after instantiation, so that how memory is set up costs nothing.
        self.store.set_fuel(limits.fuel).map_err(engine)?;
        self.store.data_mut().begin(state, argument_len, access);
        let ended = ended(call(&mut self.store, &self.contract))?;
        self.used = true;
        let left = self.store.get_fuel().map_err(engine)?;
        let data = self.store.data_mut();
        let fuel = limits.fuel.saturating_sub(left).saturating_add(data.host_fuel);
        let Some(state) = data.state.take() else {
            return Err(RuntimeError::Engine("the call's state is gone".to_owned()));
        };
        Ok((judge(ended, fuel, &limits), state))
    }
}

/// Leaves writes behind only if the call was accepted.
fn settled<S: HostState>((outcome, mut state): (Outcome, S)) -> (Outcome, S) {
    if !matches!(outcome, Outcome::Accepted { .. }) {
        state.reset();
    }
    (outcome, state)
}

fn never_started((kind, detail): (Failure, String)) -> Outcome {
    Outcome::Failed {
        kind,
        fuel: 0,
        detail,
    }
}

/// Applies the limits that are on the call as a whole.
fn judge(ended: Ended, fuel: u64, limits: &CallLimits) -> Outcome {
    let failed = |kind, detail| Outcome::Failed {
        kind,
        // Contract and host count apart, so both together can be over.
        fuel: fuel.min(limits.fuel),
        detail,
    };
    match ended {
        Ended::Stopped(Failure::StackOverflow, detail) => Outcome::Failed {
            kind: Failure::StackOverflow,
            // How deep it came depends on the frames of this build of the host, a little.
            fuel: limits.fuel,
            detail,
        },
        Ended::Stopped(kind, detail) => failed(kind, detail),
        Ended::Done(_) if fuel > limits.fuel => {
            let detail = "the call and its host calls together used up the call's fuel";
            failed(Failure::OutOfFuel, detail.to_owned())
        }
        Ended::Done(Ok(output)) if output.len() > limits.output_bytes => {
            let (found, limit) = (output.len(), limits.output_bytes);
            let detail = format!("{found} bytes returned, at most {limit} are allowed");
            failed(Failure::OutputTooLarge, detail)
        }
        Ended::Done(Ok(output)) => Outcome::Accepted { output, fuel },
        Ended::Done(Err(rejection)) => {
            let mut message = rejection.message;
            truncate(&mut message, limits.output_bytes);
            let kind = match rejection.kind {
                types::RejectionKind::Refused => RejectionKind::Refused,
                types::RejectionKind::Witness => RejectionKind::Witness,
            };
            Outcome::Rejected { kind, message, fuel }
        }
    }
}

/// How a call ended; an error if that is not the contract's doing.
fn ended(called: wasmtime::Result<Answer>) -> Result<Ended, RuntimeError> {
    match called {
        Ok(answer) => Ok(Ended::Done(answer)),
        Err(error) => match error.downcast::<Broken>() {
            Ok(Broken(error)) => Err(RuntimeError::Host(error)),
            Err(error) => match failure(&error) {
                Some((kind, detail)) => Ok(Ended::Stopped(kind, detail)),
                // Anything else the canonical ABI refuses, such as a string that is not UTF-8.
                None => Ok(Ended::Stopped(
                    Failure::Trapped,
                    "the contract broke the rules of its interface".to_owned(),
                )),
            },
        },
    }
}

/// How the contract failed; `None` if the error is of another kind.
fn failure(error: &Error) -> Option<(Failure, String)> {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return Some((stop.kind, stop.detail.clone()));
    }
    let trap = error.downcast_ref::<Trap>()?;
    let kind = match trap {
        Trap::OutOfFuel => Failure::OutOfFuel,
        Trap::StackOverflow => Failure::StackOverflow,
        _ => Failure::Trapped,
    };
    Some((kind, trap.to_string()))
}

/// Cuts a text to at most `limit` bytes, between characters.
fn truncate(text: &mut String, limit: usize) {
    if text.len() > limit {
        let end = (0..=limit)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
    }
}
