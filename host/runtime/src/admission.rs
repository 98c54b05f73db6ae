//! What a component must be before it is compiled.

use crate::limits::StaticLimits;
use crate::world;
use wasmparser::{
    ComponentTypeRef, Encoding, Instance, Parser, Payload, TypeBounds, TypeRef, ValidPayload, Validator,
    WasmFeatures,
};

/// Interfaces a contract may import. The last one holds types only.
const ALLOWED: [&str; 3] = [
    "event2ledger:ledger/state@1.0.0",
    "event2ledger:ledger/logs@1.0.0",
    "event2ledger:ledger/types@1.0.0",
];

/// Why a component is refused.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// Too large.
    #[error("the component has {found} bytes, at most {limit} are allowed")]
    Size {
        /// Bytes found.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Not a component.
    #[error("this is not a WebAssembly component: {0}; build it with `e2l chaincode build`")]
    NotAComponent(String),
    /// Not valid, or uses a feature that is switched off.
    #[error("the component is not valid under the network's engine profile: {0}")]
    Invalid(String),
    /// Imports something that the host does not offer.
    #[error(
        "the component imports `{0}`: a contract may import event2ledger:ledger/state and /logs and nothing else"
    )]
    ForeignImport(String),
    /// More of something than is allowed.
    #[error("the component has {found} {what}, at most {limit} are allowed")]
    Limit {
        /// Kind of thing.
        what: &'static str,
        /// Number found.
        found: u64,
        /// Number allowed.
        limit: u64,
    },
    /// The compiler refuses.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// This machine cannot compile it now.
    #[error("this machine cannot compile the component now: {0}")]
    Host(String),
    /// It does not export what a contract exports.
    #[error(
        "the component is not a contract: {0}; its world must be contract, \
         migrating-contract or preparing-contract of event2ledger:ledger@1.0.0"
    )]
    World(String),
}

impl AdmissionError {
    /// Whether every peer with this engine comes to it; else the machine is at fault.
    pub fn is_verdict(&self) -> bool {
        !matches!(self, Self::Host(_))
    }
}

/// Counts of a component so far.
#[derive(Default)]
struct Counts {
    modules: u64,
    instances: u64,
    functions: u64,
    tables: u64,
    globals: u64,
}

/// Checks all that can be known of a component without compiling it: some milliseconds, where compiling takes tens to
/// hundreds. What passes is a contract, and is compiled unless the compiler meets a bound of its own.
///
/// # Errors
/// The first thing that is not allowed.
pub fn check_contract(bytes: &[u8], limits: &StaticLimits) -> Result<(), AdmissionError> {
    check(bytes, limits)?;
    world::check(bytes)
}

/// Checks a component's bytes against the limits, whatever it exports, without compiling them.
///
/// # Errors
/// The first thing that is not allowed.
pub fn check(bytes: &[u8], limits: &StaticLimits) -> Result<(), AdmissionError> {
    let found = bytes.len() as u64;
    if found > limits.component_bytes {
        return Err(AdmissionError::Size {
            found,
            limit: limits.component_bytes,
        });
    }
    let mut validator = Validator::new_with_features(features());
    let mut counts = Counts::default();
    // 0 outside core modules: the component's own imports are those at depth 0.
    let mut depth = 0u32;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| AdmissionError::NotAComponent(error.message().to_owned()))?;
        match &payload {
            Payload::Version { encoding, .. } if depth == 0 && *encoding != Encoding::Component => {
                return Err(AdmissionError::NotAComponent("it is a core module".to_owned()));
            }
            // Instances of components within components multiply at every level when they are compiled.
            Payload::ComponentSection { .. } => limit("nested components", 1, 0)?,
            Payload::ModuleSection { .. } => {
                depth += 1;
                counts.modules += 1;
                limit("modules", counts.modules, u64::from(limits.modules))?;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section.clone() {
                    let import = import.map_err(invalid)?;
                    // A world's `use` imports the name of a type: nothing that could be called.
                    let is_type = matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_)));
                    if !is_type && !ALLOWED.contains(&import.name.name) {
                        return Err(AdmissionError::ForeignImport(import.name.name.to_owned()));
                    }
                }
            }
            other => count(other, &mut counts, limits)?,
        }
        if let ValidPayload::Func(function, body) = validator.payload(&payload).map_err(invalid)? {
            let mut function = function.into_validator(Default::default());
            function.validate(&body).map_err(invalid)?;
        }
    }
    Ok(())
}

fn count(payload: &Payload<'_>, counts: &mut Counts, limits: &StaticLimits) -> Result<(), AdmissionError> {
    match payload {
        Payload::InstanceSection(section) => {
            for instance in section.clone() {
                if matches!(instance.map_err(invalid)?, Instance::Instantiate { .. }) {
                    counts.instances += 1;
                }
            }
        }
        Payload::TypeSection(section) => {
            for group in section.clone().into_iter_err_on_gc_types() {
                let parameters = group.map_err(invalid)?.params().len() as u64;
                limit(
                    "parameters of a function",
                    parameters,
                    u64::from(limits.parameters),
                )?;
            }
        }
        Payload::ImportSection(section) => {
            for import in section.clone().into_imports() {
                match import.map_err(invalid)?.ty {
                    TypeRef::Func(_) => counts.functions += 1,
                    TypeRef::Table(_) => counts.tables += 1,
                    TypeRef::Global(_) => counts.globals += 1,
                    _ => {}
                }
            }
        }
        Payload::FunctionSection(section) => counts.functions += u64::from(section.count()),
        Payload::GlobalSection(section) => counts.globals += u64::from(section.count()),
        Payload::TableSection(section) => {
            counts.tables += u64::from(section.count());
            for table in section.clone() {
                let elements = table.map_err(invalid)?.ty.initial;
                limit("elements of a table", elements, limits.table_elements)?;
            }
        }
        Payload::CodeSectionEntry(body) => {
            let bytes = body.range().len() as u64;
            limit("bytes of one function", bytes, u64::from(limits.function_bytes))?;
            let mut locals = 0u64;
            for group in body.get_locals_reader().map_err(invalid)? {
                locals += u64::from(group.map_err(invalid)?.0);
            }
            limit("locals of one function", locals, u64::from(limits.locals))?;
        }
        _ => {}
    }
    limit("instances", counts.instances, u64::from(limits.instances))?;
    limit("functions", counts.functions, u64::from(limits.functions))?;
    limit("tables", counts.tables, u64::from(limits.tables))?;
    limit("globals", counts.globals, u64::from(limits.globals))
}

fn limit(what: &'static str, found: u64, limit: u64) -> Result<(), AdmissionError> {
    if found <= limit {
        Ok(())
    } else {
        Err(AdmissionError::Limit { what, found, limit })
    }
}

pub(crate) fn invalid(error: wasmparser::BinaryReaderError) -> AdmissionError {
    AdmissionError::Invalid(error.message().to_owned())
}

/// The features of the engine profile. Not those of `MVP`, which lets types pass that need a garbage collector.
pub(crate) fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::SIMD
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::FLOATS
        | WasmFeatures::COMPONENT_MODEL
}
