//! A component that passed admission.

use crate::admission::AdmissionError;
use crate::bindings::event2ledger::ledger::types;
use crate::error::RuntimeError;
use crate::limits::CallLimits;
use crate::linked::Linked;
use crate::no_state::NoState;
use crate::session::Session;
use std::fmt;
use wasmtime::Engine;
use wasmtime::component::Component;

/// What `describe` may use: it only says names.
const DESCRIBE: CallLimits = CallLimits {
    fuel: 10_000_000,
    memory_bytes: 16 << 20,
    output_bytes: 64 << 10,
    writes: 0,
    write_bytes: 0,
};

/// A compiled contract. Cheap to clone.
#[derive(Clone)]
pub struct Admitted {
    pub(crate) engine: Engine,
    pub(crate) component: Component,
    migrates: bool,
    prepares: bool,
}

impl Admitted {
    pub(crate) fn new(engine: Engine, component: Component) -> Result<Self, AdmissionError> {
        // Links it once, so that a wrong world shows here and not at the first call.
        let linked = Linked::<NoState>::new(&engine, &component).map_err(AdmissionError::World)?;
        let (migrates, prepares) = (linked.migrating.is_some(), linked.preparing.is_some());
        Ok(Self {
            engine,
            component,
            migrates,
            prepares,
        })
    }

    /// Whether it exports `migrate`, so that [`Session::migrate`] can be called when it becomes active.
    pub fn migrates(&self) -> bool {
        self.migrates
    }

    /// Whether it exports `prepare`, so that [`Session::prepare`] is called until it is done before it becomes active.
    pub fn prepares(&self) -> bool {
        self.prepares
    }

    /// What the contract says of itself.
    ///
    /// # Errors
    /// It fails, or says too much.
    pub fn describe(&self) -> Result<Description, RuntimeError> {
        let mut session = Session::<NoState>::new(self, DESCRIBE)?;
        session.describe().map(Description::from)
    }
}

/// Name, version and functions of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Functions.
    pub functions: Vec<FunctionDescription>,
}

/// A function of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionDescription {
    /// Name.
    pub name: String,
    /// Whether it changes the ledger.
    pub kind: FunctionKind,
    /// How its argument is encoded.
    pub argument: ArgumentEncoding,
    /// One sentence.
    pub summary: String,
}

/// Whether a function changes the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionKind {
    /// Called by transactions.
    Invoke,
    /// Only reads.
    Query,
}

/// How a function's argument is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentEncoding {
    /// There is none.
    None,
    /// JSON.
    Json,
    /// The canonical encoding of an event.
    Event,
}

impl fmt::Display for FunctionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invoke => "invoke",
            Self::Query => "query",
        })
    }
}

impl fmt::Display for ArgumentEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Json => "json",
            Self::Event => "event",
        })
    }
}

impl From<types::Description> for Description {
    fn from(description: types::Description) -> Self {
        let functions = description
            .functions
            .into_iter()
            .map(|function| FunctionDescription {
                name: function.name,
                kind: match function.kind {
                    types::FunctionKind::Invoke => FunctionKind::Invoke,
                    types::FunctionKind::Query => FunctionKind::Query,
                },
                argument: match function.argument {
                    types::ArgumentEncoding::None => ArgumentEncoding::None,
                    types::ArgumentEncoding::Json => ArgumentEncoding::Json,
                    types::ArgumentEncoding::Event => ArgumentEncoding::Event,
                },
                summary: function.summary,
            });
        Self {
            name: description.name,
            version: description.version,
            functions: functions.collect(),
        }
    }
}
