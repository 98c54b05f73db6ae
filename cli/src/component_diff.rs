//! What changes from one component to another, for those who decide whether it may.

use crate::component::Component;
use crate::error::{CliError, CliResult};
use e2l_runtime::{Anatomy, Bounds, FunctionDescription};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Two components, and what differs.
#[derive(Debug, Serialize)]
pub struct ComponentDiff {
    /// Whether they are the same bytes.
    pub identical: bool,
    /// The first.
    pub old: ComponentProfile,
    /// The second.
    pub new: ComponentProfile,
    /// What differs, most important first.
    pub changes: Vec<Change>,
}

/// What can be said of a component.
#[derive(Debug, Serialize)]
pub struct ComponentProfile {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Digest, as the ledger names it.
    pub digest: String,
    /// Bytes.
    pub bytes: usize,
    /// Functions by name.
    pub functions: BTreeMap<String, FunctionProfile>,
    /// Interfaces that it imports.
    pub imports: BTreeSet<String>,
    /// What it exports to the host.
    pub exports: BTreeSet<String>,
    /// Functions of the host that its code calls.
    pub host_functions: BTreeSet<String>,
    /// Functions of its code.
    pub code_functions: u64,
    /// Linear memories, bytes.
    pub memories: Vec<BoundsProfile>,
    /// Tables, elements.
    pub tables: Vec<BoundsProfile>,
}

/// A function, as the contract describes it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct FunctionProfile {
    /// `invoke` or `query`.
    pub kind: String,
    /// `none`, `json` or `event`.
    pub argument: String,
    /// One sentence.
    pub summary: String,
}

/// How large something is in the beginning, and how large it may become; `None` up to the network's limits.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct BoundsProfile {
    /// In the beginning.
    pub initial: u64,
    /// At most.
    pub maximum: Option<u64>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it is about: `digest`, `name`, `version`, `bytes`, `function`, `export`, `import`, `host function`, `code functions`,
    /// `memories`, `tables` or `source`.
    pub what: &'static str,
    /// Which one, where there are several.
    pub name: Option<String>,
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// As it was.
    pub old: Option<String>,
    /// As it is.
    pub new: Option<String>,
}

impl Change {
    /// A difference: something that was not there before is added, something that is not there any more removed.
    pub fn of(what: &'static str, name: Option<String>, old: Option<String>, new: Option<String>) -> Self {
        let change = match (&old, &new) {
            (None, Some(_)) => "added",
            (Some(_), None) => "removed",
            _ => "changed",
        };
        Self {
            what,
            name,
            change,
            old,
            new,
        }
    }
}

impl ComponentDiff {
    /// Compares two components by their bytes.
    ///
    /// # Errors
    /// Peers would refuse one of them.
    pub fn of_bytes(old: &[u8], new: &[u8]) -> CliResult<Self> {
        let old = Component::admit(old.to_vec(), "the first component")?;
        let new = Component::admit(new.to_vec(), "the second component")?;
        Self::between(&old, &new)
    }

    /// Compares two components.
    ///
    /// # Errors
    /// What they declare cannot be read.
    pub fn between(old: &Component, new: &Component) -> CliResult<Self> {
        let identical = old.digest == new.digest;
        let (old, new) = (ComponentProfile::of(old)?, ComponentProfile::of(new)?);
        let mut changes = Vec::new();
        let mut value = |what, old: String, new: String| {
            if old != new {
                changes.push(Change::of(what, None, Some(old), Some(new)));
            }
        };
        value("name", old.name.clone(), new.name.clone());
        value("version", old.version.clone(), new.version.clone());
        value("digest", old.digest.clone(), new.digest.clone());
        value("bytes", old.bytes.to_string(), new.bytes.to_string());
        value("memories", bounds(&old.memories), bounds(&new.memories));
        value("tables", bounds(&old.tables), bounds(&new.tables));
        value(
            "code functions",
            old.code_functions.to_string(),
            new.code_functions.to_string(),
        );
        changes.extend(function_changes(&old.functions, &new.functions));
        changes.extend(set_changes("export", &old.exports, &new.exports));
        changes.extend(set_changes("import", &old.imports, &new.imports));
        changes.extend(set_changes(
            "host function",
            &old.host_functions,
            &new.host_functions,
        ));
        Ok(Self {
            identical,
            old,
            new,
            changes,
        })
    }
}

impl ComponentProfile {
    /// Reads what there is to say.
    ///
    /// # Errors
    /// The bytes are no WebAssembly; those of an admitted component are.
    pub fn of(component: &Component) -> CliResult<Self> {
        let anatomy = Anatomy::of(&component.bytes)
            .map_err(|error| CliError::refused(error, "build it with `e2l chaincode build`"))?;
        let functions = component.functions.iter();
        let functions = functions.map(|function| (function.name.clone(), FunctionProfile::of(function)));
        let of = |bounds: &[Bounds]| bounds.iter().map(BoundsProfile::of).collect();
        Ok(Self {
            name: component.name.clone(),
            version: component.version.clone(),
            digest: component.digest.to_string(),
            bytes: component.bytes.len(),
            functions: functions.collect(),
            code_functions: anatomy.functions,
            memories: of(&anatomy.memories),
            tables: of(&anatomy.tables),
            imports: anatomy.imports,
            exports: anatomy.exports,
            host_functions: anatomy.host_functions,
        })
    }
}

impl FunctionProfile {
    fn of(function: &FunctionDescription) -> Self {
        Self {
            kind: function.kind.to_string(),
            argument: function.argument.to_string(),
            summary: function.summary.clone(),
        }
    }

    fn text(&self) -> String {
        format!("{}, argument {}: {}", self.kind, self.argument, self.summary)
    }
}

impl BoundsProfile {
    fn of(bounds: &Bounds) -> Self {
        Self {
            initial: bounds.initial,
            maximum: bounds.maximum,
        }
    }
}

fn bounds(all: &[BoundsProfile]) -> String {
    let each = all.iter().map(|bounds| match bounds.maximum {
        Some(maximum) => format!("{} to {maximum}", bounds.initial),
        None => format!("{} and more", bounds.initial),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn function_changes(
    old: &BTreeMap<String, FunctionProfile>,
    new: &BTreeMap<String, FunctionProfile>,
) -> Vec<Change> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    let text = |profile: Option<&FunctionProfile>| profile.map(FunctionProfile::text);
    changed
        .map(|name| {
            Change::of(
                "function",
                Some(name.clone()),
                text(old.get(name)),
                text(new.get(name)),
            )
        })
        .collect()
}

fn set_changes(what: &'static str, old: &BTreeSet<String>, new: &BTreeSet<String>) -> Vec<Change> {
    let different = old.symmetric_difference(new);
    different
        .map(|name| {
            let there = |set: &BTreeSet<String>| set.contains(name).then(|| "used".to_owned());
            Change::of(what, Some(name.clone()), there(old), there(new))
        })
        .collect()
}
