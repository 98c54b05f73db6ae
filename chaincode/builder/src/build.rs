//! The build.

use crate::error::BuildError;
use crate::stage::{Source, fail};
use e2l_ledger::{Digest, Domain};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use wit_component::ComponentEncoder;

/// The only target: nothing of it imports a system interface.
const TARGET: &str = "wasm32-unknown-unknown";
/// Lines of compiler output that an error shows.
const SHOWN_LINES: usize = 60;

/// A component.
#[derive(Debug, Clone)]
pub struct Built {
    /// Its bytes.
    pub component: Vec<u8>,
    /// Digest that names it on the ledger.
    pub digest: Digest,
}

/// Where every build happens, on every machine: cargo mixes the absolute paths of crates outside a workspace
/// into symbol names, and with them into the bytes.
const BUILD_DIRECTORY: &str = "/tmp/event2ledger-chaincode-build";

/// The toolchain of this repository: the compiler is part of what decides on the bytes.
const TOOLCHAIN_FILE: &str = include_str!("../../../rust-toolchain.toml");

/// Builds the contract in `source`, in a copy of it at a fixed place. One build runs at a time.
///
/// # Errors
/// See [`BuildError`].
pub fn build(source: &Path) -> Result<Built, BuildError> {
    build_source(&Source::find(source)?, None)
}

/// Builds; what is compiled on the way stays in `target` if one is given.
pub(crate) fn build_source(source: &Source, target: Option<&Path>) -> Result<Built, BuildError> {
    let place = Path::new(BUILD_DIRECTORY);
    std::fs::create_dir_all(place).map_err(fail(place))?;
    let lock_path = place.join("lock");
    let lock = std::fs::File::create(&lock_path).map_err(fail(&lock_path))?;
    lock.lock().map_err(fail(&lock_path))?;
    let work = place.join("work");
    let own = work.join("target");
    let built = source
        .copy_to(&work)
        .and_then(|staged| build_staged(&staged, &work, target.unwrap_or(&own), source.directory()));
    // What is left behind is only in the way of the next build, which removes it too.
    let _ = std::fs::remove_dir_all(&work);
    built
}

/// What the compiler says of itself, where the contract lies: a toolchain file in its crate counts.
pub(crate) fn compiler(source: &Source) -> Result<Vec<u8>, BuildError> {
    let mut command = Command::new("rustc");
    command.arg("-vV").current_dir(source.directory());
    choose_toolchain(&mut command, source.directory());
    let output = command.output().map_err(BuildError::NoCargo)?;
    Ok(output.stdout)
}

/// Has rustup take the toolchain that the contract's crate names, else this repository's; whichever the machine or
/// the caller prefers, even this program's own under `cargo run`, must not reach the bytes.
fn choose_toolchain(command: &mut Command, source: &Path) {
    let named = ["rust-toolchain.toml", "rust-toolchain"];
    match channel(TOOLCHAIN_FILE) {
        Some(channel) if !named.iter().any(|name| source.join(name).is_file()) => {
            command.env("RUSTUP_TOOLCHAIN", channel)
        }
        _ => command.env_remove("RUSTUP_TOOLCHAIN"),
    };
}

fn channel(file: &str) -> Option<&str> {
    let mut values = file.lines().filter_map(|line| line.strip_prefix("channel = "));
    values.next().map(|value| value.trim_matches('"'))
}

fn build_staged(staged: &Path, work: &Path, target: &Path, source: &Path) -> Result<Built, BuildError> {
    let release = target.join(TARGET).join("release");
    // Another contract's, where the directory is not new.
    for module in modules(&release) {
        std::fs::remove_file(&module).map_err(fail(&module))?;
    }
    compile(staged, work, target)?;
    let module = modules(&release).next();
    let module = module.ok_or_else(|| BuildError::NoModule(source.to_owned()))?;
    let module = std::fs::read(&module).map_err(fail(&module))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| BuildError::NotAContract(format!("{error:#}")))?;
    let digest = Domain::Chaincode.hash(&component);
    Ok(Built { component, digest })
}

fn compile(source: &Path, work: &Path, target: &Path) -> Result<(), BuildError> {
    // Not $CARGO: that is one toolchain's own, rustup's chooses.
    let mut command = Command::new("cargo");
    command
        .current_dir(source)
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
    let output = command.output().map_err(BuildError::NoCargo)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    if text.contains("can't find crate for `core`") || text.contains("can't find crate for `std`") {
        return Err(BuildError::NoTarget);
    }
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
    Err(BuildError::Compile {
        path: source.to_owned(),
        output: shown,
    })
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
