//! The build.

use crate::built::Built;
use crate::cargo::{Onlooker, run};
use crate::error::BuildError;
use crate::package::Package;
use crate::source_tree::{SourceTree, fail};
use crate::toolchain::Toolchain;
use e2l_ledger::Domain;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use wit_component::ComponentEncoder;

/// The only target: nothing of it imports a system interface.
const TARGET: &str = "wasm32-unknown-unknown";

/// Where every build happens, on every machine: cargo mixes the absolute paths of crates outside a workspace
/// into symbol names, and with them into the bytes.
const BUILD_DIRECTORY: &str = "/tmp/event2ledger-chaincode-build";

/// The toolchain of this repository: the compiler is part of what decides on the bytes.
pub(crate) const TOOLCHAIN_FILE: &str = include_str!("../../../rust-toolchain.toml");

/// Builds the contract in `source`, from nothing, in a copy of it at a fixed place. One build runs at a time.
///
/// # Errors
/// See [`BuildError`].
pub fn build(source: &Path) -> Result<Built, BuildError> {
    build_tree(&SourceTree::read(source)?, None)
}

/// Builds a source that was read before. With `target`, what is compiled on the way stays in that directory: the next
/// build of this contract takes a second, and believes what is there.
///
/// # Errors
/// See [`BuildError`].
pub fn build_tree(source: &SourceTree, target: Option<&Path>) -> Result<Built, BuildError> {
    build_in(source, target, None)
}

/// The same, for someone who looks on.
///
/// # Errors
/// See [`BuildError`].
pub fn build_watched(
    source: &SourceTree,
    target: Option<&Path>,
    onlooker: &mut Onlooker<'_>,
) -> Result<Built, BuildError> {
    build_in(source, target, Some(onlooker))
}

impl Package {
    /// Builds the source anew. This runs what the source brings: build scripts and procedural macros, its own and those
    /// of the crates it names. Read it first.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn rebuild(&self) -> Result<Built, BuildError> {
        build_tree(&self.source, None)
    }
}

fn build_in(
    source: &SourceTree,
    target: Option<&Path>,
    onlooker: Option<&mut Onlooker<'_>>,
) -> Result<Built, BuildError> {
    let place = Path::new(BUILD_DIRECTORY);
    std::fs::create_dir_all(place).map_err(fail(place))?;
    let lock_path = place.join("lock");
    let lock = std::fs::File::create(&lock_path).map_err(fail(&lock_path))?;
    lock.lock().map_err(fail(&lock_path))?;
    let work = place.join("work");
    let target = match target {
        Some(target) => std::path::absolute(target).map_err(fail(target))?,
        None => work.join("target"),
    };
    let built = source
        .write_to(&work)
        .and_then(|staged| build_staged(source, &staged, &work, &target, onlooker));
    // What is left behind is only in the way of the next build, which removes it too.
    let _ = std::fs::remove_dir_all(&work);
    built
}

/// The compiler that builds the crate in `directory`.
pub(crate) fn toolchain(source: &SourceTree, directory: &Path) -> Result<Toolchain, BuildError> {
    let mut command = Command::new("rustc");
    command.arg("-vV").current_dir(directory);
    choose_toolchain(&mut command, source);
    let output = command.output().map_err(BuildError::NoCargo)?;
    Toolchain::parse(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| BuildError::NoCompiler(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Has rustup take the toolchain that the contract's crate names, else this repository's; whichever the machine or
/// the caller prefers, even this program's own under `cargo run`, must not reach the bytes.
fn choose_toolchain(command: &mut Command, source: &SourceTree) {
    match channel(TOOLCHAIN_FILE) {
        Some(channel) if !source.names_toolchain() => command.env("RUSTUP_TOOLCHAIN", channel),
        _ => command.env_remove("RUSTUP_TOOLCHAIN"),
    };
}

fn channel(file: &str) -> Option<&str> {
    let mut values = file.lines().filter_map(|line| line.strip_prefix("channel = "));
    values.next().map(|value| value.trim_matches('"'))
}

fn build_staged(
    source: &SourceTree,
    staged: &Path,
    work: &Path,
    target: &Path,
    onlooker: Option<&mut Onlooker<'_>>,
) -> Result<Built, BuildError> {
    let toolchain = toolchain(source, staged)?;
    let release = target.join(TARGET).join("release");
    // Another contract's, where the directory is not new.
    for module in modules(&release) {
        std::fs::remove_file(&module).map_err(fail(&module))?;
    }
    compile(source, staged, work, target, onlooker)?;
    let module = modules(&release).next().ok_or(BuildError::NoModule)?;
    let module = std::fs::read(&module).map_err(fail(&module))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| BuildError::NotAContract(format!("{error:#}")))?;
    let digest = Domain::Chaincode.hash(&component);
    Ok(Built {
        component,
        digest,
        toolchain,
    })
}

fn compile(
    source: &SourceTree,
    staged: &Path,
    work: &Path,
    target: &Path,
    onlooker: Option<&mut Onlooker<'_>>,
) -> Result<(), BuildError> {
    // Not $CARGO: that is one toolchain's own, rustup's chooses.
    let mut command = Command::new("cargo");
    command
        .current_dir(staged)
        .args([
            "build",
            "--release",
            "--locked",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(target);
    // Whatever the caller's environment says about compiling must not reach the bytes.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let steers = [
            "CARGO_PROFILE_",
            "CARGO_BUILD_",
            "CARGO_TARGET_",
            "CARGO_ENCODED_",
            "RUSTC",
            "RUSTFLAGS",
        ];
        if steers.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    choose_toolchain(&mut command, source);
    command
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_ENCODED_RUSTFLAGS", remap_flags(work));
    let said = run(command, onlooker)?;
    if said.status.success() {
        return Ok(());
    }
    let lacks = |library: &str| said.text.contains(&format!("can't find crate for `{library}`"));
    if lacks("core") || lacks("std") {
        return Err(BuildError::NoTarget);
    }
    Err(BuildError::Compile(said.text))
}

/// Paths in panic messages must not name this machine's directories.
fn remap_flags(root: &Path) -> OsString {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let cargo_home = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let mut flags = OsString::new();
    for (from, to) in [(cargo_home.as_path(), "/cargo"), (root, "/source")] {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    flags
}

/// The modules in a directory; none where it is not there.
fn modules(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_names_one_toolchain_by_its_number() {
        let channel = channel(TOOLCHAIN_FILE).unwrap();
        let digits = channel.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        assert!(digits && channel.split('.').count() == 3, "{channel} may move");
    }
}
