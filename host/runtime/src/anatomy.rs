//! What a component declares, for people who compare two.

use crate::admission::AdmissionError;
use std::collections::BTreeSet;
use wasmparser::{BinaryReaderError, ComponentTypeRef, MemoryType, Parser, Payload, TableType, TypeRef};

/// Bytes of a page, where a memory does not name another size.
const PAGE_BYTES: u64 = 64 << 10;

/// What a component declares. Read from its bytes, which need not have passed admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anatomy {
    /// Interfaces that the component imports; those that hold types only too.
    pub imports: BTreeSet<String>,
    /// What the component exports: `describe`, `invoke`, `query`, and whatever else it has.
    pub exports: BTreeSet<String>,
    /// Functions of the host that its modules call, such as `event2ledger:ledger/state@1.0.0#put`.
    pub host_functions: BTreeSet<String>,
    /// Memories of its modules.
    pub memories: Vec<Bounds>,
    /// Tables of its modules.
    pub tables: Vec<Bounds>,
    /// Functions of its modules, those that they import left out.
    pub functions: u64,
}

/// How large something is when it begins, and how large it may grow: bytes of a memory, elements of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// In the beginning.
    pub initial: u64,
    /// At most; `None`: up to the limits of the network.
    pub maximum: Option<u64>,
}

impl Anatomy {
    /// Reads a component.
    ///
    /// # Errors
    /// The bytes are no WebAssembly.
    pub fn of(component: &[u8]) -> Result<Self, AdmissionError> {
        let mut anatomy = Self {
            imports: BTreeSet::new(),
            exports: BTreeSet::new(),
            host_functions: BTreeSet::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            functions: 0,
        };
        for payload in Parser::new(0).parse_all(component) {
            payload
                .and_then(|payload| anatomy.note(&payload))
                .map_err(|error| AdmissionError::NotAComponent(error.message().to_owned()))?;
        }
        Ok(anatomy)
    }

    fn note(&mut self, payload: &Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    let import = import?;
                    // A world's `use` imports the name of a type.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        self.imports.insert(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    self.exports.insert(export?.name.name.to_owned());
                }
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    let import = import?;
                    // What modules of one component pass each other has no interface's name.
                    if matches!(import.ty, TypeRef::Func(_)) && import.module.contains(':') {
                        self.host_functions
                            .insert(format!("{}#{}", import.module, import.name));
                    }
                }
            }
            Payload::FunctionSection(section) => self.functions += u64::from(section.count()),
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    self.memories.push(Bounds::of_memory(&memory?));
                }
            }
            Payload::TableSection(section) => {
                for table in section.clone() {
                    self.tables.push(Bounds::of_table(&table?.ty));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Bounds {
    fn of_memory(memory: &MemoryType) -> Self {
        let page = memory
            .page_size_log2
            .map_or(PAGE_BYTES, |log2| 1u64.checked_shl(log2).unwrap_or(PAGE_BYTES));
        Self {
            initial: memory.initial.saturating_mul(page),
            maximum: memory.maximum.map(|pages| pages.saturating_mul(page)),
        }
    }

    fn of_table(table: &TableType) -> Self {
        Self {
            initial: table.initial,
            maximum: table.maximum,
        }
    }
}
