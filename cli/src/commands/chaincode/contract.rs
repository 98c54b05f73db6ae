//! A contract, from where it lies: a crate's directory, a component, or a package.

use crate::component::Component;
use crate::error::{CliError, CliResult};
use e2l_chaincode_builder::{Built, Package, SourceTree, build_tree};
use e2l_ledger::validate_name;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The contract that is built where no source is named and the current directory is none.
const EVENTS_CONTRACT: &str = "chaincode/eventdb";
/// What compiling leaves for the next time, in the crate.
const KEPT: &str = "target/e2l";
/// Where components and packages go, in the current directory.
const OUT_DIR: &str = "target/chaincode";

/// A source, given or found.
#[derive(Debug, Clone, clap::Args)]
pub struct SourceArgs {
    /// Directory of the contract's crate [default: the current directory if it is a crate, else chaincode/eventdb]
    pub source: Option<PathBuf>,
}

impl SourceArgs {
    /// The directory.
    pub fn directory(&self) -> PathBuf {
        let here = Path::new(".");
        match &self.source {
            Some(source) => source.clone(),
            None if here.join("src/lib.rs").is_file() && here.join("Cargo.toml").is_file() => here.to_owned(),
            None => EVENTS_CONTRACT.into(),
        }
    }
}

/// A contract that was built from source just now.
pub struct BuiltContract {
    /// What it was built from.
    pub source: SourceTree,
    /// What was built.
    pub built: Built,
    /// The same, admitted.
    pub component: Component,
}

/// Reads the crate in a directory, builds and admits it. Crates that it depends on are compiled once, and kept in its
/// `target` where that can be written: who must not believe what is there builds a package anew.
///
/// # Errors
/// It does not compile, the tools are missing, or peers would refuse the component.
pub fn build_contract(directory: &Path) -> CliResult<BuiltContract> {
    let unbuilt = |error| {
        CliError::usage(
            error,
            "correct the source; in event2ledger's repository `make setup` installs what building needs",
        )
    };
    let source = SourceTree::read(directory).map_err(unbuilt)?;
    let built = build_tree(&source, kept_in(directory).as_deref()).map_err(unbuilt)?;
    let place = format!("what is built from {}", directory.display());
    let component = Component::admit(built.component.clone(), &place)?;
    Ok(BuiltContract {
        source,
        built,
        component,
    })
}

/// Where what is compiled on the way to a contract stays, if anything can be written there.
pub fn kept_in(directory: &Path) -> Option<PathBuf> {
    let kept = directory.join(KEPT);
    std::fs::create_dir_all(&kept).is_ok().then_some(kept)
}

/// Reads a component or a package, and admits the component.
///
/// # Errors
/// The file cannot be read, is a package that was altered, or peers would refuse the component.
pub fn load_contract(path: &Path) -> CliResult<(Component, Option<Package>)> {
    let bytes = std::fs::read(path).map_err(|error| CliError::file("read", path, &error))?;
    if !Package::is_package(&bytes) {
        return Ok((Component::admit(bytes, &path.display().to_string())?, None));
    }
    let package = Package::decode(&bytes).map_err(|error| {
        CliError::refused(
            format!("{}: {error}", path.display()),
            "do not use it: get the package again from who made it",
        )
    })?;
    let component = Component::admit(package.component.clone(), &path.display().to_string())?;
    if !package.manifest.describes(&component.described()) {
        return Err(CliError::refused(
            format!(
                "{}: its manifest says something else of the contract than the component itself",
                path.display()
            ),
            "do not use it: get the package again from who made it",
        ));
    }
    Ok((component, Some(package)))
}

/// Where a file goes: as named, else `target/chaincode/STEM.EXTENSION`. `stem` begins with the contract's name, which
/// must be one that the ledger takes.
///
/// # Errors
/// The name cannot be used.
pub fn out_path(named: Option<&Path>, name: &str, stem: &str, extension: &str) -> CliResult<PathBuf> {
    validate_name(name).map_err(|error| {
        CliError::refused(
            format!(
                "the contract names itself `{}`: {error}",
                crate::output::sanitise(name)
            ),
            "let `describe` return a name of lower-case letters, digits and hyphens",
        )
    })?;
    let default = || Path::new(OUT_DIR).join(format!("{stem}.{extension}"));
    Ok(named.map_or_else(default, Path::to_owned))
}

/// Writes a file whole or not at all, and its directory where it is missing.
///
/// # Errors
/// It cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> CliResult<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).map_err(|error| CliError::file("create", directory, &error))?;
    let fail = |error| CliError::file("write", path, &error);
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    Ok(())
}

/// Names of functions, for a cell.
pub fn function_names(component: &Component) -> String {
    let names: Vec<&str> = component
        .functions
        .iter()
        .map(|function| function.name.as_str())
        .collect();
    names.join(", ")
}
