//! Whether a component is a contract, without compiling it: a peer judges what is proposed while events wait.

use crate::admission::{AdmissionError, features, invalid};
use std::sync::LazyLock;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType, ComponentItem, ComponentType};
use wasmparser::types::TypesRef;
use wasmparser::{BinaryReaderError, ComponentImport, Parser, Payload, Validator};
use wit_parser::Resolve;

/// The interface of contracts, as binary WIT: each world is the type of a component.
static WIT: LazyLock<Result<Vec<u8>, String>> = LazyLock::new(|| {
    let encoded = || {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("ledger.wit", include_str!("../../../wit/ledger.wit"))?;
        wit_component::encode(&resolve, package)
    };
    encoded().map_err(|error| format!("{error:#}"))
});

/// The worlds, each with what it has besides the first's, which every contract must have.
const WORLDS: [(&str, Option<&str>); 3] = [
    ("contract", None),
    ("migrating-contract", Some("migrate")),
    ("preparing-contract", Some("prepare")),
];

/// Checks that a component imports and exports what a contract does, each of the right type. What else it exports, and how it
/// calls the types that it uses, is of no consequence; the names of parameters belong to a function's type. It must have passed [`crate::check_component`].
///
/// # Errors
/// It does not.
pub(crate) fn check(component: &[u8]) -> Result<(), AdmissionError> {
    let wit = WIT.as_ref().map_err(|why| AdmissionError::World(why.clone()))?;
    // Types are compared within one validator only.
    let mut validator = Validator::new_with_features(features());
    let mut types = |bytes| {
        validator.reset();
        validator.validate_all(bytes)
    };
    let (offered, found) = (types(wit).map_err(invalid)?, types(component).map_err(invalid)?);
    let (offered, found) = (offered.as_ref(), found.as_ref());
    for (name, more) in WORLDS {
        let Some(world) = world(offered, name) else {
            return Err(AdmissionError::World(format!("this build has no world `{name}`")));
        };
        match more {
            None => {
                check_imports(component, (offered, world), found)?;
                for name in world.exports.keys() {
                    check_export(name, (offered, world), found)?;
                }
            }
            Some(export) if found.component_item_for_export(export).is_some() => {
                check_export(export, (offered, world), found)?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The type of the components of a world.
fn world<'a>(types: TypesRef<'a>, name: &str) -> Option<&'a ComponentType> {
    let ComponentEntityType::Type {
        referenced: ComponentAnyTypeId::Component(named),
        ..
    } = types.component_item_for_export(name)?.ty
    else {
        return None;
    };
    let world = types.get(named)?.exports.values().next()?;
    match world.ty {
        ComponentEntityType::Component(id) => types.get(id),
        _ => None,
    }
}

fn check_export(
    name: &str,
    (offered, world): (TypesRef<'_>, &ComponentType),
    found: TypesRef<'_>,
) -> Result<(), AdmissionError> {
    let Some(export) = found.component_item_for_export(name) else {
        return Err(AdmissionError::World(format!("it exports no `{name}`")));
    };
    let fits = world
        .exports
        .get(name)
        .is_some_and(|wanted| fits((export, found), (wanted, offered)));
    match fits {
        true => Ok(()),
        false => Err(AdmissionError::World(format!(
            "its export `{name}` is of another type than a contract's"
        ))),
    }
}

/// Whether it names a type of values, which is compared where a function uses it.
fn is_plain_type(ty: &ComponentEntityType) -> bool {
    matches!(
        ty,
        ComponentEntityType::Type {
            referenced: ComponentAnyTypeId::Defined(_),
            ..
        }
    )
}

/// Everything that a component may call is a function of an instance that the host has.
fn check_imports(
    component: &[u8],
    (offered, world): (TypesRef<'_>, &ComponentType),
    found: TypesRef<'_>,
) -> Result<(), AdmissionError> {
    for import in imports(component).map_err(invalid)? {
        let name = import.name.name;
        let wanted = match found.component_item_for_import(name).map(|import| import.ty) {
            Some(ComponentEntityType::Instance(wanted)) => wanted,
            Some(ty) if is_plain_type(&ty) => continue,
            _ => {
                return Err(AdmissionError::World(format!(
                    "its import `{name}` is neither an interface nor a type of values"
                )));
            }
        };
        let host = world.imports.get(name).map(|import| import.ty);
        let Some(ComponentEntityType::Instance(host)) = host else {
            return Err(AdmissionError::World(format!("the host has no `{name}`")));
        };
        let (wanted, host) = (&found[wanted], &offered[host]);
        let functions = wanted.exports.iter().filter(|(_, item)| !is_plain_type(&item.ty));
        for (function, wanted) in functions {
            let has = host.exports.get(function);
            if !has.is_some_and(|has| fits((has, offered), (wanted, found))) {
                return Err(AdmissionError::World(format!(
                    "it imports `{function}` of `{name}`, which the host does not have, or of another type"
                )));
            }
        }
    }
    Ok(())
}

fn imports(component: &[u8]) -> Result<Vec<ComponentImport<'_>>, BinaryReaderError> {
    let mut imports = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::ComponentImportSection(section) = payload? {
            for import in section {
                imports.push(import?);
            }
        }
    }
    Ok(imports)
}

/// Whether what is there can take the place of what is wanted.
fn fits(
    (there, its_types): (&ComponentItem, TypesRef<'_>),
    (wanted, types): (&ComponentItem, TypesRef<'_>),
) -> bool {
    ComponentEntityType::is_subtype_of(&there.ty, its_types, &wanted.ty, types)
}
