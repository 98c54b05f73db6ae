//! What changes from one component to another, for those who decide whether it may.

use crate::component::Component;
use crate::error::{CliError, CliResult};
use e2l_ledger::ChaincodeDefinition;
use e2l_runtime::{Anatomy, Bounds, FunctionDescription};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Two components, and what differs.
#[derive(Debug, Serialize)]
pub struct ComponentDiff {
    /// Whether they are the same bytes.
    pub identical: bool,
    /// The first; `None` if there is none, or if it is not known.
    pub old: Option<ComponentProfile>,
    /// The second.
    pub new: ComponentProfile,
    /// What differs, most important first.
    pub changes: Vec<Change>,
    /// What could not be compared, and why.
    pub not_compared: Option<String>,
}

/// What can be said of a component.
#[derive(Debug, Default, Serialize)]
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
    /// `memories`, `tables`, `source` or `limit`.
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
    /// Compares two components.
    ///
    /// # Errors
    /// What they declare cannot be read.
    pub fn between(old: &Component, new: &Component) -> CliResult<Self> {
        let old = ComponentProfile::of(old)?;
        Ok(Self::of_profiles(Some(old), ComponentProfile::of(new)?))
    }

    /// A component that takes no other's place: all of it is added.
    ///
    /// # Errors
    /// What it declares cannot be read.
    pub fn first(new: &Component) -> CliResult<Self> {
        Ok(Self::of_profiles(None, ComponentProfile::of(new)?))
    }

    /// A component that takes the place of one whose bytes are nowhere: what the actors have approved of it is compared.
    ///
    /// # Errors
    /// What it declares cannot be read.
    pub fn with_unknown(old: &ChaincodeDefinition, new: &Component) -> CliResult<Self> {
        Ok(Self::of_unknown(old, ComponentProfile::of(new)?))
    }

    fn of_unknown(old: &ChaincodeDefinition, new: ComponentProfile) -> Self {
        let mut changes = Vec::new();
        for (what, before, after) in [
            ("version", old.version.clone(), new.version.clone()),
            ("digest", old.digest.to_string(), new.digest.clone()),
        ] {
            if before != after {
                changes.push(Change::of(what, None, Some(before), Some(after)));
            }
        }
        Self {
            identical: old.digest.to_string() == new.digest,
            old: None,
            new,
            changes,
            not_compared: Some(format!(
                "sizes, functions, exports and imports: the active component of {}, {}, came with the genesis and \
                 is not on the ledger, nor with the actor's peer in a directory that --network names; get its file \
                 from a peer (it lies in its directory `chaincode`), and compare files: e2l chaincode diff OLD NEW",
                old.name, old.digest
            )),
        }
    }

    fn of_profiles(old: Option<ComponentProfile>, new: ComponentProfile) -> Self {
        let mut changes = Vec::new();
        let mut values = old.iter().flat_map(ComponentProfile::values);
        for (what, after) in new.values() {
            let before = values.next().map(|(_, value)| value);
            // What a first component has none of is not added.
            if before.as_deref().unwrap_or_default() != after {
                changes.push(Change::of(what, None, before, Some(after)));
            }
        }
        let nothing = ComponentProfile::default();
        let before = old.as_ref().unwrap_or(&nothing);
        changes.extend(function_changes(&before.functions, &new.functions));
        changes.extend(set_changes("export", &before.exports, &new.exports));
        changes.extend(set_changes("import", &before.imports, &new.imports));
        changes.extend(set_changes(
            "host function",
            &before.host_functions,
            &new.host_functions,
        ));
        Self {
            identical: before.digest == new.digest,
            old,
            new,
            changes,
            not_compared: None,
        }
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

    /// What it has one of, and what that is about.
    fn values(&self) -> [(&'static str, String); 7] {
        [
            ("name", self.name.clone()),
            ("version", self.version.clone()),
            ("digest", self.digest.clone()),
            ("bytes", self.bytes.to_string()),
            ("memories", bounds(&self.memories)),
            ("tables", bounds(&self.tables)),
            ("code functions", self.code_functions.to_string()),
        ]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(version: &str) -> ComponentProfile {
        let get = FunctionProfile {
            kind: "query".to_owned(),
            argument: "json".to_owned(),
            summary: "Reads.".to_owned(),
        };
        let bounds = |initial, maximum| BoundsProfile { initial, maximum };
        ComponentProfile {
            name: "counter".to_owned(),
            version: version.to_owned(),
            digest: format!("digest of {version}"),
            bytes: 100,
            functions: [("get".to_owned(), get)].into(),
            imports: ["state".to_owned()].into(),
            exports: ["contract".to_owned()].into(),
            host_functions: ["state#get".to_owned()].into(),
            code_functions: 7,
            memories: vec![bounds(65_536, None)],
            tables: vec![bounds(3, Some(3))],
        }
    }

    /// What it is about, with its name, and its values.
    fn rows(diff: &ComponentDiff) -> Vec<(String, Option<&str>, Option<&str>)> {
        let row = |change: &Change| {
            let name = change.name.as_deref().unwrap_or_default();
            format!("{} {} {name}", change.change, change.what)
        };
        let changes = diff.changes.iter();
        changes
            .map(|change| (row(change), change.old.as_deref(), change.new.as_deref()))
            .collect()
    }

    #[test]
    fn sizes_memories_and_tables_have_a_row_each() {
        let (old, mut new) = (profile("1"), profile("2"));
        new.bytes = 120;
        new.code_functions = 9;
        new.memories[0].initial = 131_072;
        new.tables.push(BoundsProfile {
            initial: 2,
            maximum: None,
        });
        let diff = ComponentDiff::of_profiles(Some(old), new);
        assert!(!diff.identical);
        let expected = [
            ("changed version ", "1", "2"),
            ("changed digest ", "digest of 1", "digest of 2"),
            ("changed bytes ", "100", "120"),
            ("changed memories ", "65536 and more", "131072 and more"),
            ("changed tables ", "3 to 3", "3 to 3, 2 and more"),
            ("changed code functions ", "7", "9"),
        ];
        let expected = expected.map(|(row, old, new)| (row.to_owned(), Some(old), Some(new)));
        assert_eq!(rows(&diff), expected);
    }

    #[test]
    fn of_a_first_component_everything_is_added() {
        let mut new = profile("1");
        new.tables.clear();
        let diff = ComponentDiff::of_profiles(None, new);
        assert!(!diff.identical && diff.old.is_none() && diff.not_compared.is_none());
        let expected = [
            ("added name ", "counter"),
            ("added version ", "1"),
            ("added digest ", "digest of 1"),
            ("added bytes ", "100"),
            ("added memories ", "65536 and more"),
            ("added code functions ", "7"),
            ("added function get", "query, argument json: Reads."),
            ("added export contract", "used"),
            ("added import state", "used"),
            ("added host function state#get", "used"),
        ];
        let expected = expected.map(|(row, new)| (row.to_owned(), None::<&str>, Some(new)));
        assert_eq!(rows(&diff), expected);
    }

    #[test]
    fn of_an_unknown_component_what_was_approved_is_compared_and_the_rest_is_said() {
        let old = ChaincodeDefinition {
            name: "counter".to_owned(),
            version: "0".to_owned(),
            digest: e2l_ledger::Digest::ZERO,
        };
        let diff = ComponentDiff::of_unknown(&old, profile("1"));
        assert!(!diff.identical && diff.old.is_none());
        let zero = old.digest.to_string();
        let expected = [
            ("changed version ", "0", "1"),
            ("changed digest ", zero.as_str(), "digest of 1"),
        ];
        let expected = expected.map(|(row, old, new)| (row.to_owned(), Some(old), Some(new)));
        assert_eq!(rows(&diff), expected);
        let why = diff.not_compared.unwrap();
        assert!(why.contains("functions") && why.contains(&zero), "{why}");
    }

    #[test]
    fn the_same_component_differs_in_nothing() {
        let diff = ComponentDiff::of_profiles(Some(profile("1")), profile("1"));
        assert!(diff.identical && diff.changes.is_empty());
    }
}
